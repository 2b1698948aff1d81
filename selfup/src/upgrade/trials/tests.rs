use super::*;
use crate::upgrade::is_taken;
use crate::upgrade::lock::{Held, lock};
use crate::upgrade::testing::id;
use crate::upgrade::tests::{Service, binary};

/// A service with the second binary in place, on trial.
fn on_trial() -> Service {
    let mut service = Service::whose_candidates("good");
    let candidate = service.examine(&binary(2)).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    service
}

fn trial_of(service: &Service) -> Option<Trial> {
    Trial::load(service.pipeline.target.folder()).unwrap()
}

const PREVIOUS: &str = ".app.selfup-previous";

const HISTORY: &str = ".app.selfup-history";

#[test]
fn the_next_master_goes_on_with_a_trial_and_ends_it_either_way() {
    let mut service = on_trial().again();
    assert_eq!(service.pipeline.on_trial(), Some(service.pipeline.inode()));
    service.pipeline.keep();
    assert_eq!(service.place.names(), [HISTORY, PREVIOUS, "app"]);
    assert_eq!(service.pipeline.history.good(), Some(id(&binary(2))));

    let mut service = on_trial().again();
    let reason = Error::new(ErrorKind::NotReady, "it crashed");
    service.pipeline.restore(&reason).unwrap();
    assert!(service.place.content("app") == binary(1));
    assert_eq!(service.place.names(), [HISTORY, "app"]);
    assert!(service.examine(&binary(2)).unwrap().is_none(), "it is remembered");
    assert_eq!(service.told(), ["rolled_back"]);
}

/// As a master leaves it that was killed between the note of the failure and the history.
#[test]
fn what_was_put_back_by_a_master_that_was_killed_is_remembered_once() {
    let service = on_trial();
    let mut trial = trial_of(&service).unwrap();
    trial.fail(&Error::new(ErrorKind::NotReady, "it crashed"));
    trial.write(service.pipeline.target.folder()).unwrap();
    let previous = service.place.directory.path().join(PREVIOUS);
    std::fs::rename(previous, &service.place.path).unwrap();
    let mut service = service.again();
    assert_eq!((trial_of(&service), service.pipeline.on_trial()), (None, None));
    assert!(service.examine(&binary(2)).unwrap().is_none());
    assert_eq!(service.pipeline.history.why_not(id(&binary(2))), Some("it crashed"));
    assert_eq!(service.told(), ["candidate_refused", "rolled_back"]);
}

#[test]
fn what_failed_and_is_still_there_is_put_back() {
    let service = on_trial();
    let mut trial = trial_of(&service).unwrap();
    trial.fail(&Error::new(ErrorKind::NotReady, "it crashed"));
    trial.write(service.pipeline.target.folder()).unwrap();
    assert!(!service.pipeline.has_put_back());
    let service = service.again();
    assert!(service.place.content("app") == binary(1));
    assert_eq!(service.place.names(), [HISTORY, "app"]);
    assert!(service.pipeline.has_put_back(), "what runs is to be restarted");
}

#[test]
fn the_note_of_a_failure_stays_until_the_history_can_be_written() {
    let mut service = on_trial();
    let in_the_way = service.place.directory.path().join(HISTORY);
    std::fs::create_dir(&in_the_way).unwrap();
    let reason = Error::new(ErrorKind::NotReady, "it crashed");
    service.pipeline.restore(&reason).unwrap();
    assert!(service.place.content("app") == binary(1));
    service.pipeline.current();
    assert!(trial_of(&service).unwrap().failed.is_some());
    // A master that was killed then leaves one that knows no more than the files do.
    let mut service = service.again();
    assert!(service.examine(&binary(2)).unwrap().is_none(), "it is known to have failed");
    assert!(trial_of(&service).unwrap().failed.is_some());
    std::fs::remove_dir(&in_the_way).unwrap();
    service.pipeline.current();
    assert_eq!(service.place.names(), [HISTORY, "app"]);
    let mut service = service.again();
    assert!(service.examine(&binary(2)).unwrap().is_none(), "it is remembered");
}

#[test]
fn the_note_of_what_passed_goes_though_the_history_cannot_be_written() {
    let mut service = on_trial();
    std::fs::create_dir(service.place.directory.path().join(HISTORY)).unwrap();
    service.pipeline.keep();
    assert_eq!(trial_of(&service), None);
}

/// As it is put back where no copy can be made.
#[test]
fn a_binary_in_place_that_somebody_else_has_locked_is_left_alone_until_it_is_free() {
    let mut service = Service::whose_candidates("good");
    let open = || File::open(&service.place.path).unwrap();
    let (bare, stranger) = (Held::if_free(open()).unwrap(), open());
    assert!(!bare.is_locked());
    let target = service.pipeline.target.with_file(bare, id(&binary(1))).unwrap();
    service.pipeline.target = target;
    let stranger = lock(stranger).unwrap();
    assert!(is_taken(&service.examine(&binary(2)).unwrap_err()));
    drop(stranger);
    assert!(service.examine(&binary(2)).unwrap().is_some());
    assert!(service.pipeline.target.is_locked());
}

#[test]
fn a_note_of_what_never_took_the_path_is_thrown_away() {
    let service = Service::whose_candidates("good");
    let trial = Trial::of(id(&binary(2)), id(&binary(1)));
    trial.write(service.pipeline.target.folder()).unwrap();
    let mut service = service.again();
    assert_eq!(service.place.names(), ["app"]);
    assert!(service.examine(&binary(2)).unwrap().is_some(), "nothing is held against it");
}

#[test]
fn a_note_that_cannot_be_read_is_told_and_the_binary_stays() {
    let service = on_trial();
    std::fs::write(service.place.directory.path().join(".app.selfup-trial"), "garbled").unwrap();
    let service = service.again();
    assert!(service.place.content("app") == binary(2));
    assert_eq!(trial_of(&service), None);
    assert_eq!(service.told(), ["warning"]);
}

#[test]
fn a_start_that_ends_as_it_was_told_is_not_counted() {
    let mut service = on_trial();
    let mut trial = trial_of(&service).unwrap();
    trial.starts = 2;
    service.pipeline.counted = Some(trial);
    service.pipeline.leave();
    assert_eq!(trial_of(&service).unwrap().starts, 1);
    service.pipeline.leave();
    assert_eq!(trial_of(&service).unwrap().starts, 1, "once");
}

#[test]
fn the_previous_binary_takes_the_way_of_a_candidate_and_the_other_is_refused() {
    let mut service = on_trial();
    service.pipeline.keep();
    let candidate = service.pipeline.previous().unwrap().unwrap();
    assert_eq!(candidate.id(), id(&binary(1)));
    service.pipeline.discard(candidate);
    assert!(service.pipeline.history.allows(id(&binary(2)), Instant::now()), "it stays");

    let candidate = service.pipeline.previous().unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    assert!(service.place.content("app") == binary(1));
    service.pipeline.keep();
    assert!(service.place.content(PREVIOUS) == binary(2));
    assert!(service.examine(&binary(2)).unwrap().is_none(), "whoever offers it");
    let words = service.pipeline.previous().unwrap_err().to_string();
    assert!(words.contains("clear_refused()") && words.contains("by request"), "{words}");
    service.pipeline.clear();
    assert!(service.examine(&binary(2)).unwrap().is_some());
}

#[test]
fn a_rollback_that_fails_its_trial_leaves_what_was_there_in_favour() {
    let mut service = on_trial();
    service.pipeline.keep();
    let candidate = service.pipeline.previous().unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    let reason = Error::new(ErrorKind::NotReady, "its database has moved on");
    service.pipeline.restore(&reason).unwrap();
    assert!(service.place.content("app") == binary(2));
    assert!(service.pipeline.history.allows(id(&binary(2)), Instant::now()));
    assert!(!service.pipeline.history.allows(id(&binary(1)), Instant::now()));
}

#[test]
fn without_a_previous_binary_there_is_no_way_back() {
    let mut service = Service::whose_candidates("good");
    let words = service.pipeline.previous().unwrap_err().to_string();
    assert!(words.contains("no previous binary") && words.contains(PREVIOUS), "{words}");
}

/// As it is where a system is out of something, or sick.
#[test]
fn a_passing_error_ends_no_trial() {
    let service = on_trial();
    let previous = service.place.directory.path().join(PREVIOUS);
    let kept = service.place.directory.path().join("kept");
    std::fs::rename(&previous, &kept).unwrap();
    // ENXIO, to who opens it.
    let socket = std::os::unix::net::UnixListener::bind(&previous).unwrap();
    let service = service.again();
    assert!(trial_of(&service).is_some() && service.pipeline.on_trial().is_none());
    drop(socket);
    std::fs::rename(&kept, &previous).unwrap();
    let service = service.again();
    assert_eq!(service.pipeline.on_trial(), Some(service.pipeline.inode()));
}

#[test]
fn what_will_not_pass_is_known_from_what_will() {
    for (number, passes) in [
        (libc::EMFILE, true),
        (libc::ENOMEM, true),
        (libc::EACCES, true),
        (libc::EIO, true),
        (libc::ENOENT, false),
        (libc::ELOOP, false),
    ] {
        let cause = std::io::Error::from_raw_os_error(number);
        let error = Error::new(ErrorKind::Rollback, "it cannot be opened").caused_by(cause);
        assert_eq!(is_passing(&error), passes, "{number}");
    }
    assert!(!is_passing(&Error::new(ErrorKind::Rollback, "it is another one")));
}

/// A service whose second binary proved itself, and is being rolled back by request.
fn rolling_back() -> (Service, Candidate) {
    let mut service = on_trial();
    service.pipeline.keep();
    let candidate = service.pipeline.previous().unwrap().unwrap();
    let history = service.place.content(HISTORY);
    assert!(String::from_utf8_lossy(&history).contains("by request"), "it is on the disk by now");
    (service, candidate)
}

#[test]
fn a_rollback_by_request_that_is_killed_before_its_swap_leaves_what_is_in_place_in_favour() {
    let (service, candidate) = rolling_back();
    // As far as it comes before the rename: the note, and the name.
    Trial::of(id(&binary(1)), id(&binary(2))).write(service.pipeline.target.folder()).unwrap();
    let previous = service.place.directory.path().join(PREVIOUS);
    std::fs::remove_file(&previous).unwrap();
    std::fs::hard_link(&service.place.path, &previous).unwrap();
    drop(candidate);
    let service = service.again();
    assert!(service.place.content("app") == binary(2));
    assert_eq!((service.pipeline.on_trial(), trial_of(&service)), (None, None));
    assert!(service.pipeline.history.allows(id(&binary(2)), Instant::now()));
    assert_eq!(service.place.names(), [HISTORY, "app"], "what was not replaced is no previous one");
}

#[test]
fn a_rollback_by_request_that_is_killed_behind_its_swap_goes_on_and_ends_either_way() {
    let (mut service, candidate) = rolling_back();
    service.pipeline.swap(candidate).unwrap();
    let mut service = service.again();
    assert_eq!(service.pipeline.on_trial(), Some(service.pipeline.inode()));
    service.pipeline.keep();
    assert!(service.place.content("app") == binary(1));
    assert!(!service.pipeline.history.allows(id(&binary(2)), Instant::now()), "as requested");

    let (mut service, candidate) = rolling_back();
    service.pipeline.swap(candidate).unwrap();
    let mut service = service.again();
    let reason = Error::new(ErrorKind::NotReady, "its database has moved on");
    service.pipeline.restore(&reason).unwrap();
    assert!(service.place.content("app") == binary(2));
    assert!(service.pipeline.history.allows(id(&binary(2)), Instant::now()), "it is what there is");
    assert!(!service.pipeline.history.allows(id(&binary(1)), Instant::now()));
}
