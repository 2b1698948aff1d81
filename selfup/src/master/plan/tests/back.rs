//! What goes back because somebody asks for it, and who comes back.

use super::*;

const ALONE: Limits = Limits { overlap: false, ..LIMITS };

fn rolled_back(actions: &[Action]) -> bool {
    let why = actions.iter().find_map(|action| match action {
        Action::Restore(why) => Some(why),
        _ => None,
    });
    why.is_some_and(|why| {
        why.kind() == ErrorKind::Rejected && why.to_string() == "it was rolled back by request"
    })
}

impl Story {
    /// An upgrade up to the start of generation 2.
    fn upgrading(limits: Limits) -> Self {
        let mut story = Self::with(limits);
        story.on(Input::Offered, &["Swap"]);
        if limits.overlap {
            story.on(Input::Swapped(true), &["Start(2)"]);
        } else {
            story.on(Input::Swapped(true), &["Yield(1)", "Drain(1)"]);
            story.exit(1, 0, &["Start(2)"]);
        }
        story
    }
}

#[test]
fn an_upgrade_on_probation_goes_back_at_once_when_somebody_asks() {
    let mut story = Story::upgrading(Limits { probation: Duration::from_secs(3600), ..LIMITS });
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::Paused(generation(1)), &[]);
    let actions = story.plan.on(story.now, Input::RollBack);
    assert_eq!(lines(&actions), ["Resume(1)", "Drain(2)", "Restore"]);
    assert!(rolled_back(&actions), "it is refused, and not tried again: {actions:?}");
    assert!(story.plan.has_given_up(generation(2)) && !story.plan.has_given_up(generation(1)));
    story.on(Input::RollBack, &[]);
    story.on(Input::Restored, &[]);
}

#[test]
fn an_upgrade_that_starts_or_is_handed_over_to_goes_back_when_somebody_asks() {
    let mut story = Story::upgrading(LIMITS);
    story.on(Input::RollBack, &["Kill(2)", "Restore"]);
    let mut story = Story::upgrading(LIMITS);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::RollBack, &["Resume(1)", "Drain(2)", "Restore"]);
}

#[test]
fn an_upgrade_that_is_being_put_in_place_is_never_started_when_somebody_asks() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::RollBack, &[]);
    let actions = story.plan.on(story.now, Input::Swapped(true));
    assert!(lines(&actions) == ["Restore"] && rolled_back(&actions), "{actions:?}");

    let mut story = Story::with(ALONE);
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Yield(1)", "Drain(1)"]);
    story.on(Input::RollBack, &["Restore"]);
    story.on(Input::Restored, &[]);
    story.exit(1, 0, &["Start(2, Return)", "Admit(2)"]);
}

#[test]
fn an_offer_makes_way_for_who_wants_to_go_back_from_what_runs() {
    let mut story = Story::new();
    story.put_on_probation(2);
    story.on(Input::Offered, &[]);
    story.on(Input::RollBack, &["Discard"]);
    story.wait(&["Drain(1)"]);
    story.on(Input::RollBack, &[]);
}

#[test]
fn what_waits_in_place_goes_back_before_the_restart_that_would_try_it() {
    let mut story = Story::new();
    story.once(Input::Restart, &[]);
    story.on(Input::Examined(Finding::Withdrawn), &["Restore"]);
    story.on(Input::Restored, &["Start(2)"]);
}

#[test]
fn who_has_nobody_behind_it_is_not_put_back() {
    let mut story = Story::upgrading(LIMITS);
    story.exit(1, 4, &[]);
    story.on(Input::RollBack, &[]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Keep"]);
}

#[test]
fn who_comes_back_leaves_its_file_a_moment_and_no_more() {
    let mut story = Story::upgrading(ALONE);
    story.exit(2, 1, &["Restore"]);
    let since = story.now;
    story.wait(&["Start(3, Return)", "Admit(3)"]);
    assert_eq!(story.now - since, Duration::from_secs(1));
    // Nothing else begins before the file is back.
    story.on(Input::Restart, &[]);
    story.on(Input::Restored, &["Yield(3)", "Drain(3)"]);

    let mut story = Story::upgrading(ALONE);
    story.exit(2, 1, &["Restore"]);
    story.on(Input::Restored, &["Start(3, Return)", "Admit(3)"]);
}

#[test]
fn who_drained_for_long_has_left_its_file_its_moment() {
    let mut story = Story::upgrading(ALONE);
    story.on(Input::Ready(generation(2)), &["Admit(2)"]);
    story.on(Input::Unfit(generation(2), "ill".into()), &["Drain(2)", "Restore"]);
    story.now += Duration::from_secs(2);
    story.exit(2, 0, &["Start(3, Return)", "Admit(3)"]);
}

#[test]
fn who_can_only_come_back_from_its_path_waits_for_the_file() {
    let mut story = Story::with(ALONE);
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Yield(1)", "Drain(1)"]);
    story.on(Input::NotHeld, &[]);
    story.exit(1, 0, &["Start(2)"]);
    story.exit(2, 1, &["Restore"]);
    story.now += Duration::from_secs(30);
    story.on(Input::Tick, &[]);
    story.on(Input::Restored, &["Start(3, Return)", "Admit(3)"]);
}
