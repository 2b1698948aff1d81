//! What the plan decided, done; and the trial of a first generation, which is no part of the plan.

use std::time::Instant;

use super::plan::{Action, Cause, Finding, Input};
use super::upgrades::Order;
use super::{Ending, Master};
use crate::channel::message::FromMaster;
use crate::error::{Error, ErrorKind};
use crate::identity::Generation;
use crate::sys::signal;
use crate::upgrade;

impl Master {
    pub(super) fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Examine => return self.examine(),
            Action::Start(generation, cause) => return self.start(generation, cause),
            Action::Admit(generation) => self.children.tell(generation, &FromMaster::Admit),
            Action::Pause(generation) => self.children.tell(generation, &FromMaster::Pause),
            Action::Resume(generation) => self.children.tell(generation, &FromMaster::Resume),
            Action::Yield(generation) => {
                let is_held = self.children.remember_binary(generation);
                return (!is_held).then_some(Input::NotHeld);
            }
            Action::Commit(generation) => self.children.commit(generation),
            Action::Drain(generation) => self.children.tell(generation, &FromMaster::Drain),
            Action::Kill(generation) => self.children.signal(generation, libc::SIGKILL, None),
            Action::Forward { to, signal } => {
                self.children.signal(to, signal, self.signals.queued(signal));
            }
            Action::Swap => self.upgrader.order(Order::Swap),
            Action::Discard => self.upgrader.order(Order::Discard),
            Action::Keep => {
                self.proof = None;
                self.children.end_waiting();
                self.upgrader.order(Order::Keep);
            }
            Action::Leave => {
                self.proof = None;
                self.upgrader.order(Order::Leave);
            }
            Action::Restore(reason) => {
                self.proof = None;
                self.children.end_waiting();
                self.upgrader.order(Order::Restore(reason));
            }
            Action::LetGo => self.children.let_go(),
            Action::Suspend => signal::stop_this_process(),
            Action::Tell(event) => {
                self.managed.hear(&event);
                self.observer.tell(&event);
            }
            Action::End(status) => self.outcome = Some(Ending::With(status)),
        }
        None
    }

    fn examine(&mut self) -> Option<Input> {
        let Some(serving) = self.children.executing(self.serving()) else {
            let text = "nothing serves that it could be compared with".into();
            return Some(Input::Examined(Finding::Refused(text)));
        };
        self.examiner.examine(self.children.origin(), serving, self.rehearsal.get());
        None
    }

    fn start(&mut self, generation: Generation, cause: Cause) -> Option<Input> {
        let started = self.children.start(generation, cause);
        started.err().map(|error| self.not_started(generation, error))
    }

    /// What has become of the first generation's trial.
    pub(super) fn prove(&mut self, input: &Input) {
        let now = Instant::now();
        let Some(proof) = &mut self.proof else { return };
        let decided = match *input {
            Input::Signal { number, .. } if proof.is_stop(number) => Some(Order::Leave),
            Input::Ready(Generation::FIRST) => {
                proof.ready(now);
                None
            }
            // What has happened counts before a deadline that has passed.
            Input::Tick => proof.decide(now),
            _ => None,
        };
        if let Some(order) = decided {
            self.proof = None;
            self.upgrader.order(order);
        }
    }

    /// The service ends with its trial unfinished.
    pub(super) fn end_proof(&mut self) {
        if let (Some(proof), Some(Ending::With(end))) = (self.proof.take(), &self.outcome)
            && proof.was_told(*end)
        {
            self.upgrader.order(Order::Leave);
        }
    }

    /// The program asks for the previous binary.
    pub(super) fn roll_back(&mut self) -> Option<Input> {
        let begun = self.begin_roll_back();
        if begun.is_none() {
            let words = "there are no upgrades to be rolled back: no fetcher is configured";
            self.observer.warn(Error::new(ErrorKind::Rollback, words));
        }
        begun.and_then(|RollBack { input, .. }| input)
    }

    /// Has the previous binary put back, if there is anybody to do it. The upgrade thread hears of it
    /// whatever the plan makes of it: what is on trial no more by then is gone back from, too.
    pub(super) fn begin_roll_back(&mut self) -> Option<RollBack> {
        if self.proof.is_some() {
            let number = self.upgrader.count_roll_back();
            // A restart may try once more what is on trial already.
            let input = self.plan.tries_upgrade().then_some(Input::RollBack);
            if input.is_none() {
                self.proof = None;
                self.upgrader.order(Order::Restore(upgrade::by_request()));
            }
            return Some(RollBack { of_first: true, number, input });
        }
        let number = self.upgrader.roll_back()?;
        self.rollback_waits = true;
        // To go back from the way back would be to stay.
        let input = (!self.upgrader.is_going_back()).then_some(Input::RollBack);
        Some(RollBack { of_first: false, number, input })
    }

    /// What waits in place is not tried any more once somebody has asked for what was there before.
    pub(super) fn withdraw(&self, finding: Finding) -> Finding {
        match finding {
            Finding::Waiting if self.rollback_waits && !self.upgrader.is_going_back() => {
                Finding::Withdrawn
            }
            finding => finding,
        }
    }
}

/// A rollback that was asked for.
#[cfg_attr(not(feature = "control"), allow(dead_code, reason = "only an operator is answered"))]
pub(super) struct RollBack {
    /// Whether the first generation runs what goes back, so that a restart follows.
    pub(super) of_first: bool,
    pub(super) number: u64,
    /// What the plan is to hear of it.
    pub(super) input: Option<Input>,
}
