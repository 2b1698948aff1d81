//! Restarts: nothing is dropped, whoever asks and however often.

use nix::sys::signal::Signal;
use selfup_tests::{Load, Service};

#[test]
fn a_restart_by_signal_moves_the_service_to_a_new_process_of_the_same_master() {
    let mut service = Service::with(&[]);
    let before = service.get("/");
    service.restart(2);
    let after = service.get("/");
    assert_ne!(before, after);
    assert!(after.contains(" 2 "), "generation 2 answers: {after}");
    assert!(service.stop().success());
}

#[test]
fn twenty_restarts_under_load_drop_nothing() {
    let mut service = Service::with(&[]);
    let load = Load::start(service.address(), "/", 8);
    for next in 2..=21 {
        service.restart(next);
    }
    load.wait_for(100);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn after_a_storm_of_signals_the_service_serves_and_the_next_restart_works() {
    let mut service = Service::with(&[]);
    let load = Load::start(service.address(), "/", 4);
    for _ in 0..200 {
        service.signal(Signal::SIGUSR2);
    }
    service.wait_for("event committed: generation 2 ");
    load.wait_for(100);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}
