//! Ends: the master ends as its program ended.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::os::unix::process::ExitStatusExt as _;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Connection, Release, Service, ServiceBuilder, children_of, eventually, send};

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
    eventually("the program is gone", || {
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
    // Both were waited for.
    service.wait_for_nth("event child_exited: ", 2);
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

/// The first process of the namespace, as seen from here.
fn first_process(service: &Service) -> Pid {
    eventually("the namespace has a process", || children_of(service.pid()).first().copied())
}

#[test]
fn a_first_process_ends_with_the_code_of_its_program_or_128_and_the_signal() {
    for (end, code) in [("/exit?7", 7), ("/kill?9", 137), ("/kill?6", 134)] {
        let Some(builder) = ServiceBuilder::new(&Release::good()).as_first_process() else {
            return;
        };
        let mut service = builder.start();
        Connection::open(service.address()).ask(end);
        assert_eq!(service.wait().code(), Some(code), "{end}");
    }
}

#[test]
fn a_first_process_is_stopped_and_restarted_like_any_other() {
    let Some(builder) = ServiceBuilder::new(&Release::good()).as_first_process() else { return };
    let mut service = builder.start();
    let master = first_process(&service);
    send(master, libc::SIGUSR2);
    service.wait_for("event committed: generation 2 ");
    let (mut held, before) = service.hold();
    send(master, libc::SIGTERM);
    service.wait_for("draining 2 ");
    held.ask("/");
    assert_eq!(held.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_first_process_can_be_stopped_before_its_child_is_up() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let builder = ServiceBuilder::new(&Release::good()).set("ADDRESS", address);
    let Some(builder) = builder.as_first_process() else { return };
    let mut service = builder.spawn();
    let master = first_process(&service);
    eventually("it watches for signals", || {
        std::fs::read_dir(format!("/proc/{master}/task")).ok()?.nth(1).map(drop)
    });
    send(master, libc::SIGTERM);
    assert_eq!(service.wait().code(), Some(143));
}

/// Asserts that what the program leaves behind is reaped, and nothing else.
fn assert_reaps(mut service: Service) {
    let orphans: [_; 3] = std::array::from_fn(|_| service.get("/orphan").trim().to_owned());
    for orphan in &orphans {
        let state = || service.get(&format!("/process?{orphan}"));
        eventually("it has ended", || state().starts_with('Z').then_some(()));
    }
    for orphan in &orphans {
        let state = || service.get(&format!("/process?{orphan}"));
        eventually("it is reaped", || (state() == "gone\n").then_some(()));
    }
    assert_eq!(service.lines("[selfup]"), [""; 0]);
    Connection::open(service.address()).ask("/exit?7");
    assert_eq!(service.wait().code(), Some(7), "the status of the program was nobody else's");
}

#[test]
fn a_first_process_reaps_what_its_program_leaves_behind() {
    let Some(builder) = ServiceBuilder::new(&Release::good()).as_first_process() else { return };
    assert_reaps(builder.start());
}

#[test]
fn a_subreaper_reaps_what_its_program_leaves_behind() {
    let prctl = format!(
        "syscall({}, {}, 1) == 0 or die; exec @ARGV",
        libc::SYS_prctl,
        libc::PR_SET_CHILD_SUBREAPER
    );
    let builder = ServiceBuilder::new(&Release::good());
    // A block that it inherits keeps nothing from it.
    let blocked = ["env", "--default-signal", "--block-signal=CHLD"];
    let subreaper = [&["perl", "-e", &prctl][..], &blocked].concat();
    assert_reaps(builder.under(&subreaper).start());
}

#[test]
fn a_process_that_gets_no_orphans_spends_nothing_on_them() {
    let service = Service::with(&[]);
    let threads = std::fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap().flatten();
    // One of them may have ended since.
    let names = threads.filter_map(|it| std::fs::read_to_string(it.path().join("comm")).ok());
    assert_eq!(names.filter(|name| name == "selfup-orphans\n").count(), 0);
}

#[test]
fn a_hook_in_a_first_process_gets_the_status_of_what_it_started() {
    let builder = ServiceBuilder::new(&Release::good()).set("PRE_UPGRADE", "starts");
    let Some(builder) = builder.as_first_process() else { return };
    let directory = builder.directory().to_owned();
    let candidate = directory.join("candidate");
    let service = builder.set("FETCHER", &candidate).start();
    Release::good().install(&candidate);
    service.wait_for("the hook's child: Ok(ExitStatus(unix_wait_status(1792)))");
    service.wait_for("event committed: generation 2 ");
}
