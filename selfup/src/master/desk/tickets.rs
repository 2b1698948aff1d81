//! Who waits for what, until it is known what came of it. Nothing here asks the plan or the upgrade
//! thread for anything: it hears what they say anyway.
//!
//! A restart is asked for until the plan begins one, by looking at the file or by an upgrade that takes
//! its place, and moves from then on; so whoever asks meanwhile is answered by the next. A poll, a
//! rollback and a pause have numbers, by which the thread says which of them it answers.
//!
//! A candidate that was found by a poll has a ticket of its own, with nobody at its end: whoever asks
//! for a poll while it is under way waits for it beside that one.
//!
//! Who is dropped without an answer is told by the socket that nothing was taken up, and to ask again.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::control::{Answer, Ask, Outcome, POSTPONED};
use crate::error::ErrorKind;
use crate::event::{Event, bounded};
use crate::identity::Generation;
use crate::master::plan::{Action, Cause, Phase, View};
use crate::master::upgrades::{Offer, Polled};

/// Everybody who waits, in the order in which they came.
#[derive(Debug)]
pub(super) struct Tickets {
    open: Vec<Ticket>,
    /// Whether there are restarts at all.
    has_restarts: bool,
}

#[derive(Debug)]
struct Ticket {
    what: Ask,
    number: u64,
    stage: Stage,
    /// None for a candidate, which is under way for nobody in particular.
    answer: Option<oneshot::Sender<Answer>>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The upgrade thread has not begun it.
    Wished,
    /// The upgrade thread is at it.
    InHand,
    /// A candidate was found for it, and the plan knows.
    Offered,
    /// What it is about is in place, or about to be, and a restart follows.
    Left,
    /// The plan was asked for a restart, and has not begun it.
    Asked,
    /// It is being looked at, started, or on trial.
    Moving,
    /// It is back in place, and answered once a generation serves.
    Back,
}

/// As many may wait at once. The server lets in fewer.
const MOST: usize = 64;

impl Tickets {
    pub(super) fn new(has_restarts: bool) -> Self {
        Self { open: Vec::new(), has_restarts }
    }

    pub(super) fn has_restarts(&self) -> bool {
        self.has_restarts
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Forgets who has hung up, and says whether there is room for another.
    pub(super) fn has_room(&mut self) -> bool {
        self.open.retain(|it| it.answer.as_ref().is_none_or(|answer| !answer.is_closed()));
        self.open.len() < MOST
    }

    pub(super) fn add(
        &mut self,
        what: Ask,
        stage: Stage,
        number: u64,
        answer: oneshot::Sender<Answer>,
    ) {
        self.open.push(Ticket { what, number, stage, answer: Some(answer) });
    }

    /// How far a request of this kind has come that is under way.
    pub(super) fn under_way(&self, what: Ask) -> Option<(Stage, u64)> {
        self.open.iter().rfind(|it| it.what == what).map(|it| (it.stage, it.number))
    }

    /// How far a candidate has come that a poll has found, if there is one.
    pub(super) fn found(&self) -> Option<Stage> {
        self.open.iter().find(|it| it.answer.is_none()).map(|it| it.stage)
    }

    /// Whether a poll is waited for, which may be over in a moment.
    pub(super) fn is_polling(&self) -> bool {
        let is_poll = |it: &Ticket| matches!(it.stage, Stage::Wished | Stage::InHand);
        self.open.iter().any(|it| it.what == Ask::Check && is_poll(it))
    }

    /// The plan does this. `restart_waits`, if one that was asked for is not begun by it.
    pub(super) fn did(&mut self, action: &Action, restart_waits: bool) {
        match action {
            Action::Examine => self.turn(|it| it.stage == Stage::Asked, Stage::Moving),
            Action::Start(_, Cause::Upgrade) | Action::Yield(_) if !restart_waits => {
                self.turn(|it| it.stage == Stage::Asked, Stage::Moving);
                self.turn(|it| it.stage == Stage::Offered, Stage::Moving);
            }
            Action::Start(_, Cause::Upgrade) => {
                self.turn(|it| it.stage == Stage::Offered, Stage::Moving);
            }
            Action::Commit(generation) => {
                self.end(|it| it.stage == Stage::Moving, || good("committed", Some(*generation)));
            }
            Action::Tell(Event::RestartAbandoned { generation, reason }) => {
                // Nothing was started then.
                let is_refused =
                    reason.kind() == ErrorKind::Rejected && reason.generation().is_none();
                let word = if is_refused { "refused" } else { "abandoned" };
                let generation = (!is_refused).then_some(*generation);
                let bad = || bad(word, generation, reason.chain());
                self.end(|it| it.stage == Stage::Moving, bad);
            }
            Action::Leave => self.leave(),
            Action::Restore(reason) => {
                self.end(|it| it.stage == Stage::Offered, || bad("failed", None, reason.chain()));
            }
            _ => {}
        }
    }

    /// What was found is in place, and not started by itself.
    fn leave(&mut self) {
        let when = if self.has_restarts { "restart" } else { "start of the service" };
        let words = || bad("waits", None, format!("it is in place, and waits for the next {when}"));
        let goes_on = |it: &Ticket, has_restarts| it.what == Ask::RollBack && has_restarts;
        let has_restarts = self.has_restarts;
        self.end(|it| it.stage == Stage::Offered && !goes_on(it, has_restarts), words);
        // The thread asks for that restart itself.
        self.turn(|it| it.stage == Stage::Offered, Stage::Left);
    }

    /// The plan has done all that it does for now. Whom the service belongs to `is_up`, if it can serve.
    pub(super) fn settle(&mut self, view: &View, is_up: bool) {
        if view.phase == Phase::Stopping {
            return self.end(|_| true, || bad("stopping", None, "the service ends".into()));
        }
        if is_up {
            self.end(|it| it.stage == Stage::Back, || good("committed", view.serving));
        }
        if view.phase == Phase::Serving && view.restart_waits {
            // The file was being changed while it was looked at.
            self.turn(|it| it.stage == Stage::Moving, Stage::Asked);
        } else if view.phase == Phase::Serving {
            let words = || bad("failed", None, "it came to nothing; ask again".into());
            self.end(|it| it.stage == Stage::Moving, words);
        }
    }

    /// The upgrade thread asks for a restart.
    pub(super) fn restarted(&mut self) {
        if self.has_restarts {
            return self.turn(|it| it.stage == Stage::Left, Stage::Asked);
        }
        let words = "it is in place, and waits for the next start of the service";
        self.end(|it| it.stage == Stage::Left, || bad("waits", None, words.into()));
    }

    /// The thread polls for everybody who has asked so far.
    pub(super) fn polling(&mut self, number: u64) {
        let is_it = |it: &Ticket| it.what == Ask::Check && it.stage == Stage::Wished;
        self.turn(|it| is_it(it) && it.number <= number, Stage::InHand);
    }

    pub(super) fn polled(&mut self, polled: &Polled, serving: Generation) {
        let outcome = || match polled {
            Polled::Unchanged => good("unchanged", Some(serving)),
            Polled::Refused(reason) => bad("refused", None, reason.clone()),
            Polled::Failed(reason) => bad("failed", None, reason.clone()),
            Polled::Off(reason) => bad("disabled", None, reason.clone()),
        };
        let is_under_way = |it: &Ticket| matches!(it.stage, Stage::InHand | Stage::Offered);
        self.end(|it| it.what == Ask::Check && is_under_way(it), outcome);
    }

    pub(super) fn offered(&mut self, offer: Offer) {
        match offer {
            Offer::Polled => {
                // Who asked while it was found waits for it, too.
                let is_it = |it: &Ticket| matches!(it.stage, Stage::Wished | Stage::InHand);
                self.turn(|it| it.what == Ask::Check && is_it(it), Stage::Offered);
                let (what, stage) = (Ask::Check, Stage::Offered);
                self.open.push(Ticket { what, number: 0, stage, answer: None });
            }
            Offer::RolledBack(number) => {
                let is_it = |it: &Ticket| it.what == Ask::RollBack && it.number <= number;
                self.turn(|it| is_it(it) && it.stage == Stage::Wished, Stage::Offered);
            }
        }
    }

    /// What came of the rollbacks that were asked for so far, as the thread sees it.
    pub(super) fn answered(&mut self, number: u64, came: &Result<(), String>) {
        let is_it = |it: &Ticket| it.what == Ask::RollBack && it.number <= number;
        match came {
            // It was back before anything had to be started for it.
            Ok(()) => self.turn(|it| is_it(it) && it.stage == Stage::Wished, Stage::Back),
            Err(reason) => self.end(
                |it| is_it(it) && !matches!(it.stage, Stage::Asked | Stage::Moving),
                || bad("failed", None, reason.clone()),
            ),
        }
    }

    /// The poll is made only after that.
    pub(super) fn rests(&mut self, rests: Duration) {
        let is_it = |it: &Ticket| matches!(it.stage, Stage::Wished | Stage::InHand);
        self.end(|it| it.what == Ask::Check && is_it(it), || rested(rests));
    }

    /// There are no polls any more, as was asked so far.
    pub(super) fn resting(&mut self, number: u64) {
        let is_it = |it: &Ticket| it.what == Ask::PauseUpgrades && it.number <= number;
        self.end(is_it, || good("paused", None));
    }

    /// There are polls again.
    pub(super) fn resumed(&mut self) {
        let words = || bad("failed", None, "upgrades were resumed meanwhile".into());
        self.end(|it| it.what == Ask::PauseUpgrades, words);
    }

    /// The master, of which `serving` is the child, becomes other code: who waits is told what is to
    /// be made of that.
    pub(super) fn succeed(&mut self, serving: Generation) {
        // It is asked to pause by what it leaves.
        self.end(|it| it.what == Ask::PauseUpgrades, || good("paused", None));
        let later = "the master is being replaced by what was committed, and does it then; the \
                     events tell what comes of it, of a later generation";
        let goes_on = |it: &Ticket| it.what != Ask::Check;
        self.end(goes_on, || bad(POSTPONED, Some(serving), later.into()));
        // A poll is not left to anybody.
        self.open.clear();
    }

    fn turn(&mut self, which: impl Fn(&Ticket) -> bool, stage: Stage) {
        self.open.iter_mut().filter(|it| which(it)).for_each(|it| it.stage = stage);
    }

    fn end(&mut self, which: impl Fn(&Ticket) -> bool, outcome: impl Fn() -> Outcome) {
        for ticket in self.open.extract_if(.., |it| which(it)) {
            if let Some(answer) = ticket.answer {
                // Who asked may have hung up.
                let _ = answer.send(Answer::Done(outcome()));
            }
        }
    }
}

pub(super) fn good(word: &'static str, generation: Option<Generation>) -> Outcome {
    let generation = generation.map(Generation::get);
    Outcome { word, is_good: true, generation, reason: None }
}

pub(super) fn bad(word: &'static str, generation: Option<Generation>, reason: String) -> Outcome {
    let generation = generation.map(Generation::get);
    Outcome { word, is_good: false, generation, reason: Some(bounded(reason)) }
}

/// Of a poll that has to wait so long.
pub(super) fn rested(rests: Duration) -> Outcome {
    let rests = humantime::format_duration(Duration::from_secs(rests.as_secs()));
    let words = format!(
        "the source is polled in {rests}: so `min_fetch_interval` says, or the source itself"
    );
    bad("waits", None, words)
}

#[cfg(test)]
mod tests;
