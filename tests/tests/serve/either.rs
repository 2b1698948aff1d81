//! What holds in the clear and over TLS alike.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use selfup_tests::{ServiceBuilder, eventually};

use super::client::{Kept, KeptLoad, Manner};
use super::tested::Tested;
use super::{FOR_EVER, service};

type Start = fn(ServiceBuilder) -> Tested;

/// Makes two tests of each function.
macro_rules! in_the_clear_and_over_tls {
    ($($test:ident)*) => {
        mod in_the_clear {
            $(#[test] fn $test() { super::$test(super::Tested::in_the_clear); })*
        }
        mod over_tls {
            $(#[test] fn $test() { super::$test(super::Tested::over_tls); })*
        }
    };
}

in_the_clear_and_over_tls! {
    kept_connections_lose_nothing_to_twenty_restarts_and_move_at_each
    clients_that_think_between_their_requests_lose_none_to_twenty_restarts
    short_connections_lose_nothing_to_twenty_restarts
    small_bodies_lose_nothing_to_twenty_restarts
    large_bodies_lose_nothing_to_restarts
    slow_requests_are_answered_across_restarts
    connections_that_were_opened_before_a_restart_are_answered_after_it
    connections_that_were_opened_before_a_pause_are_answered_after_it
    a_slow_request_is_answered_by_the_generation_that_took_it
    a_body_goes_on_across_a_restart
    what_is_sent_behind_the_last_request_does_not_undo_its_answer
    a_resumed_generation_keeps_its_connections_alive
    a_connection_that_says_nothing_is_closed_when_it_has_lingered_and_holds_nothing_up
    an_upgraded_connection_goes_on_until_the_program_ends_it
    a_paused_generation_goes_on_with_an_upgraded_connection
    what_is_left_at_the_end_of_the_drain_is_cut_and_counted
}

fn lose_nothing(start: Start, restarts: u64, workers: usize, manner: Manner) {
    let mut service = start(service());
    let load = KeptLoad::start(service.to().clone(), workers, manner);
    for next in 2..restarts + 2 {
        service.restart(next);
    }
    load.wait_for_all_at(restarts + 1);
    assert_eq!(load.stop().1, [""; 0]);
    assert!(service.stop().success());
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
}

fn kept_connections_lose_nothing_to_twenty_restarts_and_move_at_each(start: Start) {
    let mut service = start(service());
    let kept = KeptLoad::start(service.to().clone(), 8, Manner::default());
    for next in 2..=21 {
        service.restart(next);
        kept.wait_for_all_at(next);
    }
    let (answered, failures) = kept.stop();
    assert_eq!(failures, [""; 0]);
    assert!(answered > 160, "{answered}");
    assert!(service.stop().success());
}

fn clients_that_think_between_their_requests_lose_none_to_twenty_restarts(start: Start) {
    let between = Duration::from_millis(100);
    lose_nothing(start, 20, 8, Manner { between, ..Manner::default() });
}

fn short_connections_lose_nothing_to_twenty_restarts(start: Start) {
    lose_nothing(start, 20, 8, Manner { is_short: true, ..Manner::default() });
}

fn small_bodies_lose_nothing_to_twenty_restarts(start: Start) {
    lose_nothing(start, 20, 8, Manner { body: 16_000, ..Manner::default() });
}

fn large_bodies_lose_nothing_to_restarts(start: Start) {
    lose_nothing(start, 5, 2, Manner { body: 10_000_000, ..Manner::default() });
}

fn slow_requests_are_answered_across_restarts(start: Start) {
    let mut service = start(service());
    for next in 2..=21 {
        let mut slow: Vec<_> = (0..8).map(|_| service.open()).collect();
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

fn connections_that_were_opened_before_a_restart_are_answered_after_it(start: Start) {
    let builder = service().set("LINGER", FOR_EVER).set("TERMINATE_TIMEOUT", FOR_EVER);
    let mut service = start(builder);
    let mut early: Vec<_> = (0..20).map(|_| service.open()).collect();
    let mut kept = service.open();
    assert!(!kept.get("/").is_last);
    service.restart(2);
    let all = 21 + service.wait_until_served_by(2);
    wait_until_shed(kept);
    for mut connection in early.drain(..) {
        let answer = connection.get("/");
        assert!(answer.body.ends_with(" 1\n") && answer.is_last, "{answer:?}");
        connection.closed();
    }
    service.wait_for(&format!("served 1: {all}, 0 cut"));
    let drained = format!("event drained: generation 1 has drained: {all} connections, 0 cut");
    service.wait_for(&drained);
    assert!(service.stop().success());
}

/// Over TLS, their handshake is still to come.
fn connections_that_were_opened_before_a_pause_are_answered_after_it(start: Start) {
    let builder = service().set("PROBATION", FOR_EVER).set("LINGER", FOR_EVER);
    let mut service = start(builder.set("HANDSHAKE_TIMEOUT", FOR_EVER));
    let early: Vec<_> = (0..20).map(|_| service.to().connect().unwrap()).collect();
    let mut kept = service.open();
    assert!(!kept.get("/").is_last);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    wait_until_shed(kept);
    for connection in early {
        let answer = service.to().speak(connection).unwrap().get("/");
        assert!(answer.body.ends_with(" 1\n") && answer.is_last, "{answer:?}");
    }
    assert!(service.stop().success());
}

fn a_slow_request_is_answered_by_the_generation_that_took_it(start: Start) {
    let mut service = start(service());
    let mut slow = service.open();
    assert!(!slow.get("/").is_last);
    // Longer than the restart takes.
    slow.ask("/sleep?15000").unwrap();
    service.restart(2);
    service.wait_until_served_by(2);
    let answer = slow.answer().unwrap();
    assert!(answer.body.ends_with(" 1\n") && answer.is_last, "{answer:?}");
    slow.closed();
    service.wait_for("served 1: ");
    assert!(service.stop().success());
}

fn a_body_goes_on_across_a_restart(start: Start) {
    let mut service = start(service());
    for (generation, length) in [(1, 16_000), (2, 10_000_000)] {
        let mut client = service.open();
        client.post(length).unwrap();
        let body = vec![b'x'; length];
        client.say(&body[..length / 2]).unwrap();
        service.wait_for(&format!("counting {generation}"));
        let mut kept = service.open();
        assert!(!kept.get("/").is_last);
        service.restart(generation + 1);
        wait_until_shed(kept);
        assert!(service.open().get("/").body.ends_with(&format!(" {}\n", generation + 1)));
        client.say(&body[length / 2..]).unwrap();
        let answer = client.answer().unwrap();
        let expected = format!("{length} {generation}\n");
        assert!(answer.body == expected && answer.is_last, "{answer:?}");
        client.closed();
        service.wait_for(&format!("served {generation}: "));
    }
    assert!(service.stop().success());
}

/// A client that does not wait for answers hears which was the last, and no reset.
fn what_is_sent_behind_the_last_request_does_not_undo_its_answer(start: Start) {
    let mut service = start(service().set("LINGER", "10s"));
    let mut client = service.open();
    client.post(2).unwrap();
    client.say(b"x").unwrap();
    let mut kept = service.open();
    assert!(!kept.get("/").is_last);
    service.restart(2);
    wait_until_shed(kept);
    // More than fits in between.
    let in_vain = "GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(300_000);
    client.say(format!("x{in_vain}").as_bytes()).unwrap();
    let answer = client.answer().unwrap();
    assert!(answer.body == "2 1\n" && answer.is_last, "{answer:?}");
    client.closed();
    // The client does not close, and holds it up no longer than others.
    service.wait_for("served 1: 2, 0 cut");
    assert!(service.stop().success());
}

fn a_resumed_generation_keeps_its_connections_alive(start: Start) {
    let builder = service().set("PROBATION", FOR_EVER).set("LINGER", FOR_EVER);
    let mut service = start(builder);
    let (mut shed, mut idle) = (service.open(), service.open());
    assert!(!shed.get("/").is_last && !idle.get("/").is_last);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    wait_until_shed(shed);
    kill(service.pid_of(2), Signal::SIGKILL).unwrap();
    service.wait_for("event resumed: generation 1 ");
    eventually("the resumed generation keeps a connection", || {
        (!service.open().get("/").is_last).then_some(())
    });
    for _ in 0..3 {
        let answer = idle.get("/");
        assert!(answer.body.ends_with(" 1\n") && !answer.is_last, "{answer:?}");
    }
    drop(idle);
    assert!(service.stop().success());
}

fn a_connection_that_says_nothing_is_closed_when_it_has_lingered_and_holds_nothing_up(
    start: Start,
) {
    let builder = service().set("LINGER", "300ms").set("TERMINATE_TIMEOUT", FOR_EVER);
    let mut service = start(builder);
    let mut mute = Kept::on(service.to().connect().unwrap());
    let (mut silent, mut kept) = (service.open(), service.open());
    kept.get("/");
    service.restart(2);
    mute.closed();
    silent.closed();
    kept.closed();
    service.wait_for("served 1: 3, 0 cut");
    assert!(service.stop().success());
}

fn an_upgraded_connection_goes_on_until_the_program_ends_it(start: Start) {
    let mut service = start(service().set("LINGER", "100ms"));
    let mut client = upgraded(&service);
    service.restart(2);
    assert_eq!(client.read(4).unwrap(), "over");
    client.closed();
    service.wait_for("served 1: 1, 0 cut");
    assert!(service.stop().success());
}

fn a_paused_generation_goes_on_with_an_upgraded_connection(start: Start) {
    let mut service = start(service().set("LINGER", "100ms").set("PROBATION", FOR_EVER));
    let (mut client, mut silent) = (upgraded(&service), service.open());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    silent.closed();
    client.say(b"ping").unwrap();
    assert_eq!(client.read(4).unwrap(), "ping");
    drop(client);
    assert!(service.stop().success());
}

/// The program's task hears of a pause a moment after the master knows of it.
fn wait_until_shed(mut kept: Kept) {
    eventually("a connection of the paused generation is shed", || {
        kept.get("/").is_last.then_some(())
    });
    kept.closed();
}

pub(crate) fn upgraded(service: &Tested) -> Kept {
    let mut client = service.open();
    let request = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    client.say(request.as_bytes()).unwrap();
    assert!(client.head().unwrap().starts_with("http/1.1 101"));
    client.say(b"ping").unwrap();
    assert_eq!(client.read(4).unwrap(), "ping");
    client
}

fn what_is_left_at_the_end_of_the_drain_is_cut_and_counted(start: Start) {
    let mut service = start(service().set("STUBBORN", "1").set("TERMINATE_TIMEOUT", "10s"));
    let (mut client, mut slow) = (upgraded(&service), service.open());
    slow.ask("/sleep?3600000").unwrap();
    service.have_all_accepted();
    service.restart(2);
    assert_eq!(client.read(4).unwrap(), "over");
    service.wait_for("served 1: 3, 2 cut");
    service.wait_for("event drained: generation 1 has drained: 3 connections, 2 cut");
    slow.answer().unwrap_err();
    assert!(service.stop().success());
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
}
