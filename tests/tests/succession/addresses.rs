//! Upgrades that change where the service listens, and the rest of its config.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Connection, Load, Published, Publisher, Release, eventually, get};

const STAYS: &str = "127.0.0.1:0";
const GOES: &str = "127.0.0.2:0";
const COMES: &str = "127.0.0.3:0";
const BEFORE: &str = "127.0.0.1:0,127.0.0.2:0";

/// Without [`GOES`], with [`COMES`], and with releases from somewhere else.
fn changed(flaw: &str, publisher: &Publisher) -> Release {
    let url = publisher.url();
    let settings = format!("ADDRESS={STAYS},{COMES} FETCHER={url} TERMINATE_TIMEOUT=10s");
    Release::configured(&format!("{settings} {flaw}"))
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[test]
fn an_upgrade_changes_addresses_fetcher_and_timeout_at_the_same_pid_and_drops_nothing() {
    let mut published = Published::start(&[("ADDRESS", BEFORE), ("TERMINATE_TIMEOUT", "1h")]);
    let service = &published.service;
    let (stays, goes) = (service.bound_at(STAYS), service.bound_at(GOES));
    let load = Load::start(stays, "/", 2);
    let mut held = Connection::open(goes);
    assert!(get(goes, "/").contains(" 1 "));
    let source = Publisher::closed();
    let release = changed("", &source);
    source.open(Answer::Whole(release.clone()));

    published.succeed(&release);
    assert!(get(service.bound_at(COMES), "/").contains(" 2 "));
    assert!(!is_refused(goes), "a generation that uses it is there");
    held.ask("/");
    assert!(held.answer().expect("it is answered").contains(" 1 "));
    eventually("the removed address is closed", || is_refused(goes).then_some(()));

    source.wait_for("GET 304", 1);
    let polls = published.publisher.answered().len();
    source.wait_for("GET 304", 3);
    assert_eq!(published.publisher.answered().len(), polls, "nobody polls where it was before");

    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    let (mut endless, _) = service.hold();
    endless.ask("/sleep?3600000");
    service.restart(3);
    service.wait_for("event drain_timed_out: generation 2 ");
    assert!(get(service.bound_at(COMES), "/").contains(" 3 "));
    assert!(get(stays, "/").contains(" 3 "));
    assert!(published.service.stop().success());
}

#[test]
fn the_same_upgrade_is_undone_with_its_addresses_if_it_dies_on_probation() {
    let mut published = Published::start(&[("ADDRESS", BEFORE), ("PROBATION", "3s")]);
    let service = &published.service;
    let before = std::fs::read(service.binary()).expect("the binary is there");
    let (stays, goes) = (service.bound_at(STAYS), service.bound_at(GOES));
    let load = Load::start(stays, "/", 2);
    let elsewhere = Publisher::start(Answer::Status(404));
    // It accepts one connection, and ends without an answer.
    published.publisher.publish(Answer::Whole(changed("dies-soon", &elsewhere)));
    service.wait_for("event rolled_back: ");
    let comes = service.bound_at(COMES);
    eventually("the added address is closed again", || is_refused(comes).then_some(()));
    for address in [stays, goes] {
        assert!(get(address, "/").contains(" 1 "), "{address}");
    }
    published.publisher.wait_for("GET 304", 2);
    assert_eq!(elsewhere.answered(), [""; 0]);
    load.wait_for(20);
    let lost = load.stop();
    assert!(lost.len() <= 1, "{lost:#?}");
    assert!(std::fs::read(service.binary()).expect("the binary is there") == before);
    assert_eq!(service.successions(), 0);

    published.succeed(&Release::good());
    assert!(get(goes, "/").contains(" 3 "));
    assert!(published.service.stop().success());
}

#[test]
fn an_upgrade_whose_address_is_taken_is_undone_and_the_address_named() {
    let taken = TcpListener::bind("127.0.0.4:0").expect("a port");
    let address = taken.local_addr().expect("it is bound");
    let mut published = Published::start(&[]);
    let service = &published.service;
    let before = std::fs::read(service.binary()).expect("the binary is there");
    let load = Load::start(service.address(), "/", 2);
    let settings = format!("ADDRESS={STAYS},{address}");
    let release = Release::configured(&settings);
    published.publisher.publish(Answer::Whole(release));
    let line = service.wait_for("event restart_abandoned: ");
    assert!(line.contains(&address.to_string()), "{line}");
    service.wait_for("event rolled_back: ");
    published.publisher.wait_for("GET 304", 2);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(std::fs::read(service.binary()).expect("the binary is there") == before);
    assert!(service.get("/").contains(" 1 "));

    drop(taken);
    published.succeed(&Release::configured(&settings));
    assert!(get(address, "/").contains(" 3 "));
    service.signal(Signal::SIGUSR2);
    service.wait_for("event committed: generation 4 ");
    assert!(get(address, "/").contains(" 4 "));
    assert!(published.service.stop().success());
}

#[test]
fn upgrades_that_change_the_addresses_to_and_fro_leave_nothing_bound() {
    let mut published = Published::start(&[]);
    let stays = published.service.bound_at(STAYS);
    let load = Load::start(stays, "/", 2);
    for count in 1..=3 {
        let added = format!("127.0.0.5{count}:0");
        published.succeed(&Release::configured(&format!("ADDRESS={added},{STAYS}")));
        let bound = published.service.bound_at(&added);
        assert!(get(bound, "/").contains(&format!(" {} ", 2 * count)));
        published.succeed(&Release::good());
        eventually("it is closed", || is_refused(bound).then_some(()));
    }
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}
