//! Masters that end in the middle of an upgrade: by a signal that asks, or by one that does not.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Published, Release, ServiceBuilder, eventually};

#[test]
fn a_stop_in_the_middle_of_a_download_leaves_nothing_behind() {
    let mut published = Published::start(&[]);
    published.publisher.publish(Answer::Stalled(Release::good(), 100_000));
    published.publisher.wait_for("GET stalled", 1);
    published.service.wait_for_staged(100_000);
    assert!(published.service.stop().success());
    published.service.assert_files(&[]);
}

#[test]
fn the_next_start_sweeps_what_a_master_killed_in_the_middle_of_a_download_left() {
    let mut published = Published::start(&[]);
    published.publisher.publish(Answer::Stalled(Release::good(), 100_000));
    published.publisher.wait_for("GET stalled", 1);
    published.service.wait_for_staged(100_000);
    published.service.signal(Signal::SIGKILL);
    published.service.wait();
    published.service.processes().wait_until_gone();
    assert_eq!(published.service.files().len(), 1, "what a killed master cannot remove");

    let second = Release::good();
    published.publisher.publish(Answer::Whole(second.clone()));
    let again = ServiceBuilder::of(published.service.directory());
    let mut again = again.set("FETCHER", published.publisher.url()).start();
    again.wait_for("event committed: generation 2 ");
    again.assert_runs(&second);
    again.assert_files(&[".app.selfup-previous"]);
    assert!(again.stop().success());
}

#[test]
fn a_stop_in_the_middle_of_a_probe_waits_for_nothing_and_leaves_nothing_behind() {
    let mut published = Published::start(&[]);
    let hangs = Release::flawed("probe-hangs");
    published.publisher.publish(Answer::Whole(hangs.clone()));
    eventually("the probe runs", || (published.starts("Probe") == 1).then_some(()));
    // Some seconds later, where the machine is so slow that this test is.
    let was_over = !published.service.lines("event candidate_refused: ").is_empty();
    assert!(published.service.stop().success());
    let history = published.service.history().unwrap_or_default();
    let is_remembered = history.contains(&hangs.id().to_string());
    assert!(was_over || !is_remembered, "it waited for the end of the probe: {history}");
    published.service.assert_files(&[]);
}

#[test]
fn the_next_start_sweeps_what_a_master_killed_in_the_middle_of_a_probe_left() {
    let mut published = Published::start(&[]);
    published.publisher.publish(Answer::Whole(Release::flawed("probe-hangs")));
    eventually("the probe runs", || (published.starts("Probe") == 1).then_some(()));
    starts_again_after_a_kill(&mut published);
}

#[test]
fn a_stop_on_probation_is_no_failed_trial() {
    let mut published = Published::start(&[("PROBATION", "10m")]);
    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event paused: generation 1 ");
    assert!(published.service.stop().success());
    published.service.assert_on_disk(&release);
    published.service.assert_files(&[".app.selfup-previous", ".app.selfup-trial"]);
    assert_eq!(published.service.lines("event rolled_back: "), [""; 0]);
}

#[test]
fn a_stop_before_a_new_generation_is_ready_is_no_failed_trial() {
    let mut published = Published::start(&[("READY_TIMEOUT", "10m")]);
    let release = Release::flawed("never-ready");
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event child_started: generation 2 ");
    assert!(published.service.stop().success());
    published.service.assert_on_disk(&release);
    published.service.assert_files(&[".app.selfup-previous", ".app.selfup-trial"]);
}

#[test]
fn a_master_killed_on_probation_leaves_a_binary_that_starts() {
    let mut published = Published::start(&[("PROBATION", "10m")]);
    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event paused: generation 1 ");
    starts_again_after_a_kill(&mut published);
}

/// Kills the master, and starts and upgrades the service again.
fn starts_again_after_a_kill(published: &mut Published) {
    published.service.signal(Signal::SIGKILL);
    published.service.wait();
    published.service.processes().wait_until_gone();

    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    let again = ServiceBuilder::of(published.service.directory());
    let mut again = again.set("FETCHER", published.publisher.url()).start();
    again.wait_for("event committed: generation 2 ");
    again.assert_runs(&release);
    again.assert_files(&[".app.selfup-previous"]);
    assert!(again.stop().success());
}
