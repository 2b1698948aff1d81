//! `selfup::serve`: every connection is answered, whoever keeps it and whatever it carries.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test at once")]

mod client;
mod http_2;

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use selfup_tests::{Release, ServiceBuilder, eventually};

use self::client::{Kept, KeptLoad};

fn release() -> Release {
    Release::of_fixture("served")
}

/// Longer than any test has patience.
const FOR_EVER: &str = "1h";

#[test]
fn kept_connections_lose_nothing_to_twenty_restarts_and_move_at_each() {
    let mut service = ServiceBuilder::new(&release()).start();
    let kept = KeptLoad::start(service.address(), 8, Duration::ZERO);
    for next in 2..=21 {
        service.restart(next);
        kept.wait_for_all_at(next);
    }
    let (answered, failures) = kept.stop();
    assert_eq!(failures, [""; 0]);
    assert!(answered > 160, "{answered}");
    assert!(service.stop().success());
}

#[test]
fn clients_that_think_between_their_requests_lose_none_to_twenty_restarts() {
    let mut service = ServiceBuilder::new(&release()).start();
    let kept = KeptLoad::start(service.address(), 8, Duration::from_millis(100));
    for next in 2..=21 {
        service.restart(next);
    }
    kept.wait_for_all_at(21);
    assert_eq!(kept.stop().1, [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn connections_that_were_opened_before_a_restart_are_answered_after_it() {
    let builder = ServiceBuilder::new(&release()).set("LINGER", FOR_EVER);
    let mut service = builder.set("TERMINATE_TIMEOUT", FOR_EVER).start();
    let mut early: Vec<_> = (0..20).map(|_| Kept::open(service.address())).collect();
    // Connections are accepted in their order.
    Kept::open(service.address()).get("/");
    service.restart(2);
    assert!(Kept::open(service.address()).get("/").body.ends_with(" 2\n"));
    for mut connection in early.drain(..) {
        let answer = connection.get("/");
        assert!(answer.body.ends_with(" 1\n") && answer.is_last, "{answer:?}");
        connection.closed();
    }
    service.wait_for("served 1: 21, 0 cut");
    assert!(service.stop().success());
}

#[test]
fn a_slow_request_is_answered_by_the_generation_that_took_it() {
    let mut service = ServiceBuilder::new(&release()).start();
    let mut slow = Kept::open(service.address());
    assert!(!slow.get("/").is_last);
    slow.ask("/sleep?1000").unwrap();
    service.restart(2);
    assert!(Kept::open(service.address()).get("/").body.ends_with(" 2\n"));
    let answer = slow.answer().unwrap();
    assert!(answer.body.ends_with(" 1\n") && answer.is_last, "{answer:?}");
    slow.closed();
    service.wait_for("served 1: ");
    assert!(service.stop().success());
}

#[test]
fn slow_requests_are_answered_across_restarts() {
    let mut service = ServiceBuilder::new(&release()).start();
    let address = service.address();
    for next in 2..=6 {
        let mut slow: Vec<_> = (0..8).map(|_| Kept::open(address)).collect();
        for connection in &mut slow {
            connection.ask("/sleep?300").unwrap();
        }
        service.restart(next);
        for mut connection in slow {
            connection.answer().unwrap();
        }
    }
    assert!(service.stop().success());
}

#[test]
fn a_large_body_goes_on_across_a_restart() {
    const LENGTH: usize = 10_000_000;
    let mut service = ServiceBuilder::new(&release()).start();
    let mut client = Kept::open(service.address());
    let head = format!("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: {LENGTH}\r\n\r\n");
    client.say(head.as_bytes()).unwrap();
    let body = vec![b'x'; LENGTH];
    client.say(&body[..LENGTH / 2]).unwrap();
    service.wait_for("counting 1");
    service.restart(2);
    eventually("the next generation serves", || {
        Kept::open(service.address()).get("/").body.ends_with(" 2\n").then_some(())
    });
    client.say(&body[LENGTH / 2..]).unwrap();
    let answer = client.answer().unwrap();
    assert!(answer.body == format!("{LENGTH}\n") && answer.is_last, "{answer:?}");
    client.closed();
    service.wait_for("served 1: 1, 0 cut");
    assert!(service.stop().success());
}

#[test]
fn a_resumed_generation_keeps_its_connections_alive() {
    let builder = ServiceBuilder::new(&release()).set("PROBATION", FOR_EVER);
    let mut service = builder.set("LINGER", FOR_EVER).start();
    let (mut shed, mut idle) = (Kept::open(service.address()), Kept::open(service.address()));
    assert!(!shed.get("/").is_last && !idle.get("/").is_last);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    eventually("the paused generation sheds", || {
        let answer = shed.get("/");
        answer.is_last.then_some(())
    });
    shed.closed();
    kill(service.pid_of(2), Signal::SIGKILL).unwrap();
    service.wait_for("event resumed: generation 1 ");
    eventually("the resumed generation keeps a connection", || {
        (!Kept::open(service.address()).get("/").is_last).then_some(())
    });
    for _ in 0..3 {
        let answer = idle.get("/");
        assert!(answer.body.ends_with(" 1\n") && !answer.is_last, "{answer:?}");
    }
    drop(idle);
    assert!(service.stop().success());
}

#[test]
fn with_nothing_open_the_end_comes_at_once() {
    let mut service = ServiceBuilder::new(&release()).set("LINGER", FOR_EVER).start();
    let client = Kept::open(service.address());
    drop(client);
    service.restart(2);
    service.wait_for("served 1: ");
    assert!(service.stop().success());
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
    assert_eq!(service.lines(" 0 cut").len(), 2);
}

#[test]
fn a_connection_that_says_nothing_is_closed_when_it_has_lingered_and_holds_nothing_up() {
    let builder = ServiceBuilder::new(&release()).set("LINGER", "300ms");
    let mut service = builder.set("TERMINATE_TIMEOUT", FOR_EVER).start();
    let (mut silent, mut kept) = (Kept::open(service.address()), Kept::open(service.address()));
    kept.get("/");
    service.restart(2);
    silent.closed();
    kept.closed();
    service.wait_for("served 1: 2, 0 cut");
    assert!(service.stop().success());
}

#[test]
fn an_upgraded_connection_goes_on_until_the_program_ends_it() {
    let mut service = ServiceBuilder::new(&release()).set("LINGER", "100ms").start();
    let mut client = upgraded(&service);
    service.restart(2);
    assert_eq!(client.read(4).unwrap(), "over");
    client.closed();
    service.wait_for("served 1: 1, 0 cut");
    assert!(service.stop().success());
}

#[test]
fn a_paused_generation_goes_on_with_an_upgraded_connection() {
    let builder = ServiceBuilder::new(&release()).set("LINGER", "100ms");
    let mut service = builder.set("PROBATION", FOR_EVER).start();
    let (mut client, mut silent) = (upgraded(&service), Kept::open(service.address()));
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    silent.closed();
    client.say(b"ping").unwrap();
    assert_eq!(client.read(4).unwrap(), "ping");
    drop(client);
    assert!(service.stop().success());
}

fn upgraded(service: &selfup_tests::Service) -> Kept {
    let mut client = Kept::open(service.address());
    let request = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    client.say(request.as_bytes()).unwrap();
    assert!(client.head().unwrap().starts_with("http/1.1 101"));
    client.say(b"ping").unwrap();
    assert_eq!(client.read(4).unwrap(), "ping");
    client
}

#[test]
fn what_is_left_at_the_end_of_the_drain_is_cut_and_counted() {
    let builder = ServiceBuilder::new(&release()).set("STUBBORN", "1");
    let mut service = builder.set("TERMINATE_TIMEOUT", "10s").start();
    let (mut client, mut slow) = (upgraded(&service), Kept::open(service.address()));
    slow.ask("/sleep?3600000").unwrap();
    slow = {
        Kept::open(service.address()).get("/");
        slow
    };
    service.restart(2);
    assert_eq!(client.read(4).unwrap(), "over");
    service.wait_for("served 1: 3, 2 cut");
    slow.answer().unwrap_err();
    assert!(service.stop().success());
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
}

#[test]
fn out_of_descriptors_it_serves_on_as_connections_end() {
    let mut service = ServiceBuilder::new(&release()).start();
    let pid = service.pid_of(1);
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let limit = format!("--nofile={0}:{0}", open + 5);
    let limited = Command::new("prlimit").args([&limit, "--pid", &pid.to_string()]).status();
    assert!(limited.unwrap().success());
    let mut clients: Vec<_> = (0..30).map(|_| Kept::open(service.address())).collect();
    for client in &mut clients {
        client.ask("/").unwrap();
    }
    for mut client in clients {
        assert!(!client.answer().unwrap().is_last);
    }
    assert!(service.stop().success());
}

#[test]
fn every_address_is_served() {
    let builder = ServiceBuilder::new(&release()).set("ADDRESS", "127.0.0.1:0,[::1]:0");
    let mut service = builder.start();
    for line in [service.wait_for("event bound: "), service.wait_for_nth("event bound: ", 2)] {
        let address = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(Kept::open(address).get("/").body.ends_with(" 1\n"));
    }
    assert!(service.stop().success());
}

#[test]
fn without_a_master_it_serves_until_a_signal() {
    let mut service = ServiceBuilder::new(&release()).set("SELFUP", "off").start();
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
    service.wait_for("served 1: 0, 0 cut");
}

#[test]
fn short_connections_lose_nothing_to_twenty_restarts() {
    let mut service = ServiceBuilder::new(&release()).start();
    let load = KeptLoad::short(service.address(), 8);
    for next in 2..=21 {
        service.restart(next);
    }
    load.wait_for_all_at(21);
    assert_eq!(load.stop().1, [""; 0]);
    assert!(service.stop().success());
}
