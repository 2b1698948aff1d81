//! The end's part of the plan: signals that stop, deadlines that kill, and the last status.

use std::time::{Duration, Instant};

use super::{Action, Cause, Draining, Motion, Plan, Trial, after};
use crate::event::Event;
use crate::identity::Generation;
use crate::sys::pidfd::Status;

/// So long the end of a killed child is waited for. Only the kernel can hold it up.
const KILL: Duration = Duration::from_secs(5);

impl Plan {
    pub(super) fn signal(
        &mut self,
        now: Instant,
        number: i32,
        by_kernel: bool,
        out: &mut Vec<Action>,
    ) {
        match number {
            libc::SIGTERM | libc::SIGINT => self.terminate(now, number, by_kernel, out),
            _ if self.limits.restart_signal == Some(number) => self.restart(out),
            _ => {
                if let Some(to) = self.acting() {
                    self.told = Some((to, number));
                    if !by_kernel {
                        out.push(Action::Forward { to, signal: number });
                    }
                }
                if number == libc::SIGTSTP {
                    out.push(Action::Suspend);
                }
            }
        }
    }

    /// TERM or INT: every generation is told, and has its time to end.
    fn terminate(&mut self, now: Instant, signal: i32, by_kernel: bool, out: &mut Vec<Action>) {
        self.forget_requests(out);
        if self.motion != Motion::Stopping {
            out.push(Action::LetGo);
        }
        let until = after(now, self.limits.terminate);
        let last = Draining { until, is_killed: false };
        for generation in self.serving.into_iter().chain(self.trial().map(|t| t.candidate)) {
            self.draining.entry(generation).or_insert(last);
        }
        if !by_kernel {
            let living = self.draining.iter().filter(|(_, draining)| !draining.is_killed);
            out.extend(living.map(|(&to, _)| Action::Forward { to, signal }));
        }
        if self.serving.is_none() && self.ended.is_none() {
            self.ended = Some(Status::Signaled(signal));
        }
        self.motion = Motion::Stopping;
    }

    /// The program ended by itself: whoever still drains may finish, then the master ends too.
    pub(super) fn stop(&mut self, out: &mut Vec<Action>) {
        if !self.draining.is_empty() {
            out.push(Action::LetGo);
        }
        self.motion = Motion::Stopping;
    }

    /// Whether this end is the work of a signal that reached `generation` through the master.
    pub(super) fn was_told_to_end(&self, generation: Generation, status: Status) -> bool {
        matches!(status, Status::Signaled(signal) if self.told == Some((generation, signal)))
    }

    /// The candidate, which was the service to its clients, ended as it was told from outside.
    pub(super) fn end_as_told(
        &mut self,
        now: Instant,
        trial: Trial,
        status: Status,
        out: &mut Vec<Action>,
    ) {
        if trial.cause == Cause::Upgrade {
            // It was no failure of the new binary.
            self.leave(now, out);
        }
        if let Some(serving) = self.serving.take() {
            self.drain(now, serving, out);
        }
        self.ended = Some(status);
        self.stop(out);
    }

    pub(super) fn try_end(&mut self, out: &mut Vec<Action>) {
        self.forget_requests(out);
        if self.draining.is_empty()
            && let Some(status) = self.ended
        {
            out.push(Action::End(status));
        }
    }

    fn forget_requests(&mut self, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.waiting).upgrade {
            out.push(Action::Discard);
        }
    }

    pub(super) fn kill(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
        self.draining.insert(generation, Draining { until: now + KILL, is_killed: true });
        out.push(Action::Kill(generation));
    }

    pub(super) fn expire_draining(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due = self.draining.iter().filter(|(_, draining)| draining.until <= now);
        let due: Vec<_> = due.map(|(&generation, &draining)| (generation, draining)).collect();
        for (generation, draining) in due {
            if draining.is_killed {
                // A process that not even SIGKILL ends cannot keep the master.
                self.draining.remove(&generation);
                self.left(now, generation, Status::Signaled(libc::SIGKILL), out);
            } else {
                out.push(Action::Tell(Event::DrainTimedOut { generation }));
                self.kill(now, generation, out);
            }
        }
    }
}
