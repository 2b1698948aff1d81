//! Ends: the master ends as its program ended.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::os::unix::process::ExitStatusExt as _;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Connection, Release, Service, ServiceBuilder, send};

#[test]
fn the_code_of_the_program_is_the_code_of_the_master() {
    for code in [0, 1, 9, 101, 255] {
        let mut service = Service::with(&[]);
        Connection::open(service.address()).ask(&format!("/exit?{code}"));
        assert_eq!(service.wait().code(), Some(code));
        service.processes().wait_until_gone();
    }
}

#[test]
fn the_signal_that_ended_the_program_ends_the_master() {
    let fatal = [libc::SIGKILL, libc::SIGABRT, libc::SIGQUIT, libc::SIGSEGV, libc::SIGBUS];
    for signal in fatal.into_iter().chain([libc::SIGALRM, 40, libc::SIGRTMAX()]) {
        let builder = ServiceBuilder::new(&Release::good());
        let mut service = builder.with_default_signals().start();
        let child = service.pid_of(1);
        send(child, signal);
        if [libc::SIGSEGV, libc::SIGBUS].contains(&signal) {
            // The standard library catches the first, to tell a stack overflow apart.
            send_until_gone(&service, child, signal);
        }
        assert_eq!(service.wait().signal(), Some(signal));
        service.processes().wait_until_gone();
    }
}

fn send_until_gone(service: &Service, child: Pid, signal: i32) {
    let signal = Signal::try_from(signal).unwrap();
    selfup_tests::eventually("the program is gone", || {
        let is_there = service.processes().ids().contains(&child.as_raw().cast_unsigned());
        // It may go at this very moment.
        is_there.then(|| kill(child, signal)).is_none().then_some(())
    });
}

#[test]
fn the_master_leaves_no_second_core_file() {
    let builder = ServiceBuilder::new(&Release::good());
    let directory = builder.directory().to_owned();
    let unlimited = "cd \"$0\" && ulimit -c unlimited && exec env --default-signal \"$1\"";
    let mut service = builder.under(&["sh", "-c", unlimited, directory.to_str().unwrap()]).start();
    send(service.pid_of(1), libc::SIGQUIT);
    let status = service.wait();
    assert_eq!(status.signal(), Some(libc::SIGQUIT));
    assert!(!status.core_dumped(), "one of them is enough");
}

#[test]
fn a_program_that_panics_ends_the_service_with_101() {
    let mut service = ServiceBuilder::new(&Release::flawed("panics")).spawn();
    assert_eq!(service.wait().code(), Some(101));
    service.wait_for("the fixture panics, as the test asks it to");
}

#[test]
fn the_master_waits_for_a_generation_that_still_drains() {
    let mut service = Service::with(&[]);
    let (mut early, before) = service.hold();
    service.restart(2);
    service.wait_for("draining 1 ");
    Connection::open(service.address()).ask("/exit?3");
    service.wait_for("event child_exited: generation 2 ended: exit status 3");
    early.ask("/sleep?200");
    assert_eq!(early.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(3));
    assert_eq!(service.lines("event child_exited: ").len(), 2, "both were waited for");
}

#[test]
fn a_program_that_ends_while_the_next_one_starts_is_followed_by_it() {
    let mut service = Service::with(&[("READY", "manual")]);
    service.signal(Signal::SIGUSR2);
    let next = service.pid_of(2);
    Connection::open(service.address()).ask("/exit?3");
    service.wait_for("event child_exited: generation 1 ended: exit status 3");
    send(next, libc::SIGUSR1);
    assert!(service.get("/").contains(" 2 "));
    assert!(service.stop().success());
}

#[test]
fn when_the_next_one_fails_too_the_end_is_that_of_the_program_that_served() {
    let mut service = Service::with(&[("READY", "manual")]);
    service.signal(Signal::SIGUSR2);
    let next = service.pid_of(2);
    Connection::open(service.address()).ask("/exit?3");
    service.wait_for("event child_exited: generation 1 ended: exit status 3");
    send(next, libc::SIGKILL);
    assert_eq!(service.wait().code(), Some(3));
}
