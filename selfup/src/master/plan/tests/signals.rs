//! Signals that reach the plan, and the stop among them.

use super::*;

#[test]
fn a_stop_reaches_every_generation_and_the_committed_one_gives_the_status() {
    let mut story = Story::new();
    story.put_on_probation(2);
    story.signal(libc::SIGTERM, &["LetGo", "Forward(1, 15)", "Forward(2, 15)"]);
    story.signal(libc::SIGTERM, &["Forward(1, 15)", "Forward(2, 15)"]);
    story.on(Input::Restart, &[]);
    story.on(Input::Offered, &["Discard"]);
    story.exit(2, 7, &[]);
    story.on(Input::Exited(generation(1), Status::Signaled(15)), &["End(signal SIGTERM)"]);
}

#[test]
fn a_signal_of_the_terminal_is_not_delivered_twice() {
    let mut story = Story::new();
    story.on(Input::Signal { number: libc::SIGWINCH, by_kernel: true }, &[]);
    story.signal(libc::SIGWINCH, &["Forward(1, 28)"]);
    story.on(Input::Signal { number: libc::SIGTSTP, by_kernel: true }, &["Suspend"]);
    story.on(Input::Signal { number: libc::SIGINT, by_kernel: true }, &["LetGo"]);
    story.exit(1, 0, &["End(exit status 0)"]);
}

#[test]
fn signals_reach_the_generation_that_serves() {
    let mut story = Story::new();
    story.signal(libc::SIGHUP, &["Forward(1, 1)"]);
    story.put_on_probation(2);
    story.signal(libc::SIGHUP, &["Forward(2, 1)"]);
}

#[test]
fn without_restarts_the_signal_is_an_ordinary_one() {
    let mut story = Story::with(Limits { restart_signal: None, ..LIMITS });
    story.signal(libc::SIGUSR2, &["Forward(1, 12)"]);
    story.on(Input::Restart, &[]);
}
