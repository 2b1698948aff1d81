//! Fetchers and servers that fail: the service goes on, and the next good release is taken.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use selfup_tests::{Answer, Load, Published, Publisher, Release, ServiceBuilder};

/// Publishes what cannot be taken, and then what can.
fn is_tried_again(bad: impl Fn(Release) -> Answer, answered: &str, words: &str) {
    let silence = if answered == "GET stalled" { "2s" } else { "30s" };
    let mut published = Published::start(&[("SILENCE", silence)]);
    let load = Load::start(published.service.address(), "/", 2);
    let release = Release::good();
    published.publisher.publish(bad(release.clone()));
    published.publisher.wait_for(answered, 2);
    let line = published.service.wait_for("event fetch_failed: ");
    assert!(line.contains(words), "{line}");
    assert_eq!(published.service.lines("event candidate_"), [""; 0]);

    published.upgrade(&release);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
    published.service.assert_files(&[".app.selfup-previous"]);
}

#[test]
fn a_truncated_download_is_tried_again_at_the_next_poll() {
    let half = |release: Release| {
        let half = release.bytes().len() / 2;
        Answer::Truncated(release, half)
    };
    is_tried_again(half, "GET truncated", "the download broke off");
}

#[test]
fn a_download_that_ends_before_its_first_byte_is_tried_again() {
    let nothing = |release| Answer::Truncated(release, 0);
    is_tried_again(nothing, "GET truncated", "the download broke off");
}

#[test]
fn a_download_that_lacks_its_last_byte_is_tried_again() {
    let almost = |release: Release| {
        let almost = release.bytes().len() - 1;
        Answer::Truncated(release, almost)
    };
    is_tried_again(almost, "GET truncated", "the download broke off");
}

#[test]
fn a_stalled_download_is_given_up_and_tried_again() {
    let stalled = |release| Answer::Stalled(release, 100_000);
    is_tried_again(stalled, "GET stalled", "sent nothing for 2s in the middle of the download");
}

#[test]
fn a_reset_download_is_tried_again() {
    let reset = |release| Answer::Reset(release, 100_000);
    is_tried_again(reset, "GET reset", "");
}

#[test]
fn a_server_error_is_tried_again() {
    is_tried_again(
        |_| Answer::Status(500),
        "GET 500",
        "status 500 Internal Server Error; expected 200 and the binary",
    );
}

#[test]
fn a_release_that_is_not_there_yet_is_asked_for_again() {
    is_tried_again(
        |_| Answer::Status(404),
        "GET 404",
        "status 404 Not Found; expected 200 and the binary",
    );
}

#[test]
fn a_server_that_is_down_at_the_start_is_asked_again() {
    let first = Release::good();
    let source = Publisher::closed();
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[]);
    let line = published.service.wait_for_nth("event fetch_failed: ", 2);
    assert!(line.contains("Connection refused"), "{line}");
    let second = Release::good();
    published.publisher.open(Answer::Whole(second.clone()));
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn a_first_download_that_stalls_holds_up_neither_the_program_nor_its_restarts() {
    let second = Release::good();
    let source = Publisher::start(Answer::Stalled(second.clone(), 100_000));
    let builder = ServiceBuilder::new(&Release::good()).set("SILENCE", "2s");
    let mut published = Published::of(builder, source, &[]);
    published.service.wait_for_staged(100_000);
    published.service.restart(2);
    assert!(published.service.get("/").contains(" 2 "));
    // The bytes are there before the answer is noted, when it has stalled.
    published.publisher.wait_for("GET stalled", 1);
    assert!(published.publisher.answered().iter().all(|line| line == "GET stalled"));
    published.publisher.publish(Answer::Whole(second.clone()));
    published.service.wait_for("event committed: generation 3 ");
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn a_fetcher_that_blocks_holds_up_neither_the_program_nor_its_restarts_nor_its_end() {
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", "blocks");
    let mut service = builder.start();
    let load = Load::start(service.address(), "/", 2);
    service.wait_for("the fetcher blocks");
    service.restart(2);
    assert_eq!(service.get("/check"), "Ok(())\n");
    service.restart(3);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_fetcher_that_blocks_holds_up_no_succession() {
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", "blocks");
    let mut service = builder.start();
    let load = Load::start(service.address(), "/", 2);
    for count in 1..=3 {
        service.wait_for_nth("the fetcher blocks", count);
        let release = Release::good();
        release.install(&service.binary());
        service.restart(u64::try_from(count).expect("a small number") + 1);
        service.wait_for_nth("event master_replaced: ", count);
        service.assert_master_runs(&release);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    for event in ["event warning: ", "event fetch_failed: "] {
        assert_eq!(service.lines(event), [""; 0]);
    }
    assert!(service.stop().success());
}

#[test]
fn a_fetcher_that_blocks_holds_up_no_rollback() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    let (first, second) = (Release::good(), Release::good());
    second.install(&path);
    let builder = ServiceBuilder::new(&first).set("FETCHER", "blocks");
    let mut service = builder.set("RELEASE", path).start();
    service.wait_for("event committed: generation 2 ");
    service.wait_for("event master_replaced: ");
    // The second master's fetcher has nothing new.
    service.wait_for("the fetcher blocks");
    service.assert_runs(&second);
    let load = Load::start(service.address(), "/", 2);
    assert_eq!(service.get("/rollback"), "Ok(())\n");
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&first);
    service.wait_for_nth("event master_replaced: ", 2);
    service.assert_master_runs(&first);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_fetcher_that_panics_is_asked_again_and_what_it_then_delivers_is_taken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", "panics");
    let mut service = builder.set("RELEASE", path.clone()).start();
    let line = service.wait_for_nth("event fetch_failed: ", 2);
    assert!(line.contains("it panicked: the fetcher panics, as the test asks it to"), "{line}");
    service.restart(2);
    assert_eq!(service.lines("event fetch_failed: ").len(), 2);
    let release = Release::good();
    release.install(&path);
    // Its master begins with a fetcher of its own, which panics anew.
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&release);
    assert!(service.stop().success());
}
