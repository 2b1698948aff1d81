//! What the program has a say in: `pre_upgrade`, and whether a new binary is run at once.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Published, Release};

#[test]
fn a_hook_sees_each_candidate_once_before_it_is_run() {
    let mut published = Published::start(&[("PRE_UPGRADE", "tells")]);
    let release = Release::good();
    published.upgrade(&release);
    published.publisher.wait_for("GET 304", 2);
    let told = published.service.lines("pre_upgrade ");
    assert_eq!(told, [format!("pre_upgrade {}", release.id())]);
    assert!(published.service.stop().success());
}

#[test]
fn a_hook_that_refuses_keeps_a_candidate_from_being_run_until_other_bytes_are_offered() {
    is_refused("refuses", "the `pre_upgrade` hook turned it down: the hook refuses it");
}

#[test]
fn a_hook_that_panics_refuses() {
    is_refused("panics", "the `pre_upgrade` hook panicked; see its message on stderr");
}

fn is_refused(hook: &str, words: &str) {
    let mut published = Published::start(&[("PRE_UPGRADE", hook)]);
    let load = Load::start(published.service.address(), "/", 2);
    for count in 1..=2 {
        published.publisher.publish(Answer::Whole(Release::good()));
        let line = published.service.wait_for_nth("event candidate_refused: ", count);
        assert!(line.contains(words), "{line}");
        published.publisher.wait_for("GET 304", 2);
        assert_eq!(published.service.lines("event candidate_refused: ").len(), count);
    }
    assert_eq!((published.starts("Probe"), published.starts("Child")), (0, 1));
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    // The service can still be restarted, and runs what it ran.
    published.service.restart(2);
    published.service.assert_files(&[]);
    assert!(published.service.stop().success());
}

#[test]
fn with_no_restart_after_fetch_a_new_binary_waits_for_the_next_restart() {
    let mut published = Published::start(&[("NO_RESTART_AFTER_FETCH", "1")]);
    let before = published.service.get("/");
    let mut release = Release::good();
    for count in 1..=2 {
        release = Release::good();
        published.publisher.publish(Answer::Whole(release.clone()));
        published.service.wait_for_nth("event upgraded: ", count);
        published.publisher.wait_for("GET 304", 2);
        assert_eq!(published.service.get("/"), before);
        published.service.assert_on_disk(&release);
    }
    assert_eq!(published.starts("Child"), 1);
    published.service.restart(2);
    published.service.assert_runs(&release);
    assert!(published.service.stop().success());
}

#[test]
fn with_no_restart_a_new_binary_waits_for_the_next_start() {
    let mut published = Published::start(&[("NO_RESTART", "1")]);
    let before = published.service.get("/");
    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event upgraded: ");
    assert_eq!(published.service.get("/restart"), "Ok(())\n");
    published.service.wait_for("a restart was asked for, but `no_restart` is set");
    published.publisher.wait_for("GET 304", 2);
    assert_eq!(published.service.get("/"), before);
    published.service.assert_on_disk(&release);

    // Its signal is one like any other: it ends a program that has no use for it.
    published.service.signal(Signal::SIGUSR2);
    assert_eq!(published.service.wait().signal(), Some(Signal::SIGUSR2 as i32));
    assert_eq!(published.starts("Child"), 1);
    published.service.assert_on_disk(&release);
}
