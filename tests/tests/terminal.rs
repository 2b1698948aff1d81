//! A service in a terminal: its keys reach the program once each, and jobs are stopped and continued.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

use std::os::unix::process::ExitStatusExt as _;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{
    Connection, Release, Service, ServiceBuilder, Terminal, eventually, send, status_of,
};

const CTRL_C: &[u8] = b"\x03";
const CTRL_BACKSLASH: &[u8] = b"\x1c";
const CTRL_Z: &[u8] = b"\x1a";

/// Runs the service as a job, and continues it whenever Enter is pressed.
const SHELL: &str = r#"
    "$0"; code=$?
    while [ $code = 148 ]; do echo "stopped"; read -r _; fg; code=$?; done
    echo "ended with $code"; exit $code
"#;

fn in_shell(builder: ServiceBuilder, terminal: &Terminal) -> Service {
    let shell = ["env", "--default-signal", "setsid", "--ctty", "sh", "-mc", SHELL];
    builder.in_terminal(terminal).under(&shell).start()
}

/// The master, which the shell has started.
fn master_of(child: Pid) -> Pid {
    Pid::from_raw(status_of(child, "PPid").parse().unwrap())
}

fn wait_for_state(pids: [Pid; 2], is_stopped: bool) {
    for pid in pids {
        eventually("it is stopped, or it is not", || {
            (status_of(pid, "State").starts_with('T') == is_stopped).then_some(())
        });
    }
}

fn count(service: &Service, signals: &[i32]) {
    for signal in signals {
        assert_eq!(service.get(&format!("/count?{signal}")), "armed\n");
    }
}

#[test]
fn ctrl_c_reaches_the_program_once_and_ends_the_service() {
    let mut terminal = Terminal::open();
    let mut service = ServiceBuilder::new(&Release::good()).in_terminal(&terminal).start();
    // The program does not end before these were answered.
    let [(mut first, _), (mut second, _)] = [(); 2].map(|()| service.hold());
    count(&service, &[libc::SIGINT, libc::SIGWINCH]);
    terminal.type_in(CTRL_C);
    service.wait_for("draining 1 ");
    first.ask("/counted?1");
    assert_eq!(first.answer().unwrap(), "1\n");
    // Whatever else was under way has come when the next signal has.
    service.signal(Signal::SIGWINCH);
    second.ask("/counted?2");
    assert_eq!(second.answer().unwrap(), "2\n", "it came once");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn ctrl_c_ends_a_program_that_never_asks_whether_it_is_to_end() {
    let mut terminal = Terminal::open();
    let builder = ServiceBuilder::new(&Release::of_fixture("plain")).set("PROGRAM", "serves-on");
    let mut service = builder.in_terminal(&terminal).start();
    terminal.type_in(CTRL_C);
    assert_eq!(service.wait().signal(), Some(libc::SIGINT));
    service.processes().wait_until_gone();
}

#[test]
fn ctrl_backslash_ends_the_service_by_its_signal() {
    let mut terminal = Terminal::open();
    let mut service = ServiceBuilder::new(&Release::good()).in_terminal(&terminal).start();
    terminal.type_in(CTRL_BACKSLASH);
    assert_eq!(service.wait().signal(), Some(libc::SIGQUIT));
    service.processes().wait_until_gone();
}

#[test]
fn ctrl_backslash_reaches_a_program_that_handles_it_once() {
    let mut terminal = Terminal::open();
    let mut service = ServiceBuilder::new(&Release::good()).in_terminal(&terminal).start();
    count(&service, &[libc::SIGQUIT, libc::SIGWINCH]);
    terminal.type_in(CTRL_BACKSLASH);
    assert_eq!(service.get("/counted?1"), "1\n");
    service.signal(Signal::SIGWINCH);
    assert_eq!(service.get("/counted?2"), "2\n");
    assert_eq!(service.get("/counted"), "2\n", "it came once");
    assert!(service.stop().success());
}

#[test]
fn a_job_is_stopped_and_continued_with_its_program() {
    let mut terminal = Terminal::open();
    let mut service = in_shell(ServiceBuilder::new(&Release::good()), &terminal);
    let (child, before) = (service.pid_of(1), service.get("/"));
    let both = [master_of(child), child];
    for round in 1..=3 {
        terminal.type_in(CTRL_Z);
        service.wait_for_nth("stopped", round);
        wait_for_state(both, true);
        // Nobody accepts it, and nobody loses it.
        let mut waiting = Connection::open(service.address());
        waiting.ask("/");
        terminal.type_in(b"\n");
        assert_eq!(waiting.answer().unwrap(), before);
        wait_for_state(both, false);
    }
    kill(both[0], Signal::SIGUSR2).unwrap();
    service.wait_for("event committed: generation 2 ");
    terminal.type_in(CTRL_C);
    service.wait_for("ended with 0");
    assert!(service.wait().success());
}

#[test]
fn a_job_that_is_continued_hears_of_it_once() {
    let mut terminal = Terminal::open();
    let mut service = in_shell(ServiceBuilder::new(&Release::good()), &terminal);
    let child = service.pid_of(1);
    let both = [master_of(child), child];
    count(&service, &[libc::SIGCONT, libc::SIGWINCH]);
    for round in 1..=3 {
        terminal.type_in(CTRL_Z);
        service.wait_for_nth("stopped", round);
        wait_for_state(both, true);
        terminal.type_in(b"\n");
        wait_for_state(both, false);
        let sent = 2 * round;
        let _ = service.get(&format!("/counted?{}", sent - 1));
        send(both[0], libc::SIGWINCH);
        let _ = service.get(&format!("/counted?{sent}"));
        assert_eq!(service.get("/counted"), format!("{sent}\n"));
    }
    terminal.type_in(CTRL_C);
    service.wait_for("ended with 0");
    assert!(service.wait().success());
}

#[test]
fn a_master_that_alone_is_continued_continues_its_program() {
    let mut terminal = Terminal::open();
    let mut service = in_shell(ServiceBuilder::new(&Release::good()), &terminal);
    let child = service.pid_of(1);
    let both = [master_of(child), child];
    terminal.type_in(CTRL_Z);
    service.wait_for("stopped");
    wait_for_state(both, true);
    send(both[0], libc::SIGCONT);
    wait_for_state(both, false);
    assert!(service.get("/").contains(" 1 "));
    send(both[0], libc::SIGTERM);
    terminal.type_in(b"\n");
    assert!(service.wait().code().is_some());
    service.processes().wait_until_gone();
}

#[test]
fn ctrl_z_stops_no_service_that_nobody_could_continue() {
    let mut terminal = Terminal::open();
    // It leads the session itself: there is no shell.
    let mut service = ServiceBuilder::new(&Release::good()).in_terminal(&terminal).start();
    count(&service, &[libc::SIGTSTP, libc::SIGWINCH]);
    terminal.type_in(CTRL_Z);
    assert_eq!(service.get("/counted?1"), "1\n");
    service.signal(Signal::SIGWINCH);
    assert_eq!(service.get("/counted?2"), "2\n", "the master goes on");
    assert!(service.stop().success());
}

#[test]
fn a_terminal_that_hangs_up_is_told_to_the_program_once() {
    let terminal = Terminal::open();
    let mut service = ServiceBuilder::new(&Release::good()).in_terminal(&terminal).start();
    count(&service, &[libc::SIGHUP, libc::SIGWINCH]);
    terminal.hang_up();
    assert_eq!(service.get("/counted?1"), "1\n");
    service.signal(Signal::SIGWINCH);
    let _ = service.get("/counted?2");
    assert_eq!(service.get("/counted"), "2\n", "it came once");
    assert!(service.stop().success());
}
