//! Socket activation, as systemd has it: `sd_listen_fds(3)`.

use std::net::SocketAddr;

use selfup_tests::{
    Answer, Published, Publisher, Release, Service, ServiceBuilder, eventually, get, served_by,
};

use super::client::{ask, succeed};

/// Binds a TCP listener and a UDP socket as 3 and 4, and executes its arguments with them.
const ACTIVATOR: &str = r#"
    use Socket;
    $^F = 9;
    socket(my $web, PF_INET, SOCK_STREAM, 0) or die;
    bind($web, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die;
    listen($web, 128) or die;
    socket(my $packets, PF_INET, SOCK_DGRAM, 0) or die;
    bind($packets, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die;
    die unless fileno($web) == 3 && fileno($packets) == 4;
    $ENV{LISTEN_PID} = $ENV{FOR_ANOTHER} ? 1 : $$;
    $ENV{LISTEN_FDS} = 2;
    $ENV{LISTEN_FDNAMES} = "web:packets";
    exec @ARGV or die;
"#;

fn activated(builder: ServiceBuilder, addresses: &str) -> ServiceBuilder {
    builder.under(&["perl", "-e", ACTIVATOR]).set("ADDRESS", addresses)
}

fn activated_once(addresses: &str) -> ServiceBuilder {
    activated(ServiceBuilder::new(&Release::good()), addresses)
}

fn is_told_to_nobody(service: &Service, web: SocketAddr, generation: u64) {
    let environment = get(web, "/environment");
    assert!(!environment.contains("LISTEN_"), "{environment}");
    let descriptors = get(web, "/descriptors");
    assert!(!descriptors.contains("socket:"), "{descriptors}");
    let own = std::fs::read(format!("/proc/{}/environ", service.pid_of(generation))).unwrap();
    assert!(!String::from_utf8_lossy(&own).contains("LISTEN_"));
}

#[test]
fn sockets_that_are_handed_in_are_served_over_restarts_and_leak_to_nobody() {
    let mut service = activated_once("fd:web,fd:4").start();
    let (web, packets) = (service.bound_at("fd:web"), service.bound_at("fd:4"));
    assert!(get(web, "/").contains(" 1 "));
    assert_eq!(ask(packets), 1);
    is_told_to_nobody(&service, web, 1);
    for next in 2..=4 {
        service.restart(next);
        eventually("it answers packets", || (ask(packets) == next).then_some(()));
        served_by(web, next);
    }
    assert!(service.stop().success());
}

#[test]
fn a_later_version_may_name_what_an_earlier_one_did_not() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let builder = activated(ServiceBuilder::new(&first), "fd:3");
    let mut published = Published::of(builder, source, &[("INTERVAL", "100ms")]);
    published.publisher.wait_for("GET 304", 1);
    let web = published.service.bound_at("fd:3");
    let url = published.publisher.url();
    let release =
        |addresses: &str| Release::configured(&format!("ADDRESS={addresses} FETCHER={url}"));
    succeed(&published, &release("fd:3,fd:packets"));
    let packets = published.service.bound_at("fd:packets");
    assert_eq!(ask(packets), 2);
    succeed(&published, &release("fd:packets"));
    assert_eq!(ask(packets), 3);
    succeed(&published, &release("fd:3,fd:packets"));
    assert_eq!(ask(packets), 4);
    assert!(get(web, "/").contains(" 4 "));
    is_told_to_nobody(&published.service, web, 4);
    assert!(published.service.stop().success());
}

#[test]
fn a_socket_that_was_not_handed_in_is_an_error_that_lists_what_was() {
    for (address, text) in [
        (
            "fd:admin",
            "no socket named \"admin\" was handed in, but fd:3 (fd:web), fd:4 (fd:packets)",
        ),
        ("fd:5", "no socket numbered 5 was handed in, but fd:3 (fd:web), fd:4 (fd:packets)"),
    ] {
        let mut service = activated_once(address).spawn();
        assert_eq!(service.wait().code(), Some(1));
        service.wait_for(text);
    }
}

#[test]
fn what_was_handed_to_another_process_is_not_taken() {
    let mut service = activated_once("fd:web").set("FOR_ANOTHER", "1").spawn();
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for("no socket named \"web\" was handed in, but none at all");
}

#[test]
fn without_a_master_it_is_served_too() {
    let mut service = activated_once("fd:web").set("SELFUP", "off").start();
    let line = service.wait_for("alone at ");
    let web = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(get(web, "/").contains(" 1 "));
    assert!(service.stop().success());
}
