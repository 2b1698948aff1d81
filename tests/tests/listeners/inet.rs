//! TCP, where the system has its ways.

use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

use selfup_tests::{Connection, Release, ServiceBuilder};

#[test]
fn a_port_alone_is_listened_on_by_both_families() {
    let mut service = ServiceBuilder::new(&Release::good()).set("ADDRESS", ":0").start();
    let port = service.address().port();
    assert_eq!(service.address().ip(), Ipv6Addr::UNSPECIFIED);
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    assert!(service.stop().success());
}

#[test]
fn where_there_is_no_ipv6_a_port_alone_is_listened_on_by_ipv4() {
    // The first one of a thread is the listener, which the master makes before anything else.
    let builder = ServiceBuilder::new(&Release::good()).set("ADDRESS", ":0");
    let mut service = builder.with_fault("socket", "error=EAFNOSUPPORT:when=1").start();
    assert_eq!(service.address().ip(), Ipv4Addr::UNSPECIFIED);
    assert!(service.get("/").contains(" 1 "));
    service.restart(2);
    assert!(service.get("/").contains(" 2 "));
    assert!(service.stop().success());
}

#[test]
fn connections_that_were_given_up_in_the_queue_are_skipped() {
    // In each thread three times out of four, and the connection stays where it is.
    for fault in ["error=ECONNABORTED:when=1+4", "error=ECONNABORTED:when=1..9"] {
        let builder = ServiceBuilder::new(&Release::good());
        let mut service = builder.with_fault("accept4", fault).start();
        for _ in 0..12 {
            let mut connection = Connection::open(service.address());
            connection.ask("/");
            assert!(connection.answer().unwrap().contains(" 1 "), "{fault}");
        }
        assert_eq!(service.lines("panicked"), [""; 0]);
        assert!(service.stop().success());
    }
}
