//! Signals: each reaches the program once, and those that stop it let it finish its work.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use nix::libc;
use nix::sys::signal::Signal;
use selfup_tests::{Connection, Release, Service, ServiceBuilder, eventually, send, status_of};

/// A service that ignores no signal, whatever whoever runs the test ignores.
fn service(variables: &[(&str, &str)]) -> Service {
    let builder = ServiceBuilder::new(&Release::good());
    let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
    variables.iter().fold(builder, set).with_default_signals().start()
}

#[test]
fn signals_that_do_not_stop_it_reach_the_program_once_each() {
    let mut service = service(&[("NO_RESTART", "1")]);
    let mut sent = 0;
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    let job_control = [libc::SIGCONT, libc::SIGTSTP];
    let named = [libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGWINCH, libc::SIGQUIT];
    for signal in named.into_iter().chain(job_control).chain(real_time) {
        assert_eq!(service.get(&format!("/count?{signal}")), "armed\n");
        for _ in 0..3 {
            send(service.pid(), signal);
            sent += 1;
            if signal == libc::SIGTSTP {
                eventually("the master is stopped", || is_stopped(service.pid()).then_some(()));
                // The program counts it instead of stopping, and then this, too: one that has not
                // come to it yet would be taken back by this (signal(7)).
                let _ = service.get(&format!("/counted?{sent}"));
                send(service.pid(), libc::SIGCONT);
                sent += 1;
            }
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
        let mut service = service(&[]);
        assert_comes_once(&mut service, signal, |service| service.signal(signal));
    }
}

/// Asserts that the program has counted `count` signals, and that no other is on its way.
fn assert_counted(service: &Service, count: usize) {
    assert_eq!(service.get(&format!("/count?{}", libc::SIGWINCH)), "armed\n");
    service.signal(Signal::SIGWINCH);
    let _ = service.get(&format!("/counted?{}", count + 1));
    assert_eq!(service.get("/counted"), format!("{}\n", count + 1));
}

fn is_stopped(pid: nix::unistd::Pid) -> bool {
    status_of(pid, "State").starts_with('T')
}

#[test]
fn signals_that_concern_the_master_alone_do_not_reach_the_program() {
    let mut service = service(&[]);
    let withheld = [libc::SIGCHLD, libc::SIGPIPE, libc::SIGURG];
    for signal in withheld {
        assert_eq!(service.get(&format!("/count?{signal}")), "armed\n");
    }
    for signal in withheld {
        send(service.pid(), signal);
    }
    assert_counted(&service, 0);
    assert!(service.stop().success());
}

#[test]
fn real_time_signals_in_a_row_reach_the_program_each_with_its_value() {
    let builder = ServiceBuilder::new(&Release::good());
    let trace = builder.directory().join("trace");
    let tracer = ["strace", "-D", "-f", "-qqq", "-e", "trace=none", "-o"];
    let tracer: Vec<_> = tracer.into_iter().chain(trace.to_str()).collect();
    let mut service = builder.under(&tracer).start();
    assert_eq!(service.get("/count?40"), "armed\n");
    for value in 1..=9 {
        let queue =
            ["--queue", &value.to_string(), "-40", &service.pid().to_string()].map(str::to_owned);
        assert!(Command::new("kill").args(queue).status().unwrap().success());
    }
    let values = eventually("nine have come", || {
        let lines = std::fs::read_to_string(&trace).ok()?;
        let values = lines.lines().filter_map(|line| line.split_once("si_code=SI_QUEUE"));
        let values =
            values.filter_map(|(_, line)| line.split_once("si_int=")?.1.split(&[',', '}']).next());
        let mut values: Vec<_> = values.map(str::to_owned).collect();
        // The threads of the program take them in order, and are seen to as they run.
        values.sort();
        (values.len() >= 9).then_some(values)
    });
    assert_eq!(values, ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(service.stop().success());
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let ignored = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1, 40];
    let builder = ServiceBuilder::new(&Release::good());
    let ignoring = ["env", "--default-signal", "--ignore-signal=HUP,INT,QUIT,USR1,40"];
    let mut service = builder.under(&ignoring).start();
    let (child, before) = (service.pid_of(1), service.get("/"));
    for pid in [service.pid(), child] {
        let set = u64::from_str_radix(&status_of(pid, "SigIgn"), 16).unwrap();
        for signal in ignored {
            assert!(set & 1 << (signal - 1) != 0, "{signal} is ignored in {pid}");
        }
    }
    for signal in ignored {
        send(service.pid(), signal);
        send(child, signal);
    }
    // One that the program asks for all the same is not forwarded either.
    assert_eq!(service.get(&format!("/count?{}", libc::SIGHUP)), "armed\n");
    service.signal(Signal::SIGHUP);
    assert_counted(&service, 0);
    assert_eq!(service.get("/"), before, "nobody has ended");
    assert_eq!(service.lines("draining "), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn what_restarts_and_what_stops_the_service_does_so_even_if_it_was_ignored() {
    for (signal, name) in [(Signal::SIGUSR2, "USR2"), (Signal::SIGHUP, "HUP")] {
        let restart = format!("SIG{name}");
        let builder = ServiceBuilder::new(&Release::good()).set("RESTART_SIGNAL", restart);
        let ignore = format!("--ignore-signal=TERM,{name}");
        let mut service = builder.under(&["env", "--default-signal", &ignore]).start();
        service.signal(signal);
        service.wait_for("event committed: generation 2 ");
        assert!(service.stop().success());
    }
}

#[test]
fn children_start_with_the_mask_that_the_master_was_started_with() {
    let blocked = [libc::SIGUSR1, libc::SIGHUP, libc::SIGALRM, libc::SIGCHLD];
    let block = ["env", "--default-signal", "--block-signal=USR1,HUP,ALRM,CHLD"];
    for (wrapper, blocked) in [(&block[..], &blocked[..]), (&block[..2], &[])] {
        let mut service = ServiceBuilder::new(&Release::good()).under(wrapper).start();
        service.restart(2);
        let expected: u64 = blocked.iter().map(|signal| 1 << (signal - 1)).sum();
        let set = status_of(service.pid_of(2), "SigBlk");
        assert_eq!(u64::from_str_radix(&set, 16).unwrap(), expected);
        assert!(service.stop().success());
    }
}

#[test]
fn a_stop_lets_the_program_finish_what_it_has_begun() {
    let mut service = service(&[]);
    let (mut slow, before) = service.hold();
    slow.ask("/sleep?500");
    service.signal(Signal::SIGTERM);
    assert_eq!(slow.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
    service.wait_for("drained 1 ");
}

#[test]
fn a_stop_of_the_whole_group_drains_rather_than_cuts() {
    let mut service = service(&[]);
    let (mut held, before) = service.hold();
    service.signal_group(Signal::SIGTERM);
    service.wait_for("draining 1 ");
    held.ask("/sleep?200");
    assert_eq!(held.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_service_under_timeout_drains_rather_than_is_cut() {
    let builder = ServiceBuilder::new(&Release::good());
    let mut service = builder.under(&["timeout", "1h", "env", "--default-signal"]).start();
    let (mut held, before) = service.hold();
    // As when the time is over: `timeout` tells the master, and then its whole group.
    service.signal(Signal::SIGTERM);
    service.wait_for("draining 1 ");
    held.ask("/sleep?1500");
    assert_eq!(held.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_second_stop_a_while_later_ends_the_program_at_once() {
    let mut service = service(&[]);
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
    let mut service = service(&[("TERMINATE_TIMEOUT", "300ms")]);
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
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let builder = ServiceBuilder::new(&Release::good()).set("ADDRESS", address);
        let mut service = builder.with_default_signals().spawn();
        let pid = service.pid();
        eventually("it has become a master", || {
            let blocked = u64::from_str_radix(&status_of(pid, "SigBlk"), 16).ok()?;
            (blocked & 1 << (libc::SIGUSR2 - 1) != 0).then_some(())
        });
        service.signal(signal);
        assert_eq!(service.wait().signal(), Some(signal as i32));
        assert_eq!(service.lines("in use"), [""; 0], "it did not wait to the end");
    }
}

#[test]
fn a_stop_at_any_moment_of_the_start_ends_the_service() {
    for (yields, signal) in (0..20).zip([Signal::SIGTERM, Signal::SIGINT].into_iter().cycle()) {
        let builder = ServiceBuilder::new(&Release::good());
        let mut service = builder.with_default_signals().spawn();
        // Each time a little later: before it is a master, before its child runs, and after.
        for _ in 0..yields {
            std::thread::park_timeout(std::time::Duration::from_millis(2));
        }
        service.signal(signal);
        let status = service.wait();
        let is_stopped = status.success() || status.signal() == Some(signal as i32);
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
