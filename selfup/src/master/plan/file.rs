//! The files' part of the plan: nothing is started while the binary on disk is being changed, but for
//! who comes back and does not need it.

use std::time::{Duration, Instant};

use super::{Action, Cause, Motion, Plan, tell_warning};
use crate::error::{Error, ErrorKind};

/// What happens to the binary on disk at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    Idle,
    Swapping(Instant),
    /// The same, of what goes back at once: somebody asked for what was there before.
    Withdrawing(Instant),
    Keeping(Instant),
    Restoring(Instant),
    /// One of these did not end in time. The service goes on without an upgrade.
    Overdue,
}

/// So long a swap or a restore is waited for: both are a rename and a few syncs.
const PATIENCE: Duration = Duration::from_secs(60);

impl Files {
    pub(super) fn until(self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Overdue => None,
            Self::Swapping(until)
            | Self::Withdrawing(until)
            | Self::Keeping(until)
            | Self::Restoring(until) => Some(until),
        }
    }

    /// Since when it is waited for.
    pub(super) fn since(self) -> Option<Instant> {
        self.until().and_then(|until| until.checked_sub(PATIENCE))
    }

    /// Whether nothing is waited for.
    pub(super) fn is_idle(self) -> bool {
        self.until().is_none()
    }
}

impl Plan {
    pub(super) fn swap(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.files = Files::Swapping(now + PATIENCE);
        out.push(Action::Swap);
    }

    pub(super) fn swapped(&mut self, now: Instant, done: bool, out: &mut Vec<Action>) {
        let files = std::mem::replace(&mut self.files, Files::Idle);
        let was_awaited = matches!(files, Files::Swapping(_));
        match (done, self.motion) {
            (false, _) => {}
            (true, _) if matches!(files, Files::Withdrawing(_)) => self.put_back(now, out),
            // A clean stop is not a failed trial: the new binary is tried at the next start.
            (true, Motion::Stopping) => self.leave(now, out),
            (true, Motion::Still) if was_awaited && self.limits.restart_after_swap => {
                // What is started is what a restart would have started.
                self.waiting.restart = false;
                self.begin(now, Cause::Upgrade, out);
            }
            (true, Motion::Still) if was_awaited => self.leave(now, out),
            // Nobody waits for it any more, and the next start must not find what nobody tried.
            (true, _) => {
                let reason = "the swap took so long that it was given up";
                self.restore(now, Error::new(ErrorKind::Swap, reason), out);
            }
        }
    }

    /// What was swapped in stays.
    pub(super) fn keep(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.files = Files::Keeping(now + PATIENCE);
        out.push(Action::Keep);
    }

    /// What was swapped in goes, for this `reason`.
    pub(super) fn restore(&mut self, now: Instant, reason: Error, out: &mut Vec<Action>) {
        self.files = Files::Restoring(now + PATIENCE);
        out.push(Action::Restore(reason));
    }

    /// What was swapped in waits for its trial.
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.files = Files::Keeping(now + PATIENCE);
        out.push(Action::Leave);
    }

    pub(super) fn expire_files(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.files.until().is_some_and(|until| until <= now) {
            let text = "the file system does not answer; the service goes on without an upgrade";
            out.push(tell_warning(Error::new(ErrorKind::Swap, text)));
            self.files = Files::Overdue;
        }
    }
}
