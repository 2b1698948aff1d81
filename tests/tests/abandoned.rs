//! Restarts that come to nothing: whoever served goes on, and clients do not notice.

use nix::sys::signal::{Signal, kill};
use selfup_tests::{Load, Release, Service};

/// Restarts onto `release` under load, which is to fail with these words in its events.
fn fail_onto(release: &Release, variables: &[(&str, &str)], events: &[&str]) {
    let mut service = Service::with(variables);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 4);
    release.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    for event in events {
        service.wait_for(event);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.get("/"), before);
    // The service is as good as before: the next restart works.
    Release::good().install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event committed: ");
    assert_ne!(service.get("/"), before);
    assert!(service.stop().success());
}

#[test]
fn a_generation_that_never_gets_ready_is_killed_and_the_one_before_goes_on() {
    let abandoned = "restart abandoned, generation 2 failed: it was not ready within 10s";
    let killed = "event child_exited: generation 2 ended: signal SIGKILL";
    let release = Release::flawed("never-ready");
    fail_onto(&release, &[("READY_TIMEOUT", "10s")], &[abandoned, killed]);
}

#[test]
fn a_generation_that_ends_at_its_start_is_given_up() {
    for (flaw, status) in
        [("exits", "exit status 9"), ("crashes", "signal SIGABRT"), ("panics", "exit status 101")]
    {
        let why = format!("generation 2 failed: it ended before its time: {status}");
        fail_onto(&Release::flawed(flaw), &[], &[&why]);
    }
}

#[test]
fn a_file_that_cannot_be_executed_is_given_up_and_no_shell_runs_it() {
    let directory = tempfile::tempdir().unwrap();
    let ran = directory.path().join("ran");
    let script = format!("touch {}\n", ran.display());
    fail_onto(&Release::of(script), &[], &["event restart_abandoned: "]);
    assert!(!ran.exists());
}

#[test]
fn a_generation_that_is_killed_before_it_is_admitted_costs_nothing() {
    let mut service = Service::with(&[("READY", "manual")]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 4);
    service.signal(Signal::SIGUSR2);
    kill(service.pid_of(2), Signal::SIGKILL).unwrap();
    service.wait_for("event restart_abandoned: ");
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.get("/"), before);
    assert!(service.stop().success());
}

#[test]
fn a_generation_that_dies_on_probation_costs_only_what_it_had_accepted() {
    let mut service = Service::with(&[("PROBATION", "1h")]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 4);
    // It accepts one connection, and ends.
    Release::flawed("dies-soon").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event resumed: generation 1 ");
    service.wait_for("event restart_abandoned: ");
    load.wait_for(50);
    let failures = load.stop();
    assert!(failures.len() <= 1, "{failures:?}");
    assert_eq!(service.get("/"), before);
    assert!(service.stop().success());
}

#[test]
fn a_generation_that_is_killed_on_probation_is_followed_by_the_paused_one() {
    let mut service = Service::with(&[("PROBATION", "1h")]);
    let before = service.get("/");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    assert!(service.get("/").contains(" 2 "), "the one on probation serves");
    // Each client has one connection at a time.
    let load = Load::start(service.address(), "/", 4);
    load.wait_for(20);
    kill(service.pid_of(2), Signal::SIGKILL).unwrap();
    service.wait_for("event resumed: generation 1 ");
    load.wait_for(50);
    let failures = load.stop();
    assert!(failures.len() <= 4, "{failures:?}");
    assert_eq!(service.get("/"), before);
    assert!(service.stop().success());
}

#[test]
fn a_paused_generation_that_dies_ends_the_probation_of_the_next() {
    let mut service = Service::with(&[("PROBATION", "1h")]);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    let load = Load::start(service.address(), "/", 4);
    kill(service.pid_of(1), Signal::SIGKILL).unwrap();
    service.wait_for("event committed: generation 2 ");
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_stop_ends_a_restart_that_is_not_finished() {
    for phase in [("READY", "manual"), ("PROBATION", "1h")] {
        let mut service = Service::with(&[phase]);
        service.signal(Signal::SIGUSR2);
        service.wait_for("serving 2 ");
        if phase.0 == "PROBATION" {
            service.wait_for("event paused: generation 1 ");
        }
        assert!(service.stop().success(), "{phase:?}");
    }
}
