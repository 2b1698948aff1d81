//! What a service remembers over its restarts of the binaries that it turned down.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Published, Release, Service, ServiceBuilder};

/// Publishes `bad`, and waits until it was turned down with this event, and is not sent again.
fn turn_down(published: &Published, bad: &Release, event: &str) {
    published.publisher.publish(Answer::Whole(bad.clone()));
    published.service.wait_for(event);
    published.publisher.wait_for("GET 304", 2);
}

/// That the service, started again, has `bad` on offer and does not try it, and takes a good one.
fn is_not_tried_again(published: &Published, mut again: Service) {
    let (probes, children) = (published.starts("Probe"), published.starts("Child"));
    let sent = count(published, "GET 200");
    published.publisher.wait_for("GET 304", 3);
    assert_eq!(count(published, "GET 200"), sent, "its tag is known to the new master");
    assert_eq!(again.lines("event candidate_"), [""; 0]);
    assert_eq!(again.lines("event upgraded: "), [""; 0]);
    assert_eq!((published.starts("Probe"), published.starts("Child")), (probes, children));
    assert_eq!(again.lines("event warning: "), [""; 0]);

    let good = Release::good();
    published.publisher.publish(Answer::Whole(good.clone()));
    again.wait_for("event committed: generation 2 ");
    again.assert_runs(&good);
    assert!(again.stop().success());
}

fn count(published: &Published, answer: &str) -> usize {
    published.publisher.answered().iter().filter(|line| *line == answer).count()
}

#[test]
fn a_release_that_died_on_probation_is_not_tried_again_after_a_restart_of_the_service() {
    let mut published = Published::start(&[("PROBATION", "3s")]);
    turn_down(&published, &Release::flawed("dies-soon"), "event rolled_back: ");
    assert_eq!((published.starts("Probe"), published.starts("Child")), (1, 2));
    let again = published.start_again(&[]);
    is_not_tried_again(&published, again);
}

#[test]
fn a_release_that_failed_its_probe_is_not_tried_again_after_a_restart_of_the_service() {
    let mut published = Published::start(&[]);
    turn_down(&published, &Release::flawed("probe-fails"), "event candidate_refused: ");
    let again = published.start_again(&[]);
    is_not_tried_again(&published, again);
}

#[test]
fn what_no_longer_has_a_master_is_remembered_by_the_next_one() {
    let mut published = Published::start(&[]);
    turn_down(&published, &Release::flawed("crashes"), "event rolled_back: ");
    published.service.signal(Signal::SIGKILL);
    published.service.wait();
    published.service.processes().wait_until_gone();
    let again = published.start_next(&[]);
    is_not_tried_again(&published, again);
}

#[test]
fn what_was_delivered_before_a_restart_is_not_delivered_again() {
    let mut published = Published::start(&[]);
    published.upgrade(&Release::good());
    published.publisher.wait_for("GET 304", 2);
    assert!(published.service.stop().success());
    let history = published.service.history().expect("what was delivered last");
    assert!(history.contains("\"refused\": []"), "{history}");
    let again = published.start_next(&[]);
    published.publisher.wait_for("GET 304", 2);
    drop(again);
    assert_eq!(count(&published, "GET 200"), 2, "the first release and its successor");
}

/// Damaged, or of a version that is not known here: the file is told, and the service starts.
#[test]
fn a_history_that_cannot_be_read_is_a_warning_and_no_failed_start() {
    for text in ["{\"version\":1,\"refus", "{\"version\":99}", "\0\0\0\0"] {
        let builder = ServiceBuilder::new(&Release::good());
        let path = builder.directory().join(".app.selfup-history");
        fs::write(&path, text).expect("the directory is ours");
        let source = selfup_tests::Publisher::start(Answer::Whole(Release::good()));
        let mut published = Published::of(builder, source, &[("REQUIRED", "1")]);
        let line = published.service.wait_for("event warning: ");
        assert!(line.contains(&path.display().to_string()) && line.contains("; remove it"));
        published.service.wait_for("event committed: generation 2 ");
        assert!(published.service.stop().success());
    }
}

#[test]
fn a_history_that_cannot_be_written_is_told_once_and_costs_nothing_until_the_next_start() {
    let mut published = Published::start(&[]);
    let path = published.service.directory().join(".app.selfup-history");
    published.publisher.wait_for("GET 304", 1);
    // No file can be renamed over a directory.
    fs::remove_file(&path).expect("what was delivered is remembered");
    fs::create_dir(&path).expect("the directory is ours");
    for (count, bad) in [Release::of("one page"), Release::of("another page")].iter().enumerate() {
        published.publisher.publish(Answer::Whole(bad.clone()));
        published.service.wait_for_nth("event candidate_refused: ", count + 1);
        published.publisher.wait_for("GET 304", 2);
    }
    let told = published.service.lines("event warning: ");
    assert_eq!(told.len(), 1, "{told:#?}");
    let words = format!("the history {} cannot be written", path.display());
    assert!(told[0].contains(&words), "{told:#?}");
    published.service.assert_files(&[]);
    published.upgrade(&Release::good());
    assert!(published.service.stop().success());
}
