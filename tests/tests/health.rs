//! New generations that say themselves that they are not well, or no longer say anything.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use selfup_tests::{
    Answer, Load, Published, Publisher, Release, Service, ServiceBuilder, eventually,
};

/// Restarts under load onto a release with this flaw, which shows on its trial: generation 1 goes on,
/// and at most `lost` requests are, which the release had accepted.
fn is_followed_by_the_paused_one(flaw: &str, why: &str, lost: usize) {
    // Where none may be lost, what was accepted has all the time that it needs.
    let terminate = if lost > 0 { "2s" } else { "30s" };
    let mut service = Service::with(&[("PROBATION", "1h"), ("TERMINATE_TIMEOUT", terminate)]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 4);
    Release::flawed(flaw).install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    service.wait_for("event resumed: generation 1 ");
    // The other one may accept until it hears that it drains.
    eventually("generation 1 answers again", || (service.get("/") == before).then_some(()));
    let abandoned = service.wait_for("event restart_abandoned: ");
    assert!(abandoned.contains("generation 2") && abandoned.contains(why), "{abandoned}");
    load.wait_for(50);
    let failures = load.stop();
    assert!(failures.len() <= lost, "{failures:?}");
    // The service is as good as before: the next restart gets as far.
    Release::good().install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth("event paused: generation 1 ", 2);
    assert!(service.get("/").contains(" 3 "), "the new one serves");
    assert!(service.stop().success());
}

#[test]
fn a_generation_that_is_unwell_before_it_serves_is_given_up_and_nobody_notices() {
    let mut service = Service::with(&[]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 4);
    Release::flawed("unwell-at-start").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    let abandoned = service.wait_for("event restart_abandoned: ");
    assert!(abandoned.contains("generation 2"), "{abandoned}");
    assert!(abandoned.contains("the fixture is unwell at its start"), "{abandoned}");
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.get("/"), before);
    assert_eq!(service.lines("event paused: "), [""; 0]);
    Release::good().install(&service.binary());
    service.restart(3);
    assert!(service.stop().success());
}

#[test]
fn a_generation_that_is_unwell_on_probation_is_followed_by_the_paused_one() {
    is_followed_by_the_paused_one("unwell-on-trial", "the fixture is unwell on its trial", 0);
}

#[test]
fn a_generation_whose_hook_panics_on_probation_is_followed_by_the_paused_one() {
    let why = "the health hook panicked: the hook panics, as the test asks it to";
    is_followed_by_the_paused_one("health-panics", why, 0);
}

#[test]
fn a_generation_whose_hook_hangs_on_probation_is_followed_by_the_paused_one() {
    is_followed_by_the_paused_one("health-hangs", "did not answer within 5s", 0);
}

#[test]
fn a_generation_that_blocks_its_runtime_on_probation_is_followed_by_the_paused_one() {
    // Each client has one connection at a time.
    is_followed_by_the_paused_one("blocks", "did not answer within 5s", 4);
}

#[test]
fn an_upgrade_that_says_nothing_any_more_is_undone_though_no_hook_says_so() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let settings = [("PROBATION", "9s"), ("TERMINATE_TIMEOUT", "2s")];
    let mut published = Published::of(ServiceBuilder::new(&first), source, &settings);
    published.publisher.wait_for("GET 304", 1);
    published.publisher.publish(Answer::Whole(first.again()));
    published.service.wait_for("event paused: generation 1 ");
    // Its hook is stopped with the rest of it.
    kill(published.service.pid_of(2), Signal::SIGSTOP).expect("it lives");
    published.service.wait_for("event resumed: generation 1 ");
    let abandoned = published.service.wait_for("event restart_abandoned: ");
    assert!(abandoned.contains("none of 10 questions whether it lives"), "{abandoned}");
    published.service.wait_for("event rolled_back: ");
    published.service.assert_runs(&first);
    assert_eq!(published.service.lines("event committed: "), [""; 0]);
    assert!(published.service.get("/").contains(" 1 "));
    assert!(published.service.stop().success());
}

#[test]
fn a_generation_that_is_stopped_for_a_moment_on_probation_is_committed() {
    let mut service = Service::with(&[("PROBATION", "4s")]);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    let (paused, second) = (Instant::now(), service.pid_of(2));
    kill(second, Signal::SIGSTOP).expect("it lives");
    // On a machine that stalled for longer it may be committed already.
    let is_on_trial = paused.elapsed() < Duration::from_secs(2);
    // Its probation goes by, and it owes an answer: nothing happens that could be waited for.
    std::thread::sleep(Duration::from_secs(5));
    let is_early = !service.lines("event committed: ").is_empty();
    kill(second, Signal::SIGCONT).expect("it lives");
    service.wait_for("event committed: generation 2 ");
    assert!(!is_early || !is_on_trial, "it was committed while it owed an answer");
    assert!(service.stop().success());
}

#[test]
fn an_upgrade_that_is_unwell_on_probation_is_undone() {
    let first = Release::good();
    let mut published = Published::with(&first, &[("PROBATION", "1h")]);
    let load = Load::start(published.service.address(), "/", 4);
    published.publisher.publish(Answer::Whole(Release::flawed("unwell-on-trial")));
    published.service.wait_for("event upgraded: ");
    published.service.wait_for("event resumed: generation 1 ");
    published.service.wait_for("event rolled_back: ");
    published.service.assert_runs(&first);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn a_generation_that_is_well_is_asked_until_it_is_committed() {
    let mut service = Service::with(&[("PROBATION", "5s"), ("HEALTH", "tells")]);
    service.restart(2);
    let asked = service.lines("asked 2");
    assert!(asked.len() >= 2, "at its start, and on its probation: {asked:?}");
    assert!(service.get("/").contains(" 2 "));
    assert!(service.stop().success());
}

#[test]
fn the_first_generation_serves_whatever_its_hook_says() {
    let release = Release::flawed("unwell-at-start");
    let mut service = ServiceBuilder::new(&release).set("HEALTH", "tells").start();
    assert!(service.get("/").contains(" 1 "));
    service.wait_for("asked 1");
    assert_eq!(service.lines("asked ").len(), 1);
    assert!(service.stop().success());
}

#[test]
fn without_a_master_the_hook_is_not_run() {
    let builder = ServiceBuilder::new(&Release::flawed("unwell-at-start"));
    let mut service = builder.set("SELFUP", "off").set("HEALTH", "tells").start();
    let alone = service.wait_for("alone at ");
    let address = alone.rsplit(' ').next().and_then(|address| address.parse().ok());
    assert!(selfup_tests::get(address.unwrap(), "/").contains(" 1 "));
    assert_eq!(service.lines("asked "), [""; 0]);
    assert!(service.stop().success());
}
