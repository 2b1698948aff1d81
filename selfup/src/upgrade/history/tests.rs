use super::record::{self, Moment};
use super::*;
use crate::upgrade::testing::Place;

const FILE: &str = ".app.selfup-history";

fn id(number: u8) -> BinaryId {
    BinaryId::from_bytes([number; 32])
}

fn reason(kind: ErrorKind) -> Error {
    Error::new(kind, "it is no good")
}

/// A history of one candidate that failed once at `then`, as a master of `now` reads it.
fn reread(then: Moment, now: Moment) -> History {
    let mut history = History::default();
    history.fail(id(1), &reason(ErrorKind::Probe), then.monotonic);
    record::from_text(&record::to_text(&history, then).unwrap(), now).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_failed_while_it_ran_is_tried_three_times_more() {
    let mut history = History::default();
    let mut now = Instant::now();
    let failed = reason(ErrorKind::Probe);
    for minutes in [1, 10, 60] {
        history.fail(id(1), &failed, now);
        let at = now + seconds(minutes * 60);
        assert_eq!(history.retry_at(id(1)), Some(at));
        assert!(!history.allows(id(1), at.checked_sub(Duration::from_millis(1)).unwrap()));
        assert!(history.allows(id(1), at));
        now = at;
    }
    history.fail(id(1), &failed, now);
    assert_eq!(history.retry_at(id(1)), None);
    assert!(!history.allows(id(1), now + seconds(24 * 3600)));
    assert!(history.allows(id(2), now));
}

#[test]
fn what_was_refused_by_its_bytes_stays_refused() {
    let mut history = History::default();
    let now = Instant::now();
    history.fail(id(1), &reason(ErrorKind::Probe), now);
    history.refuse(id(1), &reason(ErrorKind::Note));
    assert!(!history.allows(id(1), now + seconds(24 * 3600)));
    assert_eq!((history.retry_at(id(1)), history.kind(id(1))), (None, Some(ErrorKind::Note)));
    history.forget(id(1));
    assert!(history.allows(id(1), now));
}

#[test]
fn the_oldest_is_forgotten_so_that_memory_is_bounded() {
    let mut history = History::default();
    for number in 0..=64 {
        history.refuse(id(number), &reason(ErrorKind::Note));
    }
    assert_eq!(history.entries.len(), LONGEST);
    assert!(history.allows(id(0), Instant::now()) && history.kind(id(1)).is_some());
}

#[test]
fn the_next_master_knows_what_this_one_turned_down() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let mut history = History::default();
    history.refuse(id(1), &reason(ErrorKind::Note));
    history.fail(id(2), &reason(ErrorKind::NotReady), Instant::now());
    history.save(&target).unwrap();
    assert_eq!(place.names(), [FILE, "app"], "and nothing of its writing is left");

    let mut next = History::load(&target).unwrap();
    let now = Instant::now();
    assert!(!next.allows(id(1), now + seconds(24 * 3600)));
    assert!(!next.allows(id(2), now + seconds(50)) && next.allows(id(2), now + seconds(60)));
    assert_eq!(next.entries[1].reason, "it is no good");
    assert_eq!(
        [next.kind(id(1)), next.kind(id(2))],
        [Some(ErrorKind::Note), Some(ErrorKind::NotReady)]
    );
    next.fail(id(2), &reason(ErrorKind::NotReady), now);
    assert_eq!(next.retry_at(id(2)), Some(now + seconds(600)), "its second failure");
}

#[test]
fn a_file_is_there_only_while_there_is_something_to_remember() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let mut history = History::load(&target).unwrap();
    history.save(&target).unwrap();
    assert_eq!(place.names(), ["app"]);
    history.refuse(id(1), &reason(ErrorKind::Note));
    history.save(&target).unwrap();
    assert_eq!(place.names(), [FILE, "app"]);
    history.forget(id(1));
    history.save(&target).unwrap();
    assert_eq!(place.names(), ["app"]);
}

#[test]
fn it_is_written_only_when_something_has_changed() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let mut history = History::default();
    history.refuse(id(1), &reason(ErrorKind::Note));
    history.save(&target).unwrap();
    std::fs::remove_file(target.state().path_of("history")).unwrap();
    history.forget(id(2));
    history.save(&target).unwrap();
    assert_eq!(place.names(), ["app"], "what was not known was not forgotten");
}

#[test]
fn a_clock_that_was_set_delays_nobody_for_longer_than_its_step() {
    let now = Moment { monotonic: Instant::now(), wall: seconds(1_000_000) };
    let at = |wall: u64| Moment { wall: seconds(wall), ..now };
    for (later, left) in [
        (at(1_000_045), 15),
        (at(1_000_060), 0),
        (at(9_000_000), 0),
        (at(999_000), 60),
        (at(0), 60),
    ] {
        let retry_at = reread(now, later).retry_at(id(1)).unwrap();
        assert_eq!(retry_at - now.monotonic, seconds(left), "{later:?}");
    }
}

#[test]
fn a_time_beyond_all_reason_delays_nobody_for_longer_than_its_step() {
    let now = Moment::now();
    for retry_at in [format!("{}", u64::MAX), "null".to_owned()] {
        let text = format!(
            r#"{{"version":1,"refused":[{{"sha256":"{}","failures":2,"retry_at":{retry_at}}}]}}"#,
            id(1)
        );
        let history = record::from_text(&text, now).unwrap();
        assert_eq!(history.retry_at(id(1)), Some(now.monotonic + seconds(600)));
    }
}

#[test]
fn the_first_versions_file_is_read_for_ever() {
    let text = format!(
        r#"{{"version":1,"about":"x","new":[],"refused":[
            {{"sha256":"{}","kind":"probe","reason":"it hung","failures":4,"retry_at":null}},
            {{"sha256":"{}","kind":"of a later version","mood":"bad"}}]}}"#,
        id(1),
        id(2)
    );
    let history = record::from_text(&text, Moment::now()).unwrap();
    let later = Instant::now() + seconds(24 * 3600);
    assert!(!history.allows(id(1), later) && !history.allows(id(2), later));
    assert_eq!(
        [history.kind(id(1)), history.kind(id(2))],
        [Some(ErrorKind::Probe), Some(ErrorKind::Rejected)]
    );
}

/// What lies there may be anything, and the error says where it is and what to do.
#[test]
fn what_is_no_history_is_told_and_written_over() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let path = target.state().path_of("history");
    let long = " ".repeat(600 * 1024);
    let texts: [&[u8]; 7] = [
        b"",
        b"\xff\xfe",
        b"{\"version\":1,\"refused\":[",
        b"{\"version\":2}",
        b"{\"version\":1,\"refused\":[{\"sha256\":\"ba78\"}]}",
        b"[]",
        long.as_bytes(),
    ];
    for text in texts {
        std::fs::write(&path, text).unwrap();
        let error = History::load(&target).unwrap_err();
        let words = error.chain();
        assert!(words.contains(&path.display().to_string()), "{words}");
        assert!(words.contains("cannot be read") && words.contains("; remove it"), "{words}");
    }
    let mut history = History::default();
    history.refuse(id(1), &reason(ErrorKind::Note));
    history.save(&target).unwrap();
    assert_eq!(History::load(&target).unwrap().entries, history.entries);
}

#[test]
fn a_pipe_or_a_directory_of_its_name_holds_nobody_up() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let path = target.state().path_of("history");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let words = History::load(&target).unwrap_err().chain();
    assert!(words.contains("it is no regular file"), "{words}");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    History::load(&target).unwrap_err();
}

#[test]
fn what_cannot_be_written_is_told_once_and_written_later() {
    let place = Place::with(b"bytes");
    let target = place.target();
    std::fs::create_dir(target.state().path_of("history")).unwrap();
    let mut history = History::default();
    history.refuse(id(1), &reason(ErrorKind::Note));
    let words = history.save(&target).unwrap_err().chain();
    assert!(words.contains("cannot be written"), "{words}");
    history.refuse(id(2), &reason(ErrorKind::Note));
    history.save(&target).unwrap();
    assert_eq!(place.names(), [FILE, "app"], "nothing of the attempts is left");
    std::fs::remove_dir(target.state().path_of("history")).unwrap();
    history.save(&target).unwrap();
    assert_eq!(History::load(&target).unwrap().entries.len(), 2);
}

#[test]
fn without_the_lock_of_the_file_at_the_path_nothing_is_written() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let other = place.directory.path().join("other");
    std::fs::write(&other, "by hand").unwrap();
    std::fs::rename(other, &place.path).unwrap();
    let mut history = History::default();
    history.refuse(id(1), &reason(ErrorKind::Note));
    history.save(&target).unwrap();
    assert_eq!(place.names(), ["app"]);
    drop(target);
    history.save(&place.target()).unwrap();
    assert_eq!(place.names(), [FILE, "app"]);
}

#[test]
fn a_service_that_moves_takes_its_history_along() {
    let (old, new) = (Place::with(b"bytes"), Place::with(b"other bytes"));
    let (from, to) = (old.target(), new.target());
    let mut there = History::default();
    there.refuse(id(1), &reason(ErrorKind::Note));
    there.refuse(id(2), &reason(ErrorKind::Note));
    there.save(&to).unwrap();
    let mut history = History::load(&from).unwrap();
    history.fail(id(2), &reason(ErrorKind::Probe), Instant::now());
    history.move_to(&to).unwrap();
    history.save(&to).unwrap();
    let found = History::load(&to).unwrap();
    assert_eq!(
        [found.kind(id(1)), found.kind(id(2))],
        [Some(ErrorKind::Note), Some(ErrorKind::Probe)]
    );
}

#[test]
fn the_longest_history_can_be_read() {
    let place = Place::with(b"bytes");
    let target = place.target();
    let mut history = History::default();
    for number in 0..64 {
        let words = "\u{1}".repeat(10_000);
        history.refuse(id(number), &Error::new(ErrorKind::Note, words));
    }
    history.save(&target).unwrap();
    assert_eq!(History::load(&target).unwrap().entries, history.entries);
}
