//! What the next master knows of those before it.

use super::*;

#[test]
fn the_next_master_does_not_try_again_what_failed_in_its_trial() {
    let mut service = Service::whose_candidates("good");
    let bad = binary(2);
    let candidate = service.examine(&bad).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    let reason = Error::new(ErrorKind::NotReady, "generation 2 never became ready");
    service.pipeline.restore(&reason).unwrap();

    let mut service = service.again();
    assert!(service.examine(&bad).unwrap().is_none());
    assert_eq!(service.validator(), Some(id(&bad).short()), "nor is it sent again");
    let left = service.pipeline.retry_at().unwrap() - Instant::now();
    assert!(left <= Duration::from_secs(60), "{left:?}");
    let candidate = service.examine(&binary(3)).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    service.pipeline.keep();
    assert_eq!(service.place.names(), [HISTORY, PREVIOUS, "app"]);
    assert_eq!(service.told(), ["candidate_staged", "upgraded"]);
}

#[test]
fn what_proved_itself_after_all_is_forgotten_for_the_next_master_too() {
    let mut service = Service::whose_candidates("panics");
    let bad = binary(2);
    let reason = service.refusal(&bad);
    let earlier = Instant::now().checked_sub(Duration::from_secs(70)).unwrap();
    service.pipeline.history.forget(id(&bad));
    service.pipeline.history.fail(id(&bad), &reason, earlier);
    service.pipeline.save_history();

    let mut service = service.again();
    let candidate = service.examine(&bad).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    service.pipeline.keep();
    assert_eq!(service.place.names(), [HISTORY, PREVIOUS, "app"]);
}

#[test]
fn a_history_that_cannot_be_read_is_told_and_is_none() {
    let service = Service::whose_candidates("good");
    std::fs::write(service.place.directory.path().join(HISTORY), "garbage").unwrap();
    let mut service = service.again();
    assert!(service.examine(&binary(2)).unwrap().is_some());
    assert_eq!(service.told(), ["warning", "candidate_staged"]);
}

#[test]
fn a_history_that_cannot_be_written_is_told_once_and_kept_in_memory() {
    let mut service = Service::whose_candidates("good");
    // No rename replaces a directory.
    std::fs::create_dir(service.place.directory.path().join(HISTORY)).unwrap();
    for page in [b"<html>1", b"<html>2", b"<html>1"] {
        assert!(service.examine(page).unwrap().is_none());
    }
    std::fs::remove_dir(service.place.directory.path().join(HISTORY)).unwrap();
    assert!(service.examine(b"<html>2").unwrap().is_none());
    assert!(service.place.content(HISTORY).len() > 200, "it is written once it can be");
    let refused = ["candidate_staged", "candidate_refused"];
    let told = service.told();
    assert_eq!(told, ["candidate_staged", "warning", "candidate_refused", refused[0], refused[1]]);
}
