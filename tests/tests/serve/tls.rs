//! Handshakes, and how they end.

use std::io::Write as _;
use std::time::Instant;

use rustls::StreamOwned;

use super::client::Kept;
use super::tested::Tested;
use super::{FOR_EVER, service};

/// The wait for a client that says nothing is short here, and none for one that began.
#[test]
fn a_handshake_that_has_begun_is_finished_whatever_is_paused_meanwhile() {
    let builder = service().set("LINGER", "300ms").set("TERMINATE_TIMEOUT", FOR_EVER);
    let mut service = Tested::over_tls(builder.set("HANDSHAKE_TIMEOUT", FOR_EVER));
    let mut mute = Kept::on(service.to().connect().unwrap());
    let mut begun = Vec::new();
    for part in [1, 4, 5, 100] {
        let mut stream = service.to().connect().unwrap();
        let mut tls = service.to().begin(service.to().tls.as_ref().unwrap()).unwrap();
        let mut hello = Vec::new();
        tls.write_tls(&mut hello).unwrap();
        stream.write_all(&hello[..part]).unwrap();
        begun.push((stream, tls, hello.split_off(part)));
    }
    service.have_all_accepted();
    service.restart(2);
    mute.closed();
    for (mut stream, tls, rest) in begun {
        stream.write_all(&rest).unwrap();
        let mut kept = Kept::on(StreamOwned::new(tls, stream));
        let answer = kept.get("/");
        assert!(answer.body.ends_with(" 1\n") && answer.is_last, "{answer:?}");
        kept.closed();
    }
    service.wait_for("served 1: 6, 0 cut");
    assert!(service.stop().success());
}

#[test]
fn a_client_that_does_not_finish_its_handshake_is_closed() {
    let mut service = Tested::over_tls(service().set("HANDSHAKE_TIMEOUT", "1s"));
    let since = Instant::now();
    let mut mute = service.to().connect().unwrap();
    let mut begun = service.to().connect().unwrap();
    begun.write_all(&[22, 3, 1, 2, 0]).unwrap();
    for client in [&mut mute, &mut begun] {
        assert_eq!(std::io::Read::read(client, &mut [0]).unwrap(), 0);
    }
    assert!(since.elapsed().as_secs() >= 1);
    // Neither is open any more.
    assert!(service.stop().success());
    service.wait_for("served 1: 2, 0 cut");
}

#[test]
fn who_does_not_speak_tls_is_closed_and_harms_nobody() {
    let mut service = Tested::over_tls(service());
    let mut clear = Kept::open(service.address());
    clear.ask("/").unwrap();
    clear.answer().unwrap_err();
    assert!(service.open().get("/").body.ends_with(" 1\n"));
    drop(clear);
    assert!(service.stop().success());
}

/// A client must not take a part for the whole.
#[test]
fn who_is_cut_is_not_told_that_all_is_well() {
    let mut service = Tested::over_tls(service().set("TERMINATE_TIMEOUT", "10s"));
    let mut slow = service.open();
    slow.ask("/sleep?3600000").unwrap();
    service.have_all_accepted();
    service.restart(2);
    let error = slow.read(1).unwrap_err();
    assert!(error.to_string().contains("close_notify"), "{error}");
    service.wait_for("served 1: 2, 1 cut");
    assert!(service.stop().success());
}
