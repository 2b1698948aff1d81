//! The way back's part of the plan: what is on trial goes because somebody asks for it, and what
//! served before is started again.
//!
//! Whoever comes back runs the file that it was started from, which a descriptor holds. A restore has
//! a moment to bring that to its path first: executed by its descriptor a process has a number for a
//! name, and a path that is `(deleted)`. Where no descriptor could be had, it waits for the file.

use std::time::{Duration, Instant};

use super::file::Files;
use super::{Action, Cause, Motion, Plan};
use crate::upgrade::by_request;

/// So long a restore may keep a service down that is to come back: some hundred times what it takes.
const MOMENT: Duration = Duration::from_secs(1);

impl Plan {
    /// Somebody asks for the binary that was there before. What is on trial goes back, and so does what is
    /// about to be; what only waits for its turn makes way. All else is the upgrade thread's.
    pub(super) fn roll_back(&mut self, now: Instant, out: &mut Vec<Action>) {
        if let Some(trial) = self.trial().filter(|trial| trial.cause == Cause::Upgrade) {
            // Who has nobody behind it is committed first, and then the upgrade thread goes back.
            if self.ended.is_none() {
                self.reject(now, trial, by_request(), out);
            }
            return;
        }
        match (self.motion, self.files) {
            (Motion::Stopping, _) => {}
            (Motion::Yielding(Cause::Upgrade), _) => {
                self.motion = Motion::Yielding(Cause::Return);
                self.put_back(now, out);
            }
            (_, Files::Swapping(until)) => self.files = Files::Withdrawing(until),
            _ if std::mem::take(&mut self.waiting.upgrade) => out.push(Action::Discard),
            _ => {}
        }
    }

    /// What is in place goes back before it was started.
    pub(super) fn put_back(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.restore(now, by_request(), out);
        self.put_off(by_request(), out);
    }

    /// Starts what served before, once it can be.
    pub(super) fn fill_gap(&mut self, now: Instant, out: &mut Vec<Action>) {
        let is_time = self.files.is_idle() || self.back_at().is_some_and(|at| at <= now);
        if self.is_gap() && is_time {
            self.motion = Motion::Still;
            self.go_back(out);
        }
    }

    /// When what served before is started although the file is not back, if it comes to that.
    pub(super) fn back_at(&self) -> Option<Instant> {
        let since = self.files.since().filter(|_| self.is_gap() && self.is_held)?;
        Some(since + MOMENT)
    }

    /// Whether nobody runs, and what served before is to.
    fn is_gap(&self) -> bool {
        let is_between = matches!(self.motion, Motion::Still | Motion::Yielding(Cause::Return));
        // The one that failed may hold what the one before it needs.
        is_between && self.serving.is_none() && self.draining.is_empty()
    }

    /// What served before is started again: it has nobody to wait for, and nothing to fall back on.
    fn go_back(&mut self, out: &mut Vec<Action>) {
        let generation = self.newest.next();
        self.newest = generation;
        self.serving = Some(generation);
        out.extend([Action::Start(generation, Cause::Return), Action::Admit(generation)]);
    }
}
