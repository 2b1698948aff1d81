use crate::example::Example;
use crate::http;

fn start(probation: &str) -> Example {
    Example::start(env!("CARGO_BIN_EXE_axum_serve"), probation)
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
    http::assert_pauses_and_resumes(&example);
    example.stop();
}
