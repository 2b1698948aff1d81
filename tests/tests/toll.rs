//! What restarts cost the clients of `selfup::serve`, of every kind at once: nothing.
//!
//! `cargo bench -p selfup-tests --bench handoff` does the same with more of everything.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test at once")]

use selfup_tests::toll::{Kind, Protocol, Toll, Wire};
use selfup_tests::{PATIENCE, Release, ServiceBuilder};

fn crowd(kind: Kind) -> usize {
    match kind {
        Kind::Kept => 8,
        Kind::Early => 20,
        Kind::LargePost => 1,
        _ => 4,
    }
}

fn assert_that_restarts_cost_nothing(wire: &str, protocol: Protocol) {
    const RESTARTS: u64 = 5;
    // Longer than a client takes to ask once more on a slow machine, and shorter than a drain may be.
    let builder = ServiceBuilder::new(&Release::of_fixture("measured")).set("LINGER", "20s");
    let (builder, wire) = Wire::prepare(wire, protocol, builder);
    let mut service = builder.start();
    let toll = Toll::of(crowd, wire(&service), protocol).restarts(RESTARTS);
    for count in toll.take(&service) {
        assert!(count.is_nothing_lost(PATIENCE), "{count:?}");
        let early = usize::try_from(RESTARTS).unwrap() * crowd(Kind::Early);
        assert!(count.kind != Kind::Early || count.answered == early, "{count:?}");
        assert!(count.answered > 0, "{count:?}");
    }
    assert!(service.stop().success());
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
}

#[test]
fn restarts_cost_no_client_of_http_1_a_request() {
    assert_that_restarts_cost_nothing("tcp", Protocol::Http1);
}

#[test]
fn restarts_cost_no_client_of_http_2_a_request() {
    assert_that_restarts_cost_nothing("tcp", Protocol::Http2);
}

#[test]
fn restarts_cost_no_client_on_a_unix_socket_a_request() {
    assert_that_restarts_cost_nothing("unix", Protocol::Http1);
}

#[test]
fn restarts_cost_no_client_of_http_2_on_a_unix_socket_a_request() {
    assert_that_restarts_cost_nothing("unix", Protocol::Http2);
}

#[test]
fn restarts_cost_no_client_over_tls_a_request() {
    assert_that_restarts_cost_nothing("tls", Protocol::Http1);
}

#[test]
fn restarts_cost_no_client_of_http_2_over_tls_a_request() {
    assert_that_restarts_cost_nothing("tls", Protocol::Http2);
}
