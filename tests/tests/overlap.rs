//! Programs of which no two may run at once: the old generation is gone before the new one starts,
//! and clients wait in between.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Published, Publisher, Release, Service, ServiceBuilder, send};
use tempfile::TempDir;

/// Settings with which every program of the service has a file to itself, or ends.
struct Alone {
    directory: TempDir,
}

impl Alone {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    fn builder(&self, release: &Release) -> ServiceBuilder {
        let file = self.directory.path().join("alone");
        ServiceBuilder::new(release).set("OVERLAP", "false").set("ALONE", file)
    }

    fn service(&self, variables: &[(&str, &str)]) -> Service {
        let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
        variables.iter().fold(self.builder(&Release::good()), set).start()
    }

    fn published(&self, variables: &[(&str, &str)]) -> Published {
        let first = Release::good();
        let source = Publisher::start(Answer::Whole(first.clone()));
        let published = Published::of(self.builder(&first), source, variables);
        published.publisher.wait_for("GET 304", 1);
        published
    }
}

/// That no two programs met, and how many requests were lost at most.
fn assert_undisturbed(service: &Service, load: Load, lost: usize) {
    load.wait_for(20);
    let failures = load.stop();
    assert!(failures.len() <= lost, "{failures:#?}");
    assert_eq!(service.lines("not alone "), [""; 0]);
}

#[test]
fn restarts_under_load_drop_nothing() {
    let alone = Alone::new();
    let mut service = alone.service(&[]);
    let load = Load::start(service.address(), "/", 4);
    for next in 2..=6 {
        service.restart(next);
    }
    assert_undisturbed(&service, load, 0);
    assert!(service.stop().success());
}

#[test]
fn an_upgrade_and_its_succession_drop_nothing() {
    let alone = Alone::new();
    let mut published = alone.published(&[("PROBATION", "500ms")]);
    let load = Load::start(published.service.address(), "/", 4);
    for _ in 0..2 {
        published.succeed(&Release::good());
    }
    assert_undisturbed(&published.service, load, 0);
    assert!(published.service.stop().success());
}

#[test]
fn a_request_that_is_open_is_answered_before_the_next_generation_starts() {
    let alone = Alone::new();
    let mut service = alone.service(&[]);
    let (mut held, before) = service.hold();
    service.signal(Signal::SIGUSR2);
    service.wait_for("draining 1 ");
    held.ask("/sleep?300");
    assert_eq!(held.answer().expect("it is answered"), before);
    service.wait_for("event committed: generation 2 ");
    let lines = service.lines("event ");
    let at = |text: &str| lines.iter().position(|line| line.starts_with(text));
    assert!(
        at("event child_exited: generation 1 ") < at("event child_started: generation 2 "),
        "{lines:#?}"
    );
    assert!(service.stop().success());
}

#[test]
fn a_request_without_end_is_cut_off_at_its_deadline() {
    let alone = Alone::new();
    let mut service = alone.service(&[("TERMINATE_TIMEOUT", "10s")]);
    let (mut held, _) = service.hold();
    held.ask("/sleep?3600000");
    service.restart(2);
    assert!(held.answer().is_err());
    assert_eq!(service.lines("event drain_timed_out: generation 1 ").len(), 1);
    assert_eq!(service.lines("not alone "), [""; 0]);
    assert!(service.stop().success());
}

/// Publishes what fails on trial, and then what does not.
fn upgrade_fails(flaw: &str, words: &str, lost: usize) {
    let alone = Alone::new();
    let mut published = alone.published(&[("PROBATION", "2s"), ("READY_TIMEOUT", "15s")]);
    let service = &published.service;
    let before = fs::read(service.binary()).expect("the binary is there");
    let load = Load::start(service.address(), "/", 4);
    published.publisher.publish(Answer::Whole(Release::flawed(flaw)));
    let line = service.wait_for("event restart_abandoned: ");
    assert!(line.contains(words), "{words:?} is not in {line}");
    service.wait_for("event rolled_back: ");
    service.wait_for("serving 3 ");
    assert!(service.get("/").contains(" 3 "));
    assert!(fs::read(service.binary()).expect("the binary is there") == before);
    assert_eq!(service.successions(), 0);
    published.succeed(&Release::good());
    assert_undisturbed(&published.service, load, lost);
    assert!(published.service.stop().success());
}

#[test]
fn an_upgrade_that_crashes_at_its_start_is_answered_by_the_previous_binary() {
    upgrade_fails("crashes", "signal SIGABRT", 0);
}

#[test]
fn an_upgrade_that_is_never_ready_is_answered_by_the_previous_binary() {
    upgrade_fails("never-ready", "it was not ready within 15s", 0);
}

#[test]
fn an_upgrade_that_is_unwell_is_answered_by_the_previous_binary() {
    upgrade_fails("unwell-at-start", "the fixture is unwell at its start", 0);
}

#[test]
fn an_upgrade_that_is_unwell_on_probation_is_answered_by_the_previous_binary() {
    upgrade_fails("unwell-on-trial", "the fixture is unwell on its trial", 0);
}

#[test]
fn an_upgrade_that_dies_on_probation_is_answered_by_the_previous_binary() {
    // It accepts one connection, and ends without an answer.
    upgrade_fails("dies-soon", "exit status 8", 1);
}

/// The thread that puts the file back is in the hook for the next release all the time.
#[test]
fn what_served_before_comes_back_although_its_file_cannot_yet() {
    let alone = Alone::new();
    let gate = alone.directory.path().join("gate");
    let variables = [
        ("NO_RESTART_AFTER_FETCH", "1"),
        ("PRE_UPGRADE", "waits"),
        ("GATE", gate.to_str().expect("it is text")),
    ];
    let mut published = alone.published(&variables);
    let service = &published.service;
    let load = Load::start(service.address(), "/", 4);
    let bad = Release::flawed("crashes");
    published.publisher.publish(Answer::Whole(bad.clone()));
    service.wait_for("event upgraded: ");
    fs::write(&gate, "").expect("it can be written");
    published.publisher.publish(Answer::Whole(Release::good()));
    service.wait_for("the hook waits");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event restart_abandoned: ");
    service.wait_for("serving 3 ");
    assert!(service.get("/").contains(" 3 "));
    service.assert_on_disk(&bad);
    assert_eq!(service.lines("event warning: the file system"), [""; 0], "it waited for the file");
    fs::remove_file(&gate).expect("it is there");
    service.wait_for("event rolled_back: ");
    assert_undisturbed(service, load, 0);
    assert!(published.service.stop().success());
}

/// Deploys by hand what fails on trial, and then what does not.
fn deploy_fails(flaw: &str, lost: usize) {
    let alone = Alone::new();
    let mut service = alone.service(&[("PROBATION", "2s")]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 4);
    let flawed = Release::flawed(flaw);
    flawed.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event restart_abandoned: ");
    service.wait_for("serving 3 ");
    let after = service.get("/");
    assert_eq!(after.split(' ').nth(3), before.split(' ').nth(3), "it is the previous binary");
    service.assert_on_disk(&flawed);

    let good = Release::good();
    good.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event master_replaced: ");
    service.assert_runs(&good);
    assert_undisturbed(&service, load, lost);
    assert!(service.stop().success());
}

#[test]
fn a_deploy_that_crashes_at_its_start_is_answered_by_the_previous_binary() {
    deploy_fails("crashes", 0);
}

#[test]
fn a_deploy_that_dies_on_probation_is_answered_by_the_previous_binary() {
    // It accepts one connection, and ends without an answer.
    deploy_fails("dies-soon", 1);
}

#[test]
fn a_deploy_of_another_program_costs_the_service_nothing() {
    let alone = Alone::new();
    let mut service = alone.service(&[]);
    let before = service.get("/");
    Release::of_fixture("stateless").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event restart_abandoned: ");
    assert_eq!(service.get("/"), before, "it was not stopped for it");
    assert!(service.stop().success());
}

#[test]
fn a_stop_between_two_generations_ends_the_service() {
    let alone = Alone::new();
    let mut service = alone.service(&[]);
    let (mut held, before) = service.hold();
    service.signal(Signal::SIGUSR2);
    service.wait_for("draining 1 ");
    service.signal(Signal::SIGTERM);
    held.ask("/");
    assert_eq!(held.answer().expect("it is answered"), before);
    assert!(service.wait().success());
    assert_eq!(service.lines("event child_started: ").len(), 1);
}

#[test]
fn a_stop_while_the_next_generation_starts_ends_the_service() {
    let alone = Alone::new();
    let mut service = alone.service(&[("READY", "manual")]);
    send(service.pid_of(1), nix::libc::SIGUSR1);
    service.wait_for("event child_ready: generation 1 ");
    service.signal(Signal::SIGUSR2);
    let _ = service.pid_of(2);
    let status = service.stop();
    // Nobody serves at this time whose end would be that of the service.
    assert!(status.success() || status.signal() == Some(15), "{status}");
    assert_eq!(service.lines("event child_started: ").len(), 2);
}
