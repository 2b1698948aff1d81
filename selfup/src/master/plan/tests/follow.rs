//! What follows what: deploys by hand, ill health, programs that must not run twice, successions.

use super::*;

#[test]
fn a_file_that_was_put_there_by_hand_is_looked_at_before_it_is_started() {
    let mut story = Story::new();
    story.once(Input::Restart, &[]);
    story.once(Input::Restart, &[]);
    let refused = Finding::Refused("a text file".into());
    story.once(Input::Examined(refused), &[]);
    story.once(Input::Examined(Finding::Changed), &["Start(2, Deploy)"]);
    assert_eq!(story.plan.waiting, Waiting::default());
}

#[test]
fn a_look_at_the_file_that_never_ends_holds_the_next_restart_up_for_a_while_only() {
    let mut story = Story::new();
    story.once(Input::Restart, &[]);
    story.once(Input::Restart, &[]);
    story.wait(&["Start(2)"]);
}

#[test]
fn a_generation_that_is_not_well_on_probation_gives_the_service_back_and_drains() {
    let mut story = Story::new();
    story.put_on_probation(2);
    story.on(Input::Unfit(generation(2), "no database".into()), &["Resume(1)", "Drain(2)"]);
    story.wait(&["Kill(2)"]);
}

#[test]
fn a_generation_that_is_not_well_before_it_accepts_is_killed() {
    let mut story = Story::new();
    story.on(Input::Restart, &["Start(2)"]);
    story.on(Input::Unfit(generation(2), "no database".into()), &["Kill(2)"]);
    story.on(Input::Unfit(generation(1), "no database".into()), &[]);
}

#[test]
fn a_program_that_ends_as_it_was_told_is_no_failed_trial() {
    let mut story = Story::new();
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.signal(libc::SIGHUP, &["Forward(2, 1)"]);
    let ended = Input::Exited(generation(2), Status::Signaled(libc::SIGHUP));
    story.on(ended, &["Leave", "Drain(1)", "LetGo"]);
    story.exit(1, 0, &["End(signal SIGHUP)"]);
}

#[test]
fn without_overlap_the_old_one_is_gone_before_the_new_one_starts() {
    let mut story = Story::with(Limits { overlap: false, ..LIMITS });
    story.on(Input::Restart, &["Yield(1)", "Drain(1)"]);
    story.exit(1, 0, &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)"]);
    story.wait(&[]);
    story.exit(2, 3, &["End(exit status 3)"]);
}

#[test]
fn without_overlap_a_failed_upgrade_is_answered_by_the_previous_binary() {
    let mut story = Story::with(Limits { overlap: false, ..LIMITS });
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Yield(1)", "Drain(1)"]);
    story.exit(1, 0, &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)"]);
    story.on(Input::Unfit(generation(2), "no database".into()), &["Drain(2)", "Restore"]);
    story.on(Input::Restored, &[]);
    story.exit(2, 0, &["Start(3, Return)", "Admit(3)"]);
    story.exit(3, 8, &["End(exit status 8)"]);
}

#[test]
fn without_overlap_a_stop_between_two_generations_ends_the_service() {
    let mut story = Story::with(Limits { overlap: false, ..LIMITS });
    story.on(Input::Restart, &["Yield(1)", "Drain(1)"]);
    story.signal(libc::SIGTERM, &["LetGo", "Forward(1, 15)"]);
    story.exit(1, 0, &["End(exit status 0)"]);
    let mut story = Story::with(Limits { overlap: false, ..LIMITS });
    story.on(Input::Restart, &["Yield(1)", "Drain(1)"]);
    story.exit(1, 0, &["Start(2)"]);
    story.exit(2, 1, &["Start(3, Return)", "Admit(3)"]);
    story.signal(libc::SIGTERM, &["LetGo", "Forward(3, 15)"]);
}

#[test]
fn the_master_follows_a_committed_upgrade_before_anything_else_begins() {
    let mut story = Story::with(Limits { follows: true, ..LIMITS });
    story.on(Input::Offered, &["Swap"]);
    story.on(Input::Swapped(true), &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.once(Input::Paused(generation(1)), &[]);
    story.now = story.plan.deadline().unwrap();
    story.once(Input::Tick, &["Keep", "Drain(1)"]);
    story.once(Input::Restart, &[]);
    assert_eq!(story.plan.succession(), None, "the file is not settled yet");
    story.once(Input::Kept, &[]);
    let standing = story.plan.succession().unwrap();
    assert_eq!((standing.serving, standing.restart_waits), (generation(2), true));
    let mut next = Story { plan: Plan::resume(LIMITS, &standing), now: story.now };
    next.once(Input::Exited(generation(1), Status::Exited(0)), &[]);
    next.once(Input::Examined(Finding::Same), &["Start(3)"]);
    story.on(Input::NotSucceeded("no memory".into()), &["Start(3)"]);
}

#[test]
fn a_plain_restart_is_followed_by_no_succession() {
    let mut story = Story::with(Limits { follows: true, probation: Duration::ZERO, ..LIMITS });
    story.on(Input::Restart, &["Start(2)"]);
    story.on(Input::Ready(generation(2)), &["Admit(2)", "Pause(1)"]);
    story.on(Input::Paused(generation(1)), &["Drain(1)"]);
    assert_eq!(story.plan.succession(), None);
}
