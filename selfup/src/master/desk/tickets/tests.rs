use std::sync::Arc;

use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::error::Error;

fn view(phase: Phase, restart_waits: bool) -> View {
    View {
        phase,
        serving: Some(Generation::FIRST),
        candidate: None,
        acting: None,
        until: None,
        restart_waits,
        restarts_asked: 0,
        draining: Vec::new(),
    }
}

fn generation(number: u64) -> Generation {
    Generation::new(number)
}

/// Somebody waits.
fn add(tickets: &mut Tickets, what: Ask, stage: Stage) -> oneshot::Receiver<Answer> {
    let (answer, answered) = oneshot::channel();
    tickets.add(what, stage, 1, answer);
    answered
}

/// What he is told by now: the word and the reason, or nothing.
fn told(answered: &mut oneshot::Receiver<Answer>) -> Option<(&'static str, String)> {
    match answered.try_recv().ok()? {
        Answer::Done(outcome) => Some((outcome.word, outcome.reason.unwrap_or_default())),
        Answer::Status(_) => panic!("nobody asked for it"),
    }
}

fn word(answered: &mut oneshot::Receiver<Answer>) -> &'static str {
    told(answered).map_or("", |(word, _)| word)
}

fn abandoned(kind: ErrorKind) -> Action {
    let reason = Arc::new(Error::new(kind, "why"));
    Action::Tell(Event::RestartAbandoned { generation: generation(2), reason })
}

#[test]
fn a_restart_that_is_asked_for_while_one_moves_is_the_next() {
    let mut tickets = Tickets::new(true);
    let mut first = add(&mut tickets, Ask::Restart, Stage::Asked);
    tickets.did(&Action::Examine, false);
    tickets.did(&Action::Start(generation(2), Cause::Restart), false);
    let mut second = add(&mut tickets, Ask::Restart, Stage::Asked);
    // The commit of the first begins the second at once.
    for action in [Action::Commit(generation(2)), Action::Examine] {
        tickets.did(&action, false);
    }
    tickets.settle(&view(Phase::Examining, false), true);
    assert_eq!((word(&mut first), word(&mut second)), ("committed", ""));
    tickets.did(&abandoned(ErrorKind::Rejected), false);
    assert_eq!(told(&mut second), Some(("refused", "why".into())));
}

#[test]
fn an_upgrade_takes_the_place_of_a_restart_that_waits_and_not_of_a_later_one() {
    let mut tickets = Tickets::new(true);
    let mut check = add(&mut tickets, Ask::Check, Stage::Wished);
    tickets.polling(1);
    tickets.offered(Offer::Polled);
    tickets.did(&Action::Swap, false);
    let mut restart = add(&mut tickets, Ask::Restart, Stage::Asked);
    tickets.did(&Action::Start(generation(2), Cause::Upgrade), false);
    let mut later = add(&mut tickets, Ask::Restart, Stage::Asked);
    tickets.settle(&view(Phase::Starting, true), true);
    tickets.did(&abandoned(ErrorKind::NotReady), true);
    assert_eq!((word(&mut check), word(&mut restart)), ("abandoned", "abandoned"));
    assert_eq!(word(&mut later), "");
}

#[test]
fn a_look_that_came_to_nothing_is_taken_again() {
    let mut tickets = Tickets::new(true);
    let mut restart = add(&mut tickets, Ask::Restart, Stage::Asked);
    tickets.did(&Action::Examine, false);
    tickets.settle(&view(Phase::Serving, true), true);
    tickets.did(&abandoned(ErrorKind::NotReady), true);
    assert_eq!(word(&mut restart), "", "that was another's");
    tickets.did(&Action::Examine, false);
    tickets.did(&Action::Commit(generation(3)), false);
    assert_eq!(word(&mut restart), "committed");
}

#[test]
fn a_poll_answers_who_asked_before_it_began() {
    let mut tickets = Tickets::new(true);
    let mut early = add(&mut tickets, Ask::Check, Stage::Wished);
    tickets.polling(1);
    let (answer, mut late) = oneshot::channel();
    tickets.add(Ask::Check, Stage::Wished, 2, answer);
    tickets.polled(&Polled::Unchanged, generation(1));
    assert_eq!((word(&mut early), word(&mut late)), ("unchanged", ""));
    tickets.polling(2);
    tickets.polled(&Polled::Off("noexec".into()), generation(1));
    assert_eq!(told(&mut late), Some(("disabled", "noexec".into())));
}

#[test]
fn a_poll_that_nobody_has_begun_holds_a_succession_up_as_well() {
    let mut tickets = Tickets::new(true);
    let _check = add(&mut tickets, Ask::Check, Stage::Wished);
    assert!(tickets.is_polling());
    tickets.polling(1);
    assert!(tickets.is_polling());
    tickets.offered(Offer::Polled);
    assert!(!tickets.is_polling(), "that is the plan's");
}

#[test]
fn a_poll_that_is_asked_for_during_an_upgrade_waits_for_that() {
    let mut tickets = Tickets::new(true);
    let mut meanwhile = add(&mut tickets, Ask::Check, Stage::Wished);
    assert_eq!(tickets.found(), None);
    // By the thread itself.
    tickets.offered(Offer::Polled);
    let stage = tickets.found().unwrap();
    let mut before = add(&mut tickets, Ask::Check, stage);
    tickets.did(&Action::Swap, false);
    tickets.did(&Action::Start(generation(2), Cause::Upgrade), false);
    assert!(tickets.has_room());
    let stage = tickets.found().unwrap();
    let mut behind = add(&mut tickets, Ask::Check, stage);
    tickets.did(&Action::Commit(generation(2)), false);
    let words = [word(&mut meanwhile), word(&mut before), word(&mut behind)];
    assert_eq!(words, ["committed"; 3]);
    assert!(tickets.found().is_none() && tickets.is_empty());
}

#[test]
fn a_rollback_that_is_left_in_place_follows_the_restart_that_the_thread_asks_for() {
    let mut tickets = Tickets::new(true);
    let mut rollback = add(&mut tickets, Ask::RollBack, Stage::Wished);
    let mut check = add(&mut tickets, Ask::Check, Stage::Offered);
    tickets.offered(Offer::RolledBack(1));
    tickets.did(&Action::Leave, false);
    assert!(told(&mut check).is_some_and(|(word, why)| word == "waits" && why.contains("restart")));
    tickets.answered(1, &Ok(()));
    tickets.restarted();
    for action in [Action::Examine, Action::Start(generation(2), Cause::Upgrade)] {
        tickets.did(&action, false);
    }
    assert_eq!(word(&mut rollback), "");
    tickets.did(&Action::Commit(generation(2)), false);
    assert_eq!(word(&mut rollback), "committed");
}

#[test]
fn without_restarts_what_is_in_place_waits_for_the_next_start() {
    let mut tickets = Tickets::new(false);
    let mut rollback = add(&mut tickets, Ask::RollBack, Stage::Offered);
    tickets.did(&Action::Leave, false);
    let (word, reason) = told(&mut rollback).unwrap();
    assert!(word == "waits" && reason.contains("start of the service"), "{word}: {reason}");
}

#[test]
fn nobody_waits_for_a_rollback_that_cannot_be_or_for_a_swap_that_was_given_up() {
    let mut tickets = Tickets::new(true);
    let mut rollback = add(&mut tickets, Ask::RollBack, Stage::Wished);
    let mut check = add(&mut tickets, Ask::Check, Stage::Offered);
    tickets.answered(0, &Err("too early".into()));
    assert_eq!(word(&mut rollback), "", "that was an earlier one");
    tickets.answered(1, &Err("there is none".into()));
    assert_eq!(told(&mut rollback), Some(("failed", "there is none".into())));
    tickets.did(&Action::Restore(Error::new(ErrorKind::Swap, "slow")), false);
    assert_eq!(told(&mut check), Some(("failed", "slow".into())));
}

#[test]
fn a_rollback_of_what_is_on_trial_is_answered_once_a_generation_serves_again() {
    let mut tickets = Tickets::new(true);
    let mut check = add(&mut tickets, Ask::Check, Stage::Moving);
    let mut rollback = add(&mut tickets, Ask::RollBack, Stage::Wished);
    let reason = Error::new(ErrorKind::Rejected, "why").in_generation(generation(2));
    let generation = generation(2);
    let reason = Arc::new(reason);
    tickets.did(&Action::Tell(Event::RestartAbandoned { generation, reason }), false);
    assert_eq!((word(&mut check), word(&mut rollback)), ("abandoned", ""), "it was started");
    tickets.answered(1, &Ok(()));
    tickets.settle(&view(Phase::Serving, false), false);
    assert_eq!(word(&mut rollback), "");
    tickets.settle(&view(Phase::Serving, false), true);
    assert_eq!(word(&mut rollback), "committed");
}

#[test]
fn the_end_and_a_succession_answer_everybody() {
    for is_end in [true, false] {
        let mut tickets = Tickets::new(true);
        let asks = [Ask::Restart, Ask::Check, Ask::RollBack, Ask::PauseUpgrades];
        let stages = [Stage::Asked, Stage::InHand, Stage::Left, Stage::Wished];
        let mut all: Vec<_> = asks
            .into_iter()
            .zip(stages)
            .map(|(ask, stage)| add(&mut tickets, ask, stage))
            .collect();
        if is_end {
            tickets.settle(&view(Phase::Stopping, false), true);
        } else {
            tickets.succeed(generation(7));
        }
        let words: Vec<_> = all.iter_mut().map(word).collect();
        let expected =
            if is_end { ["stopping"; 4] } else { ["postponed", "", "postponed", "paused"] };
        assert_eq!(words, expected);
        assert!(tickets.is_empty());
        // Who was dropped has nobody to wait for any more.
        assert!(all.iter_mut().all(|it| matches!(it.try_recv(), Err(TryRecvError::Closed))));
    }
}

#[test]
fn who_hangs_up_makes_room_and_no_more_than_so_many_wait() {
    let mut tickets = Tickets::new(true);
    let mut waiting: Vec<_> =
        (0..MOST).map(|_| add(&mut tickets, Ask::Restart, Stage::Asked)).collect();
    assert!(!tickets.has_room());
    drop(waiting.pop());
    assert!(tickets.has_room());
}
