//! What an operator has done.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::tickets::{Stage, bad, good, rested};
use crate::control::{Answer, Ask, Asked, Outcome};
use crate::master::Master;
use crate::master::acts::RollBack;
use crate::master::plan::{Input, Phase};
use crate::master::upgrades::SOON;

/// What is made of a request at once.
enum Taken {
    Done(Outcome),
    /// Nothing is made of it: it is to be asked again.
    Not,
    /// The upgrade thread is at it, or about to be.
    Waits(Stage, u64),
    /// The plan is asked for a restart.
    Restart,
    /// The upgrade thread knows, and the plan may have a part in it.
    RollBack(Stage, RollBack),
}

impl Master {
    /// Does what an operator asks for, or sees to it.
    pub(in crate::master) fn asked(&mut self, asked: Asked) -> Option<Input> {
        let Asked { what, answer } = asked;
        if !self.desk.tickets.has_room() {
            finish(answer, bad("failed", None, "too many requests wait; ask again".into()));
            return None;
        }
        if what == Ask::Status {
            self.ask_for_status(answer);
            return None;
        }
        match self.take_up(what) {
            Taken::Done(outcome) => finish(answer, outcome),
            // Which the socket makes a 503 of.
            Taken::Not => drop(answer),
            Taken::Waits(stage, number) => self.desk.tickets.add(what, stage, number, answer),
            Taken::Restart => {
                self.desk.tickets.add(what, Stage::Asked, 0, answer);
                return Some(Input::Restart);
            }
            Taken::RollBack(stage, RollBack { number, input, .. }) => {
                self.desk.tickets.add(what, stage, number, answer);
                return input;
            }
        }
        None
    }

    fn take_up(&mut self, what: Ask) -> Taken {
        let is_replaced = self.plan.succession().is_some();
        match what {
            _ if self.plan.view().phase == Phase::Stopping => {
                Taken::Done(bad("stopping", None, "the service ends".into()))
            }
            Ask::PauseUpgrades => {
                let number = self.upgrader.set_paused(true);
                number.map_or_else(nobody, |number| Taken::Waits(Stage::Wished, number))
            }
            Ask::ResumeUpgrades => {
                let number = self.upgrader.set_paused(false);
                self.desk.tickets.resumed();
                number.map_or_else(nobody, |_| Taken::Done(good("resumed", None)))
            }
            // The master that follows knows nothing of what is asked from here on.
            _ if is_replaced => Taken::Not,
            Ask::Check => self.take_up_check(),
            Ask::RollBack => self.take_up_rollback(),
            Ask::Restart | Ask::Status if !self.desk.tickets.has_restarts() => {
                Taken::Done(bad("disabled", None, "`no_restart` is set".into()))
            }
            Ask::Restart | Ask::Status => Taken::Restart,
        }
    }

    fn take_up_check(&mut self) -> Taken {
        if let Some(stage) = self.desk.tickets.found() {
            return Taken::Waits(stage, 0);
        }
        let Some(number) = self.upgrader.ask() else { return nobody() };
        let soonest = self.upgrader.notice().and_then(|notice| notice.soonest);
        let rests =
            soonest.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        if rests < SOON {
            return Taken::Waits(Stage::Wished, number);
        }
        Taken::Done(rested(rests))
    }

    fn take_up_rollback(&mut self) -> Taken {
        if let Some((stage, number)) = self.desk.tickets.under_way(Ask::RollBack) {
            return Taken::Waits(stage, number);
        }
        let Some(begun) = self.begin_roll_back() else { return nobody() };
        Taken::RollBack(if begun.of_first { Stage::Left } else { Stage::Wished }, begun)
    }
}

fn nobody() -> Taken {
    let words = "there are no upgrades: no fetcher is configured, or they could not be begun";
    Taken::Done(bad("disabled", None, words.into()))
}

fn finish(answer: oneshot::Sender<Answer>, outcome: Outcome) {
    // Who asked may have hung up.
    let _ = answer.send(Answer::Done(outcome));
}
