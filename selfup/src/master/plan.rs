//! What to do next, decided without doing anything: no clock, no process, no descriptor.
//!
//! [`Plan::on`] is told what happened and answers with what to do. The loop in [`super`] is the
//! only one that turns the world into [`Input`]s and [`Action`]s into calls, so a property test can
//! drive this file through interleavings that no process test would meet in a year.
//!
//! ```text
//! Serving(g) --restart|upgrade--> Starting(g+1) --ready--> Handover --paused--> Probation
//!      ^           | exit, timeout: g never noticed           |                  |
//!      |<----------'                                          |                  | well until then
//!      |<---- resume g, roll the binary back ----- g+1 dies --+------------------|
//!      |<---- commit: g drains, g+1 serves ----------------------- g dies -------'
//! any state --TERM, INT, the program ends--> Stopping --everybody gone--> End
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::file::Files;
pub(super) use self::terms::{Action, Input, Limits};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::identity::Generation;
use crate::sys::pidfd::Status;

mod file;
#[cfg(test)]
mod property;
mod stop;
mod terms;
#[cfg(test)]
mod tests;

/// So long a child may take to say that it is paused; then the restart goes on without its word.
const PAUSE: Duration = Duration::from_secs(2);

/// The state of a service.
#[derive(Debug)]
pub(crate) struct Plan {
    limits: Limits,
    newest: Generation,
    /// Whom the service belongs to, until it ends.
    serving: Option<Generation>,
    /// How it ended.
    ended: Option<Status>,
    motion: Motion,
    files: Files,
    draining: BTreeMap<Generation, Draining>,
    waiting: Waiting,
}

/// What waits for its turn, each remembered once. A restart outlives an upgrade that comes to
/// nothing, or that is to wait for the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Waiting {
    restart: bool,
    upgrade: bool,
}

/// How far one generation has come in following another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Motion {
    Still,
    Starting(Trial),
    Handover(Trial),
    Probation(Trial),
    Stopping,
}

/// A generation that may become the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    candidate: Generation,
    until: Instant,
    is_upgrade: bool,
}

/// A generation on its way out.
#[derive(Debug, Clone, Copy)]
struct Draining {
    until: Instant,
    is_killed: bool,
}

impl Plan {
    /// What brings the first child up. It has nobody to wait for, and nothing to fall back on.
    pub(crate) fn beginning() -> Vec<Action> {
        vec![Action::Start(Generation::FIRST), Action::Admit(Generation::FIRST)]
    }

    /// A service whose first child is being brought up.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            newest: Generation::FIRST,
            serving: Some(Generation::FIRST),
            ended: None,
            motion: Motion::Still,
            files: Files::Idle,
            draining: BTreeMap::new(),
            waiting: Waiting::default(),
        }
    }

    /// Decides.
    pub(crate) fn on(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        match input {
            Input::Restart => self.restart(&mut out),
            Input::Offered => self.offered(&mut out),
            Input::Swapped(done) => self.swapped(now, done, &mut out),
            Input::Restored => self.files = Files::Idle,
            Input::Ready(generation) => self.ready(now, generation, &mut out),
            Input::Paused(generation) => self.paused(now, generation, &mut out),
            Input::NotStarted(generation, why) => {
                let reason = Error::new(ErrorKind::Spawn, format!("it was not started: {why}"));
                self.gone(now, generation, Status::Exited(1), reason, &mut out);
            }
            Input::Exited(generation, status) => {
                let reason = format!("it ended before its time: {status}");
                let reason = Error::new(ErrorKind::NotReady, reason);
                let status_text = status.to_string();
                out.push(Action::Tell(Event::ChildExited { generation, status: status_text }));
                self.gone(now, generation, status, reason, &mut out);
            }
            Input::Signal { number, by_kernel } => self.signal(now, number, by_kernel, &mut out),
            // Nothing else does: what has happened counts before a deadline that has passed.
            Input::Tick => self.expire(now, &mut out),
        }
        self.proceed(now, &mut out);
        out
    }

    /// When a [`Input::Tick`] is due, if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let motion = self.trial().map(|trial| trial.until);
        let draining = self.draining.values().map(|draining| draining.until);
        draining.chain(motion).chain(self.files.until()).min()
    }

    fn trial(&self) -> Option<Trial> {
        match self.motion {
            Motion::Starting(trial) | Motion::Handover(trial) | Motion::Probation(trial) => {
                Some(trial)
            }
            Motion::Still | Motion::Stopping => None,
        }
    }

    /// Whom clients and signals reach.
    fn acting(&self) -> Option<Generation> {
        match self.motion {
            Motion::Handover(trial) | Motion::Probation(trial) => Some(trial.candidate),
            _ => self.serving,
        }
    }

    fn restart(&mut self, out: &mut Vec<Action>) {
        if self.limits.restart_signal.is_none() {
            let text = "a restart was asked for, but `no_restart` is set";
            out.push(tell_warning(Error::new(ErrorKind::Unsupported, text)));
        } else if self.motion != Motion::Stopping {
            self.waiting.restart = true;
        }
    }

    fn offered(&mut self, out: &mut Vec<Action>) {
        if self.motion == Motion::Stopping {
            out.push(Action::Discard);
        } else {
            self.waiting.upgrade = true;
        }
    }

    fn start(&mut self, now: Instant, is_upgrade: bool, out: &mut Vec<Action>) {
        let candidate = self.newest.next();
        self.newest = candidate;
        self.waiting.restart = false;
        let until = after(now, self.limits.ready);
        self.motion = Motion::Starting(Trial { candidate, until, is_upgrade });
        out.push(Action::Start(candidate));
    }

    fn ready(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
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
            None => self.commit(now, trial, out),
        }
    }

    fn paused(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
        out.push(Action::Tell(Event::Paused { generation }));
        if let Motion::Handover(trial) = self.motion
            && self.serving == Some(generation)
        {
            self.try_out(now, trial, out);
        }
    }

    fn try_out(&mut self, now: Instant, trial: Trial, out: &mut Vec<Action>) {
        if self.limits.probation.is_zero() {
            return self.commit(now, trial, out);
        }
        let until = after(now, self.limits.probation);
        self.motion = Motion::Probation(Trial { until, ..trial });
    }

    fn commit(&mut self, now: Instant, trial: Trial, out: &mut Vec<Action>) {
        let generation = trial.candidate;
        out.push(Action::Tell(Event::Committed { generation }));
        if trial.is_upgrade {
            out.push(Action::Keep);
        }
        if let Some(old) = self.serving.replace(generation) {
            self.drain(now, old, out);
        }
        self.ended = None;
        self.motion = Motion::Still;
    }

    fn drain(&mut self, now: Instant, generation: Generation, out: &mut Vec<Action>) {
        let until = after(now, self.limits.terminate);
        self.draining.insert(generation, Draining { until, is_killed: false });
        out.push(Action::Tell(Event::Draining { generation }));
        out.push(Action::Drain(generation));
    }

    /// A child that is no more.
    fn gone(
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
            self.give_up(now, trial, reason, out);
        }
        if self.serving == Some(generation) {
            self.serving = None;
            self.ended = Some(status);
            match self.motion {
                // It was on its way out; nobody needs it to come back.
                Motion::Handover(trial) | Motion::Probation(trial) => self.commit(now, trial, out),
                // The next one may still save the service.
                Motion::Starting(_) | Motion::Stopping => {}
                Motion::Still => self.stop(),
            }
        }
    }

    /// The candidate failed: whoever served before goes on.
    fn give_up(&mut self, now: Instant, trial: Trial, reason: Error, out: &mut Vec<Action>) {
        let generation = trial.candidate;
        let was_admitted = !matches!(self.motion, Motion::Starting(_));
        if was_admitted && let Some(serving) = self.serving {
            out.push(Action::Resume(serving));
            out.push(Action::Tell(Event::Resumed { generation: serving }));
        }
        let reason = reason.in_generation(generation);
        if trial.is_upgrade {
            let why = format!("generation {generation} failed: {reason}");
            let why = Error::new(reason.kind(), why).in_generation(generation);
            out.push(Action::Restore(why));
            self.files = Files::restoring(now);
        }
        let reason = reason.into();
        out.push(Action::Tell(Event::RestartAbandoned { generation, reason }));
        self.motion = Motion::Still;
        if self.serving.is_none() {
            self.stop();
        }
    }

    fn expire(&mut self, now: Instant, out: &mut Vec<Action>) {
        match self.motion {
            Motion::Starting(trial) if trial.until <= now => {
                let limit = self.limits.ready;
                let reason = Error::new(
                    ErrorKind::NotReady,
                    format!(
                        "it was not ready within {limit:?}; it is ready when its program first \
                         waits for a connection (raise `ready_timeout` if it needs longer)"
                    ),
                );
                self.kill(now, trial.candidate, out);
                self.give_up(now, trial, reason, out);
            }
            Motion::Handover(trial) if trial.until <= now => self.try_out(now, trial, out),
            Motion::Probation(trial) if trial.until <= now => self.commit(now, trial, out),
            _ => {}
        }
        self.expire_draining(now, out);
        self.expire_files(now, out);
    }

    /// Begins what waits, or ends, if nothing else is going on.
    fn proceed(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !self.files.is_idle() {
            return;
        }
        match self.motion {
            Motion::Stopping => self.try_end(out),
            Motion::Still if self.draining.len() < self.limits.max_draining => {
                if std::mem::take(&mut self.waiting.upgrade) {
                    self.swap(now, out);
                } else if self.waiting.restart {
                    self.start(now, false, out);
                }
            }
            _ => {}
        }
    }
}

/// `now` and `duration`, or a time that nobody will see: "never" is a setting, too.
fn after(now: Instant, duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now + duration.min(NEVER)
}

fn tell_warning(error: Error) -> Action {
    Action::Tell(Event::Warning { error: error.into() })
}
