//! The master killed: its children free the port at once, finish their work, and are gone.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::fs::File;
use std::net::TcpListener;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{
    Release, Service, ServiceBuilder, eventually, serve_once_free, serves_where_it_waited,
};

fn kill_master(service: &mut Service) {
    service.signal(Signal::SIGKILL);
    service.wait();
}

#[test]
fn an_orphan_frees_the_port_at_once_and_answers_what_it_had_accepted() {
    let mut service = Service::with(&[]);
    let address = service.address();
    let (mut held, name) = service.hold();
    kill_master(&mut service);
    // What it had accepted keeps it, and not the port.
    let bound = eventually("the port is free", || TcpListener::bind(address).ok());
    held.ask("/sleep?100");
    assert_eq!(held.answer().unwrap(), name, "it drains while the port is free");
    service.processes().wait_until_gone();
    service.wait_for("drained 1 ");
    drop(bound);
}

#[test]
fn an_orphan_without_work_is_gone_without_being_told() {
    let mut service = Service::with(&[]);
    kill_master(&mut service);
    service.processes().wait_until_gone();
    service.wait_for("drained 1 ");
}

#[test]
fn a_new_master_serves_at_the_same_address_while_the_orphan_drains() {
    let mut service = Service::with(&[]);
    let address = service.address().to_string();
    let (mut held, name) = service.hold();
    kill_master(&mut service);
    let mut successor = serve_once_free(&address);
    assert_ne!(successor.get("/"), name);
    held.ask("/");
    assert_eq!(held.answer().unwrap(), name);
    service.processes().wait_until_gone();
    assert!(successor.stop().success());
}

#[test]
fn a_new_master_waits_for_a_port_that_is_still_taken() {
    // It waits for seconds, and this machine may be slower.
    assert!((0..10).any(|_| waits_for_a_port_that_is_still_taken()));
}

/// Or has given up before the port was free.
fn waits_for_a_port_that_is_still_taken() -> bool {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut service = ServiceBuilder::new(&Release::good()).set("ADDRESS", address).spawn();
    let pid = service.pid();
    let pause = format!("{} ", libc::SYS_clock_nanosleep);
    eventually("it waits for its next try", || {
        let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        let has_ended = !service.lines("it is in use; ").is_empty();
        (has_ended || call.starts_with(&pause)).then_some(())
    });
    drop(taken);
    let serves = serves_where_it_waited(&service);
    if serves {
        assert!(service.stop().success());
    }
    serves
}

#[test]
fn an_orphan_that_cannot_finish_is_ended_by_the_terminate_timeout() {
    let mut service = Service::with(&[("TERMINATE_TIMEOUT", "300ms")]);
    let (mut held, _) = service.hold();
    held.ask("/sleep?3600000");
    kill_master(&mut service);
    service.processes().wait_until_gone();
    held.answer().unwrap_err();
}

#[test]
fn both_generations_of_an_unfinished_restart_leave() {
    let phases =
        [("READY", "manual", "serving 2 "), ("PROBATION", "1h", "event paused: generation 1 ")];
    for (name, value, reached) in phases {
        let mut service = Service::with(&[(name, value)]);
        let address = service.address();
        service.signal(Signal::SIGUSR2);
        service.wait_for(reached);
        service.wait_for("serving 2 ");
        kill_master(&mut service);
        service.processes().wait_until_gone();
        eventually("the port is free", || TcpListener::bind(address).ok());
    }
}

#[test]
fn both_generations_of_a_handover_leave() {
    let mut service = Service::with(&[("PROBATION", "1h")]);
    let (address, first) = (service.address(), service.pid_of(1));
    // It is told to pause, and does not hear it.
    kill(first, Signal::SIGSTOP).unwrap();
    service.signal(Signal::SIGUSR2);
    service.wait_for("event child_ready: generation 2 ");
    kill_master(&mut service);
    kill(first, Signal::SIGCONT).unwrap();
    service.processes().wait_until_gone();
    eventually("the port is free", || TcpListener::bind(address).ok());
}

#[test]
fn a_probe_that_has_yet_to_be_executed_does_not_outlive_its_master() {
    let builder = ServiceBuilder::new(&Release::good());
    let starts = builder.directory().join("starts");
    let mut service = builder.set("STARTS", &starts).start();
    let address = service.address();
    // Who holds a binary open for writing keeps it from being executed.
    let copy = service.directory().join("copy");
    Release::good().install(&copy);
    std::fs::rename(&copy, service.binary()).unwrap();
    let writer = File::options().write(true).open(service.binary()).unwrap();
    let before = service.processes().ids().len();
    let mut asked = service.restart_of_a_busy_binary();
    eventually("somebody waits to execute it", || {
        asked.ask_again_if_abandoned();
        (service.processes().ids().len() > before).then_some(())
    });
    kill_master(&mut service);
    eventually("the port is free", || TcpListener::bind(address).ok());
    drop(writer);
    service.processes().wait_until_gone();
    let starts = std::fs::read_to_string(starts).unwrap();
    assert_eq!(starts.lines().filter(|role| *role == "Master").count(), 1, "{starts}");
}

#[test]
fn a_candidate_that_wakes_without_a_master_becomes_none() {
    let builder = ServiceBuilder::new(&Release::good());
    let starts = builder.directory().join("starts");
    let mut service = builder.set("STARTS", &starts).start();
    let address = service.address();
    service.signal(Signal::SIGUSR2);
    let line = service.wait_for("event child_started: generation 2 ");
    let pid = line.rsplit(|c: char| !c.is_ascii_digit()).find_map(|word| word.parse().ok());
    // Wherever it is between its fork and its readiness.
    let candidate = Pid::from_raw(pid.unwrap());
    kill(candidate, Signal::SIGSTOP).unwrap();
    kill_master(&mut service);
    // It may have been killed with its master, and be gone.
    let _ = kill(candidate, Signal::SIGCONT);
    service.processes().wait_until_gone();
    eventually("the port is free", || TcpListener::bind(address).ok());
    let starts = std::fs::read_to_string(starts).unwrap();
    assert_eq!(starts.lines().filter(|role| *role == "Master").count(), 1, "{starts}");
}

#[test]
fn a_generation_that_never_gets_ready_does_not_outlive_its_master() {
    let mut service = Service::with(&[("TERMINATE_TIMEOUT", "300ms")]);
    Release::flawed("never-ready").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event child_started: generation 2 ");
    kill_master(&mut service);
    service.processes().wait_until_gone();
}

#[test]
fn an_orphan_on_threads_leaves_too() {
    let mut service = ServiceBuilder::new(&Release::of_fixture("plain")).start();
    let address = service.address();
    let (mut held, name) = service.hold();
    kill_master(&mut service);
    eventually("the port is free", || TcpListener::bind(address).ok());
    held.ask("/");
    assert_eq!(held.answer().unwrap(), name);
    service.processes().wait_until_gone();
}

/// Its listeners wait on its channel, which it never reads.
#[test]
fn a_child_that_hangs_before_its_welcome_does_not_keep_the_port_of_a_dead_master() {
    let mut service = Service::with(&[]);
    let address = service.address();
    Release::flawed("init-hangs").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event child_started: generation 2 ");
    kill_master(&mut service);
    eventually("the port is free", || TcpListener::bind(address).ok());
    service.processes().wait_until_gone();
}
