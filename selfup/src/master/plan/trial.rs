//! The trial's part of the plan: one generation follows another, or gives the service back.

use std::time::Instant;

use super::{Action, Cause, Draining, Motion, PAUSE, Plan, Trial, after, tell_warning};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::identity::Generation;
use crate::sys::pidfd::Status;
use crate::upgrade::by_request;

impl Plan {
    /// Has a new generation follow, at once or when the old one is gone.
    pub(super) fn begin(&mut self, now: Instant, cause: Cause, out: &mut Vec<Action>) {
        match self.serving {
            Some(serving) if !self.limits.overlap => {
                self.is_held = true;
                out.push(Action::Yield(serving));
                self.drain(now, serving, out);
                self.motion = Motion::Yielding(cause);
            }
            _ => self.start(now, cause, out),
        }
    }

    pub(super) fn start(&mut self, now: Instant, cause: Cause, out: &mut Vec<Action>) {
        let candidate = self.newest.next();
        self.newest = candidate;
        let until = after(now, self.limits.ready);
        self.motion = Motion::Starting(Trial { candidate, until, cause });
        out.push(Action::Start(candidate, cause));
    }

    pub(super) fn ready(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
        out.push(Action::Tell(Event::ChildReady { generation }));
        let Motion::Starting(trial) = self.motion else { return };
        if trial.candidate != generation {
            return;
        }
        // Both accept for an instant, so that at every instant one does.
        out.push(Action::Admit(generation));
        match self.serving {
            Some(serving) => {
                out.push(Action::Pause(serving));
                self.motion = Motion::Handover(Trial { until: now + PAUSE, ..trial });
            }
            // It ended by itself meanwhile: there is nothing to go back to.
            None if self.ended.is_some() => self.commit(now, trial, out),
            None => self.try_out(now, trial, out),
        }
    }

    pub(super) fn paused(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
        out.push(Action::Tell(Event::Paused { generation }));
        if let Motion::Handover(trial) = self.motion
            && self.serving == Some(generation)
        {
            self.try_out(now, trial, out);
        }
    }

    pub(super) fn try_out(&mut self, now: Instant, trial: Trial, out: &mut Vec<Action>) {
        if self.limits.probation.is_zero() {
            return self.commit(now, trial, out);
        }
        let until = after(now, self.limits.probation);
        self.motion = Motion::Probation(Trial { until, ..trial });
    }

    /// The probation lasts so long at least. Without one, nothing is waited for.
    pub(super) fn prolong(&mut self, generation: Generation, until: Instant) {
        if let Motion::Probation(trial) = &mut self.motion
            && trial.candidate == generation
        {
            trial.until = trial.until.max(until);
        }
    }

    pub(super) fn commit(&mut self, now: Instant, trial: Trial, out: &mut Vec<Action>) {
        let generation = trial.candidate;
        out.push(Action::Tell(Event::Committed { generation }));
        out.push(Action::Commit(generation));
        if trial.cause == Cause::Upgrade {
            self.keep(now, out);
        }
        let is_new_code = matches!(trial.cause, Cause::Upgrade | Cause::Deploy);
        self.must_succeed |= is_new_code && self.limits.follows;
        if let Some(old) = self.serving.replace(generation) {
            self.drain(now, old, out);
        }
        self.ended = None;
        self.motion = Motion::Still;
    }

    pub(super) fn drain(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
        let until = after(now, self.limits.terminate);
        self.draining.insert(generation, Draining { until, is_killed: false });
        out.push(Action::Tell(Event::Draining { generation }));
        out.push(Action::Drain(generation));
    }

    /// A child that is no more.
    pub(super) fn gone(
        &mut self,
        now: Instant,
        generation: Generation,
        status: Status,
        reason: Error,
        out: &mut Vec<Action>,
    ) {
        self.draining.remove(&generation);
        if let Some(trial) = self.trial()
            && trial.candidate == generation
        {
            let was_admitted = !matches!(self.motion, Motion::Starting(_));
            if was_admitted && self.was_told_to_end(generation, status) {
                self.end_as_told(now, trial, status, out);
            } else {
                self.give_up(now, trial, reason, out);
            }
        }
        self.left(now, generation, status, out);
    }

    /// What follows if the service itself is gone.
    pub(super) fn left(
        &mut self,
        now: Instant,
        generation: Generation,
        status: Status,
        out: &mut Vec<Action>,
    ) {
        if self.serving != Some(generation) {
            return;
        }
        self.serving = None;
        if let Motion::Yielding(_) = self.motion {
            return;
        }
        self.ended = Some(status);
        match self.motion {
            // It was on its way out; nobody needs it to come back.
            Motion::Handover(trial) | Motion::Probation(trial) => self.commit(now, trial, out),
            // The next one may still save the service.
            Motion::Starting(_) | Motion::Stopping => {}
            Motion::Still | Motion::Examining(_) | Motion::Yielding(_) => self.stop(out),
        }
    }

    /// A candidate that lives, but is not to be the service.
    pub(super) fn unfit(
        &mut self,
        now: Instant,
        generation: Generation,
        reason: &str,
        out: &mut Vec<Action>,
    ) {
        let trial = self.trial().filter(|trial| trial.candidate == generation);
        let Some(trial) = trial else {
            let text = format!("generation {generation} is not well: {reason}");
            return out.push(tell_warning(Error::new(ErrorKind::NotReady, text)));
        };
        self.reject(now, trial, Error::new(ErrorKind::NotReady, reason.to_owned()), out);
    }

    /// The candidate lives, and goes.
    pub(super) fn reject(
        &mut self,
        now: Instant,
        trial: Trial,
        reason: Error,
        out: &mut Vec<Action>,
    ) {
        // Whom it has accepted, it may finish; whom the old one accepts from here on, is served.
        match self.motion {
            Motion::Starting(_) => self.kill(now, trial.candidate, out),
            _ => self.drain(now, trial.candidate, out),
        }
        self.give_up(now, trial, reason, out);
    }

    /// The candidate failed: whoever served before goes on.
    pub(super) fn give_up(
        &mut self,
        now: Instant,
        trial: Trial,
        reason: Error,
        out: &mut Vec<Action>,
    ) {
        let generation = trial.candidate;
        let was_admitted = !matches!(self.motion, Motion::Starting(_));
        if was_admitted && let Some(serving) = self.serving {
            // First of all: nobody accepts at this moment.
            out.insert(0, Action::Resume(serving));
            out.push(Action::Tell(Event::Resumed { generation: serving }));
        }
        let reason = reason.in_generation(generation);
        if trial.cause == Cause::Upgrade {
            let why = match reason.kind() {
                // It did nothing wrong.
                ErrorKind::Rejected => by_request(),
                kind => Error::new(kind, format!("generation {generation} failed: {reason}"))
                    .in_generation(generation),
            };
            self.restore(now, why, out);
        }
        let reason = reason.into();
        out.push(Action::Tell(Event::RestartAbandoned { generation, reason }));
        self.motion = Motion::Still;
        if self.serving.is_none() && self.ended.is_some() {
            self.stop(out);
        }
    }
}
