//! Entry: programs of every shape, with the attribute and without, and settings that cannot work.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use selfup_tests::{Release, Service, ServiceBuilder};

fn plain() -> ServiceBuilder {
    ServiceBuilder::new(&Release::of_fixture("plain"))
}

/// How a program ends that only returns, and what it printed.
fn ended(builder: ServiceBuilder) -> (Option<i32>, Service) {
    let mut service = builder.spawn();
    let status = service.wait();
    service.processes().wait_until_gone();
    (status.code(), service)
}

#[test]
fn a_program_on_threads_is_restarted_under_load_without_a_loss() {
    let mut service = plain().start();
    service.assert_nothing_is_lost_to(20);
    assert!(service.stop().success());
}

#[test]
fn a_paused_program_on_threads_takes_over_again() {
    let mut service = plain().set("PROBATION", "1h").start();
    let before = service.get("/");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    assert!(service.get("/").contains(" 2 "), "the paused one accepts nothing");
    nix::sys::signal::kill(service.pid_of(2), Signal::SIGKILL).unwrap();
    assert_eq!(service.get("/"), before);
    assert!(service.stop().success());
}

#[test]
fn a_program_on_threads_answers_what_it_has_begun_when_it_is_stopped() {
    let mut service = plain().start();
    let (mut slow, name) = service.hold();
    slow.ask("/sleep?500");
    service.signal(Signal::SIGTERM);
    assert_eq!(slow.answer().unwrap(), name);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn init_is_told_its_role_before_the_program_runs() {
    let mut service = plain().start();
    assert_eq!(service.lines("Master").len(), 1);
    assert_eq!(service.lines("Child").len(), 1);
    assert!(service.stop().success());
}

#[test]
fn what_a_program_returns_is_its_code() {
    for (returns, code) in [("unit", 0), ("code", 5), ("error", 1)] {
        let (ended, service) = ended(plain().set("RETURNS", returns));
        assert_eq!(ended, Some(code), "{returns}");
        if returns == "error" {
            service.wait_for("Error: \"as the test asks\"");
        }
    }
}

#[test]
fn a_program_without_a_state_returns_too() {
    let stateless = || ServiceBuilder::new(&Release::of_fixture("stateless"));
    assert_eq!(ended(stateless()).0, Some(0));
    let (code, service) = ended(stateless().set("RETURNS", "error"));
    assert_eq!(code, Some(1));
    service.wait_for("Error: \"the fixture fails, as the test asks it to\"");
}

fn tried() -> ServiceBuilder {
    ServiceBuilder::new(&Release::of_fixture("tried"))
}

#[test]
fn a_start_that_was_tried_gives_the_code_of_its_program() {
    let (code, service) = ended(tried());
    assert_eq!(code, Some(3));
    service.wait_for("supervised true");
}

#[test]
fn a_start_that_was_tried_gives_its_errors_to_the_caller() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = "Config handled: `address`: \"3000\" is not an address";
    let bind = format!("Bind handled: cannot listen on {address:?}: it is in use");
    for (address, text) in [("3000", config), (&address, &bind)] {
        let (code, service) = ended(tried().set("ADDRESS", address));
        assert_eq!(code, Some(44), "{text}");
        service.wait_for(text);
    }
}

#[test]
fn a_start_that_was_tried_has_no_fallback() {
    let refused = ["-e", "trace=clone", "-e", "inject=clone:error=EPERM"];
    let tracer = ["strace", "-D", "-f", "-qqq", "-o", "/dev/null"];
    let tracer: Vec<_> = tracer.into_iter().chain(refused).collect();
    let (code, service) = ended(tried().under(&tracer));
    assert_eq!(code, Some(44));
    service.wait_for("Spawn handled: no process for a child");
    assert_eq!(service.lines("supervised "), [""; 0]);
}

#[test]
fn a_setting_that_cannot_work_is_named_with_its_fix() {
    for (variable, value, message) in [
        ("ADDRESS", "3000", "`address`: \"3000\" is not an address; did you mean \":3000\"?"),
        ("ADDRESS", "127.0.0.1:1,127.0.0.1:1", "`address`: \"127.0.0.1:1\" is listed twice"),
        ("TERMINATE_TIMEOUT", "0s", "`terminate_timeout` must not be zero; use at least \"1ms\""),
        ("READY_TIMEOUT", "0ms", "`ready_timeout` must not be zero; use at least \"1ms\""),
        ("PROBATION", "30", "`probation`: \"30\" has no unit; write \"30s\""),
        ("RESTART_SIGNAL", "SIGKILL", "`restart_signal`: `SIGKILL` cannot ask for a restart"),
        ("READY", "soon", "`ready`: \"soon\" is neither \"auto\" nor \"manual\""),
        ("FETCHER", "http://", "`fetcher`: "),
    ] {
        let (code, service) = ended(ServiceBuilder::new(&Release::good()).set(variable, value));
        assert_eq!(code, Some(1), "{variable}={value}");
        service.wait_for(&format!("[selfup] error: {message}"));
        assert_eq!(service.lines("serving "), [""; 0], "{variable}={value}");
    }
}
