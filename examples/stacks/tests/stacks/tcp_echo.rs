use crate::example::Example;
use crate::lines;

fn start(probation: &str) -> Example {
    Example::start(env!("CARGO_BIN_EXE_tcp_echo"), probation)
}

#[test]
fn clients_that_connect_anew_lose_nothing() {
    let example = start("0s");
    lines::assert_nothing_is_lost(&example);
    example.stop();
}

#[test]
fn a_conversation_goes_on_in_its_generation_until_it_falls_silent() {
    let example = start("0s");
    lines::assert_goes_on_until_it_falls_silent(&example);
    example.stop();
}

#[test]
fn a_paused_generation_accepts_nothing_and_can_be_resumed() {
    let example = start("1h");
    lines::assert_pauses_and_resumes(&example);
    example.stop();
}
