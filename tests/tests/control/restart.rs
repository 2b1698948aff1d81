use nix::sys::signal::Signal;
use selfup_tests::{Release, eventually};

use super::service;

#[test]
fn a_restart_is_answered_once_it_is_committed() {
    let (mut service, operator) = service(&[("PROBATION", "1s")]);
    let said = operator.post("/restart");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 2);
    assert_eq!(service.lines("event committed: generation 2 ").len(), 1);
    assert!(service.get("/").contains(" 2 "));
    assert!(service.stop().success());
}

#[test]
fn one_that_is_abandoned_says_why_whenever_it_fails() {
    for (flaw, reason) in [
        ("exits", "it ended before its time: exit status 9"),
        ("never-ready", "it was not ready within 3s"),
        ("dies-soon", "it ended before its time: exit status 8"),
    ] {
        let (mut service, operator) = service(&[("PROBATION", "1h"), ("READY_TIMEOUT", "3s")]);
        let before = service.get("/");
        Release::flawed(flaw).install(&service.binary());
        let said = operator.post("/restart");
        said.assert_bad("abandoned", reason);
        assert_eq!((said.code, &said.body["generation"]), (409, &2.into()), "{flaw}");
        assert_eq!(service.get("/"), before);
        assert!(service.stop().success());
    }
}

#[test]
fn a_file_that_may_not_be_started_is_refused() {
    let (mut service, operator) = service(&[]);
    Release::program("/usr/bin/yes").install(&service.binary());
    let said = operator.post("/restart");
    said.assert_bad("refused", "is not started");
    assert_eq!(service.lines("event child_started: ").len(), 1);
    assert!(service.stop().success());
}

#[test]
fn all_that_are_asked_for_while_one_is_under_way_are_the_next_one() {
    let (mut service, operator) = service(&[("PROBATION", "2s")]);
    let first = operator.begin("POST /restart");
    service.wait_for("event paused: generation 1 ");
    let later: Vec<_> = (0..3).map(|_| operator.begin("POST /restart")).collect();
    let said = first.answer();
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 2);
    for later in later {
        let said = later.answer();
        said.assert_good("committed");
        assert_eq!(said.body["generation"], 3);
    }
    service.wait_for_nth("event committed: ", 2);
    assert_eq!(service.lines("event committed: ").len(), 2);
    assert!(service.stop().success());
}

#[test]
fn who_hangs_up_has_it_all_the_same() {
    let (mut service, operator) = service(&[]);
    for next in 2..=4_usize {
        let asked = operator.begin("POST /restart");
        service.wait_for_nth("event asked: ", next - 1);
        drop(asked);
        service.wait_for(&format!("event committed: generation {next} "));
    }
    operator.post("/restart").assert_good("committed");
    assert!(service.stop().success());
}

#[test]
fn without_restarts_it_is_disabled_and_a_stop_answers_who_waits() {
    let (mut quiet, operator) = service(&[("NO_RESTART", "1")]);
    operator.post("/restart").assert_bad("disabled", "`no_restart` is set");
    assert!(quiet.lines("event warning: ").is_empty());
    assert!(quiet.stop().success());

    let (mut service, operator) = service(&[("PROBATION", "1h")]);
    let waiting = operator.begin("POST /restart");
    service.wait_for("event paused: generation 1 ");
    service.signal(Signal::SIGTERM);
    waiting.answer().assert_bad("stopping", "the service ends");
    assert!(service.wait().success());
}

#[test]
fn two_that_must_not_run_at_once_are_answered_too() {
    let (mut service, operator) = service(&[("OVERLAP", "false")]);
    let said = operator.post("/restart");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 2);
    Release::flawed("exits").install(&service.binary());
    operator.post("/restart").assert_bad("abandoned", "exit status 9");
    eventually("what served before serves again", || {
        operator.status()["generations"].as_array().filter(|all| all.len() == 1).map(|_| ())
    });
    assert!(service.stop().success());
}
