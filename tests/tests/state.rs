//! What a program learns of itself through the channel, and what it says when nothing comes of it.

use nix::sys::signal::{Signal, kill};
use selfup_tests::{Release, Service, ServiceBuilder};

#[test]
fn a_generation_is_active_while_it_serves_and_at_no_other_time() {
    let variables = [("PROBATION", "1h"), ("READY", "manual"), ("ACTIVE", "1")];
    let mut service = Service::with(&variables);
    let ready = |generation| kill(service.pid_of(generation), Signal::SIGUSR1).unwrap();
    // Nobody else could serve: the first one is admitted at its start.
    service.wait_for("active 1 true");
    ready(1);

    service.signal(Signal::SIGUSR2);
    service.wait_for("active 2 not yet");
    assert_eq!(service.lines("active 2 true"), [""; 0], "it is not admitted yet");
    ready(2);
    service.wait_for("active 2 true");
    service.wait_for("active 1 false");

    kill(service.pid_of(2), Signal::SIGKILL).unwrap();
    service.wait_for_nth("active 1 true", 2);

    // It drains as long as it has a request to answer.
    let (mut slow, _) = service.hold();
    slow.ask("/sleep?2000");
    service.signal(Signal::SIGTERM);
    service.wait_for_nth("active 1 false", 2);
    service.wait_for("active 1 over");
    slow.answer().unwrap();
    assert!(service.wait().success());
}

#[test]
fn without_a_master_a_program_is_active_from_its_start() {
    let builder = ServiceBuilder::new(&Release::good());
    let mut service = builder.set("SELFUP", "off").set("ACTIVE", "1").start();
    service.wait_for("active 1 true");
    assert_eq!(service.lines("active 1 false"), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_program_that_has_no_room_for_its_listeners_says_which_limit_it_met() {
    let mut service = Service::with(&[]);
    Release::flawed("few-descriptors").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    let error = service.wait_for("[selfup] error: the master's listeners did not all arrive");
    assert!(error.contains("raise the limit of open files (`ulimit -n`"), "{error}");
    service.wait_for("event restart_abandoned: ");
    assert!(service.get("/").contains(" 1 "));
    assert!(service.stop().success());
}
