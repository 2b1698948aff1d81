//! What has nothing to do with TLS.

use std::process::Command;

use nix::sys::signal::Signal;

use super::client::Kept;
use super::{FOR_EVER, service};

#[test]
fn with_nothing_open_the_end_comes_at_once() {
    let mut service = service().set("LINGER", FOR_EVER).start();
    let client = Kept::open(service.address());
    drop(client);
    service.restart(2);
    service.wait_for("served 1: ");
    assert!(service.stop().success());
    service.wait_for("served 2: ");
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
    let served = service.lines("served ");
    assert!(served.len() == 2 && served.iter().all(|line| line.ends_with(" 0 cut")), "{served:?}");
}

#[test]
fn out_of_descriptors_it_serves_on_as_connections_end() {
    let mut service = service().start();
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
fn what_accept_fails_with_is_no_end_of_serving() {
    for fault in ["error=ECONNABORTED:when=1+2", "error=EMFILE:when=1..2", "error=EPROTO:when=1+3"]
    {
        let mut service = service().with_fault("accept4", fault).start();
        for _ in 0..6 {
            assert!(Kept::open(service.address()).get("/").body.ends_with(" 1\n"), "{fault}");
        }
        service.restart(2);
        assert!(Kept::open(service.address()).get("/").body.ends_with(" 2\n"), "{fault}");
        assert!(service.stop().success());
    }
}

#[test]
fn every_address_is_served() {
    let builder = service().set("ADDRESS", "127.0.0.1:0,[::1]:0");
    let mut service = builder.start();
    for line in [service.wait_for("event bound: "), service.wait_for_nth("event bound: ", 2)] {
        let address: std::net::SocketAddr = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(Kept::open(address).get("/").body.ends_with(" 1\n"));
    }
    assert!(service.stop().success());
}

#[test]
fn without_a_master_it_serves_until_a_signal() {
    let mut service = service().set("SELFUP", "off").start();
    service.signal(Signal::SIGTERM);
    assert!(service.wait().success());
    service.wait_for("served 1: 0, 0 cut");
}
