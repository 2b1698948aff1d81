//! Fallback: where there can be no master, the program runs all the same, unless it must not.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::Signal;
use selfup_tests::{Connection, Release, Service, ServiceBuilder, get};

/// A service whose every call of `system_call` fails.
fn without(system_call: &str, error: &str) -> ServiceBuilder {
    ServiceBuilder::new(&Release::good()).with_fault(system_call, &format!("error={error}"))
}

/// A service that was told to run without a master.
fn switched_off() -> ServiceBuilder {
    ServiceBuilder::new(&Release::good()).set("SELFUP", "off")
}

fn address(service: &Service) -> SocketAddr {
    let line = service.wait_for("alone at ");
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// That the program runs in the one process, with a state that works, and ends as a program should.
fn assert_runs_alone(mut service: Service) {
    let address = address(&service);
    let state = get(address, "/state");
    assert!(state.starts_with("supervised false master None"), "{state}");
    assert_eq!(get(address, "/restart"), "Err(Unsupported)\n");
    assert_eq!(service.processes().ids().len(), 1);
    assert!(get(address, "/").starts_with(&format!("hello {} 1 ", service.pid())));
    let mut held = Connection::open(address);
    assert_eq!(get(address, "/counted"), "0\n");
    service.signal(Signal::SIGTERM);
    service.wait_for("draining 1 ");
    held.ask("/sleep?100");
    held.answer().unwrap();
    assert_eq!(service.wait().code(), Some(0));
    service.processes().wait_until_gone();
}

#[test]
fn a_program_that_was_switched_off_runs_without_a_master() {
    let service = switched_off().start();
    assert_runs_alone(service);
}

#[test]
fn a_program_without_a_master_still_drains_a_slow_request() {
    let mut service = switched_off().start();
    let address = address(&service);
    let mut slow = Connection::open(address);
    slow.ask("/sleep?500");
    // Connections are accepted in their order.
    let name = get(address, "/");
    service.signal(Signal::SIGTERM);
    assert_eq!(slow.answer().unwrap(), name);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn where_no_process_can_be_forked_a_warning_says_so_and_the_program_runs() {
    let service = without("clone", "EPERM").start();
    service.wait_for("event warning: the program runs without a master: no restarts, no upgrades");
    service.wait_for("no process for a child; raise the limit of processes");
    assert_runs_alone(service);
}

#[test]
fn where_no_signals_can_be_read_the_program_runs_without_a_master() {
    let service = without("signalfd4", "EMFILE").start();
    service.wait_for("what a master needs cannot be made; raise the limit of open files");
    assert_runs_alone(service);
}

#[test]
fn where_no_process_can_be_held_the_program_runs_without_a_master() {
    let service = without("pidfd_open", "ENOSYS").start();
    service.wait_for("event warning: the program runs without a master: no restarts, no upgrades");
    assert_runs_alone(service);
}

#[test]
fn signals_have_their_usual_effect_without_a_master() {
    for builder in [switched_off().with_default_signals(), without("clone", "EPERM")] {
        let mut service = builder.start();
        service.signal(Signal::SIGHUP);
        assert_eq!(service.wait().signal(), Some(libc::SIGHUP));
    }
}

#[test]
fn a_master_that_is_required_and_cannot_be_had_is_an_error() {
    let mut service = without("clone", "EPERM").set("REQUIRED", "1").spawn();
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for("[selfup] error: no process for a child; raise the limit");
    assert_eq!(service.lines("serving "), [""; 0]);
}

#[test]
fn a_port_that_stays_taken_is_an_error_after_five_seconds_and_no_reason_to_go_on_alone() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = || ServiceBuilder::new(&Release::good()).set("ADDRESS", &address);
    let started = Instant::now();
    for mut service in [builder(), builder().set("SELFUP", "off")].map(ServiceBuilder::spawn) {
        assert_eq!(service.wait().code(), Some(1));
        assert!(started.elapsed() >= Duration::from_secs(5), "an orphan has time to let go");
        service.wait_for(&format!("[selfup] error: cannot listen on {address:?}: it is in use"));
        assert_eq!(service.lines("serving "), [""; 0]);
    }
}
