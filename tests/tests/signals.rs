//! Signals: each reaches the program once, and those that stop it let it finish its work.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::os::unix::process::ExitStatusExt as _;

use nix::libc;
use nix::sys::signal::Signal;
use selfup_tests::{Connection, Release, Service, ServiceBuilder, Terminal, eventually, send};

#[test]
fn signals_that_do_not_stop_it_reach_the_program_once_each() {
    let mut service = Service::with(&[("NO_RESTART", "1")]);
    let mut sent = 0;
    let real_time = [libc::SIGRTMIN(), 40, libc::SIGRTMAX()];
    let named = [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGWINCH, libc::SIGQUIT];
    for signal in named.into_iter().chain(real_time) {
        assert_eq!(service.get(&format!("/count?{signal}")), "armed\n");
        for _ in 0..3 {
            send(service.pid(), signal);
            sent += 1;
            // If one came twice, the count would be ahead of what was sent at the end.
            let counted: u32 = service.get(&format!("/counted?{sent}")).trim().parse().unwrap();
            assert!(counted >= sent, "{signal}");
        }
    }
    assert_eq!(service.get("/counted"), format!("{sent}\n"), "none came twice");
    assert!(service.stop().success());
}

/// Asserts that `stop` brings `signal` to the program, once.
fn assert_comes_once(service: &mut Service, signal: Signal, stop: impl FnOnce(&Service)) {
    // The program does not end before these were answered.
    let [(mut first, _), (mut second, _), (mut third, _)] = [(); 3].map(|()| service.hold());
    for counted in [signal, Signal::SIGWINCH] {
        assert_eq!(service.get(&format!("/count?{}", counted as i32)), "armed\n");
    }
    stop(service);
    service.wait_for("draining 1 ");
    first.ask("/counted?1");
    assert_eq!(first.answer().unwrap(), "1\n");
    // Whatever else was under way has come when the next signal has.
    service.signal(Signal::SIGWINCH);
    second.ask("/counted?2");
    second.answer().unwrap();
    third.ask("/counted");
    assert_eq!(third.answer().unwrap(), "2\n", "{signal} came once");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn signals_that_stop_it_reach_the_program_once() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut service = Service::with(&[]);
        assert_comes_once(&mut service, signal, |service| service.signal(signal));
    }
}

#[test]
fn ctrl_c_in_a_terminal_reaches_the_program_once() {
    let mut terminal = Terminal::open();
    let mut service = ServiceBuilder::new(&Release::good()).in_terminal(&terminal).start();
    assert_comes_once(&mut service, Signal::SIGINT, |_| terminal.type_in(b"\x03"));
}

#[test]
fn a_stop_lets_the_program_finish_what_it_has_begun() {
    let mut service = Service::with(&[]);
    let (mut slow, before) = service.hold();
    slow.ask("/sleep?500");
    service.signal(Signal::SIGTERM);
    assert_eq!(slow.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
    service.wait_for("drained 1 ");
}

#[test]
fn a_stop_of_the_whole_group_drains_rather_than_cuts() {
    let mut service = Service::with(&[]);
    let (mut held, before) = service.hold();
    service.signal_group(Signal::SIGTERM);
    service.wait_for("draining 1 ");
    held.ask("/sleep?200");
    assert_eq!(held.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_second_stop_a_while_later_ends_the_program_at_once() {
    let mut service = Service::with(&[]);
    let ((mut endless, _), (mut clock, _)) = (service.hold(), service.hold());
    endless.ask("/sleep?3600000");
    service.signal(Signal::SIGTERM);
    service.wait_for("draining 1 ");
    // Longer than the second within which it counts as the same.
    clock.ask("/sleep?1500");
    clock.answer().unwrap();
    service.signal(Signal::SIGTERM);
    assert_eq!(service.wait().signal(), Some(libc::SIGTERM));
    endless.answer().unwrap_err();
}

#[test]
fn a_drain_after_a_stop_is_bounded_by_the_terminate_timeout() {
    let mut service = Service::with(&[("TERMINATE_TIMEOUT", "300ms")]);
    let (mut endless, _) = service.hold();
    endless.ask("/sleep?3600000");
    service.signal(Signal::SIGTERM);
    service.wait_for("event drain_timed_out: generation 1 ");
    assert_eq!(service.wait().signal(), Some(libc::SIGKILL));
}

#[test]
fn a_program_that_never_asks_whether_it_is_to_end_is_ended_by_the_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let builder = ServiceBuilder::new(&Release::of_fixture("plain"));
        let mut service = builder.set("PROGRAM", "serves-on").with_default_signals().start();
        service.signal(signal);
        assert_eq!(service.wait().signal(), Some(signal as i32));
        service.processes().wait_until_gone();
    }
}

#[test]
fn a_stop_ends_a_master_that_still_waits_for_its_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = ServiceBuilder::new(&Release::good()).set("ADDRESS", address);
    let mut service = builder.spawn();
    let pid = service.pid();
    eventually("it has become a master", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t"))?;
        let blocked = u64::from_str_radix(blocked, 16).ok()?;
        (blocked & 1 << (libc::SIGUSR2 - 1) != 0).then_some(())
    });
    service.signal(Signal::SIGTERM);
    assert_eq!(service.wait().signal(), Some(libc::SIGTERM));
    assert_eq!(service.lines("in use"), [""; 0], "it did not wait to the end");
}

#[test]
fn a_stop_at_any_moment_of_the_start_ends_the_service() {
    for yields in 0..20 {
        let mut service = ServiceBuilder::new(&Release::good()).spawn();
        // Each time a little later: before it is a master, before its child runs, and after.
        for _ in 0..yields {
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        service.signal(Signal::SIGTERM);
        let status = service.wait();
        let is_stopped = status.success() || status.signal() == Some(libc::SIGTERM);
        assert!(is_stopped, "{status:?} after {yields}");
        service.processes().wait_until_gone();
    }
}

#[test]
fn an_ignored_sigchld_loses_no_status() {
    let builder = ServiceBuilder::new(&Release::good());
    let mut service = builder.under(&["env", "--ignore-signal=CHLD"]).start();
    service.restart(2);
    service.wait_for("event child_exited: generation 1 ended: exit status 0");
    Connection::open(service.address()).ask("/exit?7");
    assert_eq!(service.wait().code(), Some(7));
}
