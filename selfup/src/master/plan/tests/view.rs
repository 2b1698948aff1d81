//! What others see.

use super::*;

#[test]
fn every_turn_of_a_restart_is_seen() {
    let mut story = Story::new();
    let first = story.plan.view();
    assert_eq!((first.phase, first.acting), (Phase::Serving, Some(generation(1))));
    story.on(Input::Restart, &["Start(2)"]);
    let starting = story.plan.view();
    assert_eq!((starting.phase, starting.candidate), (Phase::Starting, Some(generation(2))));
    assert_eq!((starting.acting, starting.restarts_asked), (Some(generation(1)), 1));
    assert_eq!(starting.until, Some(story.now + LIMITS.ready));
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    assert_eq!(story.plan.view().phase, Phase::Handover);
    assert_eq!(story.plan.view().acting, Some(generation(2)));
    story.on(Input::Paused(generation(1)), &[]);
    assert_eq!(story.plan.view().phase, Phase::Probation);
    story.now += LIMITS.probation;
    story.on(Input::Tick, &["Drain(1)"]);
    let last = story.plan.view();
    assert_eq!(
        (last.phase, last.serving, last.candidate),
        (Phase::Serving, Some(generation(2)), None)
    );
    assert_eq!(last.draining[0].generation, generation(1));
}

#[test]
fn a_restart_that_comes_to_nothing_at_once_is_seen_all_the_same() {
    let mut story = Story::new();
    let before = story.plan.view();
    story.once(Input::Restart, &[]);
    story.once(Input::Examined(Finding::Refused("it is another program".into())), &[]);
    let after = story.plan.view();
    assert_eq!(after.restarts_asked, before.restarts_asked + 1);
    assert_eq!(after.phase, before.phase);
}

#[test]
fn a_restart_that_waits_is_seen() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.on(Input::Restart, &[]);
    assert!(story.plan.view().restart_waits);
}
