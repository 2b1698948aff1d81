use nix::sys::signal::Signal;
use selfup_tests::{Answer, Published, Release, Service, serve_once_free};

use super::client::{Packets, ask, succeed, wait_until_free};

const FREE: &str = "udp:127.0.0.1:0";

#[test]
fn every_packet_is_answered_once_over_twenty_restarts() {
    let mut service = Service::with(&[("ADDRESS", FREE)]);
    let address = service.address();
    let packets = Packets::start(address);
    // Whose program reads is ready by that: nothing else is configured.
    (2..=21).for_each(|next| service.restart(next));
    assert_eq!(ask(address), 21);
    let (sent, answered) = packets.stop();
    let lost: Vec<_> = (0..sent).filter(|number| !answered.contains_key(number)).collect();
    assert!(lost.is_empty(), "{lost:?} of {sent} were not answered");
    let generations: std::collections::BTreeSet<_> = answered.into_values().collect();
    assert!(generations.len() > 10, "each has answered some: {generations:?}");
    assert!(service.stop().success());
}

#[test]
fn a_paused_generation_takes_no_packet_from_the_next_one() {
    let service = Service::with(&[("ADDRESS", FREE), ("PROBATION", "1h")]);
    let address = service.address();
    assert_eq!(ask(address), 1);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    assert!((0..200).all(|_| ask(address) == 2));
}

#[test]
fn a_generation_that_is_resumed_reads_again() {
    let service = Service::with(&[("ADDRESS", FREE), ("PROBATION", "1h")]);
    let address = service.address();
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    assert_eq!(ask(address), 2);
    let packets = Packets::start(address);
    selfup_tests::send(service.pid_of(2), nix::libc::SIGKILL);
    service.wait_for("event resumed: generation 1 ");
    assert_eq!(ask(address), 1);
    let (sent, answered) = packets.stop();
    // What the killed one had read and not answered is gone with it.
    assert!(u32::try_from(answered.len()).unwrap() + 2 >= sent, "{} of {sent}", answered.len());
}

#[test]
fn the_socket_outlives_a_succession_and_not_the_service() {
    let mut published = Published::start(&[("ADDRESS", FREE)]);
    let address = published.service.address();
    let packets = Packets::start(address);
    succeed(&published, &Release::good());
    succeed(&published, &Release::good());
    let (sent, answered) = packets.stop();
    assert_eq!(u32::try_from(answered.len()).unwrap(), sent);
    assert_eq!(ask(address), 3);
    assert!(published.service.stop().success());
    wait_until_free(address);
}

#[test]
fn a_new_master_takes_the_port_that_an_orphan_lets_go_of() {
    let mut service = Service::with(&[("ADDRESS", FREE)]);
    let address = service.address();
    assert_eq!(ask(address), 1);
    service.signal(Signal::SIGKILL);
    service.wait();
    let mut next = serve_once_free(&format!("udp:{address}"));
    assert_eq!(ask(address), 1);
    assert!(next.stop().success());
    service.processes().wait_until_gone();
}

#[test]
fn an_upgrade_adds_and_removes_a_port() {
    let mut published = Published::start(&[("ADDRESS", "udp:127.0.0.1:0,udp:127.0.0.2:0")]);
    let service = &published.service;
    let (stays, goes) = (service.bound_at(FREE), service.bound_at("udp:127.0.0.2:0"));
    let url = published.publisher.url();
    let words = format!("ADDRESS={FREE},udp:127.0.0.3:0 FETCHER={url}");
    succeed(&published, &Release::configured(&words));
    assert_eq!((ask(stays), ask(service.bound_at("udp:127.0.0.3:0"))), (2, 2));
    wait_until_free(goes);
    published.publisher.publish(Answer::Status(404));
    assert!(published.service.stop().success());
}

#[test]
fn udp_and_tcp_may_have_the_same_port() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    drop(tcp);
    let mut service = Service::with(&[("ADDRESS", &format!("{address},udp:{address}"))]);
    assert_eq!(ask(address), 1);
    assert!(service.get("/").contains(" 1 "));
    service.restart(2);
    assert_eq!(ask(address), 2);
    assert!(service.stop().success());
}

#[test]
fn without_a_master_packets_are_answered_too() {
    let mut service = Service::with(&[("ADDRESS", FREE), ("SELFUP", "off")]);
    let line = service.wait_for("alone at ");
    assert_eq!(ask(line.rsplit(' ').next().unwrap().parse().unwrap()), 1);
    assert!(service.stop().success());
}
