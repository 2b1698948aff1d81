//! Restarts: nothing is dropped, whoever asks and however often.

use nix::sys::signal::{Signal, kill};
use selfup_tests::{Connection, Load, Release, Service, ServiceBuilder, eventually};

#[test]
fn a_restart_by_signal_moves_the_service_to_a_new_process_of_the_same_master() {
    let mut service = Service::with(&[]);
    let (before, state) = (service.get("/"), service.get("/state"));
    service.restart(2);
    assert_ne!(before, service.wait_until_served_by(2));
    assert_eq!(service.get("/state"), state, "the master is the same");
    assert!(state.contains(&format!("master Some({})", service.pid())), "{state}");
    assert!(service.stop().success());
}

#[test]
fn a_program_asks_for_its_own_restart() {
    let mut service = Service::with(&[]);
    assert_eq!(service.get("/restart"), "Ok(())\n");
    service.wait_for("event committed: generation 2 ");
    service.wait_until_served_by(2);
    assert!(service.stop().success());
}

#[test]
fn another_signal_asks_for_a_restart_and_the_usual_one_reaches_the_program() {
    let mut service = Service::with(&[("RESTART_SIGNAL", "SIGHUP")]);
    service.signal(Signal::SIGHUP);
    service.wait_for("event committed: generation 2 ");
    assert_eq!(service.get(&format!("/count?{}", Signal::SIGUSR2 as i32)), "armed\n");
    service.signal(Signal::SIGUSR2);
    assert_eq!(service.get("/counted?1"), "1\n");
    assert_eq!(service.lines("event child_started: ").len(), 2, "it restarted nothing");
    assert!(service.stop().success());
}

#[test]
fn without_restarts_the_signal_is_an_ordinary_one() {
    let mut service = Service::with(&[("NO_RESTART", "1")]);
    assert_eq!(service.get(&format!("/count?{}", Signal::SIGUSR2 as i32)), "armed\n");
    service.signal(Signal::SIGUSR2);
    assert_eq!(service.get("/counted?1"), "1\n");
    assert_eq!(service.get("/restart"), "Ok(())\n");
    service.wait_for("event warning: a restart was asked for, but `no_restart` is set");
    assert_eq!(service.lines("event child_started: ").len(), 1, "it restarted nothing");
    assert!(service.stop().success());
}

#[test]
fn twenty_restarts_under_load_drop_nothing() {
    let mut service = Service::with(&[]);
    service.assert_nothing_is_lost_to(20);
    assert!(service.stop().success());
}

#[test]
fn restarts_while_slow_requests_are_running_drop_nothing() {
    let mut service = Service::with(&[]);
    let load = Load::start(service.address(), "/sleep?100", 8);
    for next in 2..=6 {
        load.wait_for(8);
        service.restart(next);
    }
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn after_a_storm_of_signals_the_service_serves_and_the_next_restart_works() {
    let mut service = Service::with(&[]);
    let load = Load::start(service.address(), "/", 4);
    for _ in 0..200 {
        service.signal(Signal::SIGUSR2);
    }
    service.wait_for("event committed: generation 2 ");
    // The storm leaves at most one restart that runs and one that waits: the later of these are
    // the answers to single signals.
    for _ in 0..4 {
        let committed = service.lines("event committed: ").len();
        service.signal(Signal::SIGUSR2);
        service.wait_for_nth("event committed: ", committed + 1);
    }
    load.wait_for(100);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_program_that_asks_for_a_storm_of_restarts_serves_on() {
    let mut service = Service::with(&[]);
    for _ in 0..50 {
        assert_eq!(service.get("/restart"), "Ok(())\n");
    }
    for _ in 0..4 {
        let committed = service.lines("event committed: ").len();
        service.signal(Signal::SIGUSR2);
        service.wait_for_nth("event committed: ", committed + 1);
    }
    assert!(service.stop().success());
}

#[test]
fn a_slow_request_is_answered_by_the_process_that_took_it() {
    let mut service = Service::with(&[]);
    let (mut slow, before) = service.hold();
    slow.ask("/sleep?1000");
    service.restart(2);
    // The next one serves meanwhile.
    service.wait_until_served_by(2);
    assert_eq!(slow.answer().unwrap(), before);
    service.wait_for("drained 1 ");
    assert!(service.stop().success());
}

#[test]
fn a_connection_that_was_opened_before_a_restart_may_ask_after_it() {
    let mut service = Service::with(&[]);
    let (mut early, before) = service.hold();
    service.restart(2);
    service.wait_for("draining 1 ");
    early.ask("/");
    assert_eq!(early.answer().unwrap(), before);
    assert!(service.stop().success());
}

#[test]
fn a_drain_that_never_ends_is_ended_by_the_terminate_timeout() {
    let mut service = Service::with(&[("TERMINATE_TIMEOUT", "300ms")]);
    let (mut endless, _) = service.hold();
    endless.ask("/sleep?3600000");
    service.restart(2);
    service.wait_for("event drain_timed_out: generation 1 ");
    service.wait_for("event child_exited: generation 1 ended: signal SIGKILL");
    endless.answer().unwrap_err();
    service.wait_until_served_by(2);
    service.stop();
}

#[test]
fn connections_that_wait_while_nobody_accepts_are_answered_by_the_next_generation() {
    let mut service = Service::with(&[("READY", "manual")]);
    service.signal(Signal::SIGUSR2);
    let next = service.pid_of(2);
    kill(service.pid_of(1), Signal::SIGKILL).unwrap();
    service.wait_for("event child_exited: generation 1 ");
    let waiting = ask_all(&service);
    kill(next, Signal::SIGUSR1).unwrap();
    for connection in waiting {
        assert!(connection.answer().unwrap().contains(" 2 "));
    }
    assert!(service.stop().success());
}

#[test]
fn a_stopped_process_cannot_hold_up_a_restart() {
    let mut service = Service::with(&[("TERMINATE_TIMEOUT", "300ms")]);
    let stopped = service.pid_of(1);
    kill(stopped, Signal::SIGSTOP).unwrap();
    eventually("it is stopped", || {
        let status = std::fs::read_to_string(format!("/proc/{stopped}/status")).unwrap();
        status.contains("State:\tT").then_some(())
    });
    let waiting = ask_all(&service);
    service.restart(2);
    for connection in waiting {
        assert!(connection.answer().unwrap().contains(" 2 "));
    }
    service.wait_for("event drain_timed_out: generation 1 ");
    service.stop();
}

fn ask_all(service: &Service) -> Vec<Connection> {
    let mut connections: Vec<_> = (0..20).map(|_| Connection::open(service.address())).collect();
    for connection in &mut connections {
        connection.ask("/");
    }
    connections
}

#[test]
fn a_program_that_says_itself_when_it_is_ready_is_waited_for() {
    let mut service = Service::with(&[("READY", "manual")]);
    let before = service.get("/");
    service.signal(Signal::SIGUSR2);
    let next = service.pid_of(2);
    for _ in 0..20 {
        assert_eq!(service.get("/"), before);
    }
    assert_eq!(service.lines("event child_ready: generation 2 "), [""; 0]);
    kill(next, Signal::SIGUSR1).unwrap();
    service.wait_for("event committed: generation 2 ");
    service.wait_until_served_by(2);
    assert!(service.stop().success());
}

#[test]
fn a_binary_that_is_being_written_is_waited_for() {
    let mut service = Service::with(&[]);
    let release = Release::good();
    release.install(&service.binary());
    let writing = std::fs::File::options().append(true).open(service.binary()).unwrap();
    let before = service.processes().ids().len();
    let mut asked = service.restart_of_a_busy_binary();
    eventually("somebody waits to execute it", || {
        asked.ask_again_if_abandoned();
        (service.processes().ids().len() > before).then_some(())
    });
    drop(writing);
    eventually("it is executed", || {
        asked.ask_again_if_abandoned();
        service.lines("event committed: ").first().cloned()
    });
    service.assert_runs(&release);
    assert!(service.stop().success());
}

#[test]
fn every_address_is_served_by_the_next_generation() {
    let release = Release::good();
    let builder = ServiceBuilder::new(&release).set("ADDRESS", "127.0.0.1:0,[::1]:0");
    let mut service = builder.start();
    let before = service.get("/state");
    service.restart(2);
    assert_eq!(service.get("/state"), before);
    assert_eq!(service.lines("event bound: ").len(), 2, "nothing is bound again");
    assert!(service.stop().success());
}
