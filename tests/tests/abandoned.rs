//! Restarts that come to nothing: whoever served goes on, and clients do not notice.

use nix::sys::signal::{Signal, kill};
use selfup_tests::{
    Answer, Load, Publisher, Release, Service, ServiceBuilder, Watched, eventually,
};

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
    let abandoned = "restart abandoned, generation 2 failed: it was not ready within 15s";
    let killed = "event child_exited: generation 2 ended: signal SIGKILL";
    let release = Release::flawed("never-ready");
    fail_onto(&release, &[("READY_TIMEOUT", "15s")], &[abandoned, killed]);
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

/// By the time the master hears that it is ready, it is not there any more.
#[test]
fn a_generation_that_dies_as_soon_as_it_is_ready_is_abandoned_for_its_death() {
    let mut service = Service::with(&[("PROBATION", "1h")]);
    let before = service.get("/");
    Release::flawed("dies-soon").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event child_started: generation 2 ");
    service.signal(Signal::SIGSTOP);
    service.wait_for("serving 2 ");
    let second = Watched::new(service.pid_of(2));
    eventually("it has ended", || second.is_gone().then_some(()));
    service.signal(Signal::SIGCONT);
    let line = service.wait_for("event restart_abandoned: ");
    assert!(line.contains("it ended before its time: exit status 8"), "{line}");
    assert_eq!(service.get("/"), before);
    assert!(service.stop().success());
}

/// Nobody but root may look at what a process executes that does not want to be traced.
#[test]
fn a_program_that_does_not_want_to_be_traced_is_restarted_deployed_and_upgraded_as_others_are() {
    let (first, second) = (Release::good(), Release::good());
    let publisher = Publisher::start(Answer::Whole(first.clone()));
    let builder = ServiceBuilder::new(&first).set("FETCHER", publisher.url());
    let mut service = builder.set("UNTRACED", "1").as_nobody().start();
    publisher.wait_for("GET 304", 1);
    service.restart(2);
    second.install(&service.binary());
    service.restart(3);
    service.assert_runs(&second);
    // The master that the upgrade brings has not started who serves.
    for (generation, count) in [(4, 1), (6, 2)] {
        let release = Release::good();
        publisher.publish(Answer::Whole(release.clone()));
        service.wait_for(&format!("event committed: generation {generation} "));
        service.wait_for_nth("event master_replaced: ", count);
        service.assert_runs(&release);
        service.restart(generation + 1);
    }
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
