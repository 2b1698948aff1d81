use selfup_tests::eventually;

use crate::example::Example;
use crate::http;

fn start(probation: &str) -> Example {
    Example::start(env!("CARGO_BIN_EXE_actix"), probation)
}

#[test]
fn clients_that_connect_anew_lose_nothing() {
    let example = start("2s");
    http::assert_nothing_is_lost_to(&example, 3);
    example.stop();
}

#[test]
fn a_request_that_is_begun_is_finished() {
    let example = start("0s");
    http::assert_what_is_begun_is_finished(&example);
    example.stop();
}

#[test]
fn a_connection_that_has_said_nothing_is_closed_at_the_drain() {
    let example = start("0s");
    http::assert_silence_is_closed(&example);
    example.stop();
}

#[test]
fn a_paused_generation_accepts_nothing_and_can_be_resumed() {
    let example = start("1h");
    example.begin_restart(2);
    // selfup says that it is paused before actix has heard of it.
    eventually("nobody meets the paused generation", || {
        (0..20).all(|_| http::post(example.address()).unwrap() == "2: ping").then_some(())
    });
    example.fail(2);
    assert_eq!(http::post(example.address()).unwrap(), "1: ping");
    example.stop();
}

#[test]
fn an_unpausable_generation_accepts_beside_the_next_one_for_the_whole_probation() {
    let path = env!("CARGO_BIN_EXE_actix");
    let example = Example::start_with(path, &[("PROBATION", "1h"), ("UNPAUSABLE", "")]);
    example.begin_restart(2);
    // Nobody else can take what comes.
    example.freeze(2);
    assert_eq!(http::post(example.address()).unwrap(), "1: ping");
    example.fail(2);
    assert_eq!(http::post(example.address()).unwrap(), "1: ping");
    example.stop();
}
