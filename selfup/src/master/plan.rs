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
pub(super) use self::terms::{Action, Cause, Finding, Input, Leaving, Limits, Standing};
#[cfg(any(feature = "control", feature = "systemd"))]
pub(super) use self::view::{Phase, View};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::identity::Generation;
use crate::sys::pidfd::Status;
use crate::upgrade::by_request;

mod back;
mod file;
#[cfg(test)]
mod property;
mod stop;
mod terms;
#[cfg(test)]
mod tests;
mod trial;
#[cfg(any(feature = "control", feature = "systemd"))]
mod view;

/// So long a child may take to say that it is paused; then the restart goes on without its word.
const PAUSE: Duration = Duration::from_secs(2);

/// So long the file on disk may be looked at: longer than a probe takes.
const EXAMINE: Duration = Duration::from_secs(30);

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
    /// How many restarts were asked for, whatever became of them.
    restarts_asked: u64,
    /// The last signal that reached a program, and which: what it ends by, it was told to.
    told: Option<(Generation, i32)>,
    /// Whether a binary was committed that the master has yet to follow.
    must_succeed: bool,
    /// Whether what made room for another can be started whatever is at the path.
    is_held: bool,
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
    /// The file on disk is looked at, until then.
    Examining(Instant),
    /// The old generation drains first, for two must not run at once.
    Yielding(Cause),
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
    cause: Cause,
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
        vec![Action::Start(Generation::FIRST, Cause::Return), Action::Admit(Generation::FIRST)]
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
            restarts_asked: 0,
            told: None,
            must_succeed: false,
            is_held: false,
        }
    }

    /// A service that a master before this one brought up.
    pub(crate) fn resume(limits: Limits, standing: &Standing) -> Self {
        let draining = standing.draining.iter().map(|leaving| {
            let Leaving { generation, until, is_killed } = *leaving;
            (generation, Draining { until, is_killed })
        });
        Self {
            newest: standing.newest,
            serving: Some(standing.serving),
            draining: draining.collect(),
            waiting: Waiting { restart: standing.restart_waits, upgrade: false },
            ..Self::new(limits)
        }
    }

    /// What a master after this one needs to go on, if it is to take over now: nothing is in
    /// motion, and a binary was committed that this master does not run yet.
    pub(crate) fn succession(&self) -> Option<Standing> {
        let is_settled = self.motion == Motion::Still && self.files == Files::Idle;
        let is_due = self.must_succeed && is_settled;
        if is_due { self.standing() } else { None }
    }

    /// What of this plan outlives the master's code; nothing, if the service has no generation.
    pub(crate) fn standing(&self) -> Option<Standing> {
        Some(Standing {
            newest: self.newest,
            serving: self.serving?,
            restart_waits: self.waiting.restart,
            draining: self.leaving(),
        })
    }

    fn leaving(&self) -> Vec<Leaving> {
        let draining = self.draining.iter().map(|(&generation, draining)| {
            let Draining { until, is_killed } = *draining;
            Leaving { generation, until, is_killed }
        });
        draining.collect()
    }

    /// Decides.
    pub(crate) fn on(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        match input {
            Input::Restart => self.restart(&mut out),
            Input::Offered => self.offered(&mut out),
            Input::Swapped(done) => self.swapped(now, done, &mut out),
            Input::Kept | Input::Restored => self.files = Files::Idle,
            Input::Examined(finding) => self.examined(now, finding, &mut out),
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
            Input::Unfit(generation, why) => self.unfit(now, generation, &why, &mut out),
            Input::RollBack => self.roll_back(now, &mut out),
            Input::NotHeld => self.is_held = false,
            Input::Owes(generation, until) => self.prolong(generation, until),
            Input::NotSucceeded(why) => {
                self.must_succeed = false;
                let text = format!("the master goes on with the code it has: {why}");
                out.push(tell_warning(Error::new(ErrorKind::Succession, text)));
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
        let draining = self.draining.values().map(|draining| draining.until);
        let others = self.motion_ends().into_iter().chain(self.back_at());
        draining.chain(others).chain(self.files.until()).min()
    }

    fn motion_ends(&self) -> Option<Instant> {
        match self.motion {
            Motion::Examining(until) => Some(until),
            _ => self.trial().map(|trial| trial.until),
        }
    }

    fn trial(&self) -> Option<Trial> {
        match self.motion {
            Motion::Starting(trial) | Motion::Handover(trial) | Motion::Probation(trial) => {
                Some(trial)
            }
            Motion::Still | Motion::Examining(_) | Motion::Yielding(_) | Motion::Stopping => None,
        }
    }

    /// Who accepts, and is not committed yet.
    pub(crate) fn on_trial(&self) -> Option<Generation> {
        match self.motion {
            Motion::Handover(trial) | Motion::Probation(trial) => Some(trial.candidate),
            _ => None,
        }
    }

    /// Whether an upgrade is on trial, or about to be once there is room.
    pub(crate) fn tries_upgrade(&self) -> bool {
        let is_next = self.motion == Motion::Yielding(Cause::Upgrade);
        is_next || self.trial().is_some_and(|trial| trial.cause == Cause::Upgrade)
    }

    /// Whether this generation failed its trial, and is on its way out.
    pub(crate) fn has_given_up(&self, generation: Generation) -> bool {
        let is_last = self.serving.is_none_or(|serving| serving < generation);
        is_last && self.draining.contains_key(&generation)
    }

    /// Whom clients and signals reach.
    fn acting(&self) -> Option<Generation> {
        let trial = || self.trial().map(|trial| trial.candidate);
        self.on_trial().or(self.serving).or_else(trial)
    }

    fn restart(&mut self, out: &mut Vec<Action>) {
        if self.limits.restart_signal.is_none() {
            let text = "a restart was asked for, but `no_restart` is set";
            out.push(tell_warning(Error::new(ErrorKind::Unsupported, text)));
        } else if self.motion != Motion::Stopping {
            self.waiting.restart = true;
            self.restarts_asked += 1;
        }
    }

    fn offered(&mut self, out: &mut Vec<Action>) {
        if self.motion == Motion::Stopping {
            out.push(Action::Discard);
        } else {
            self.waiting.upgrade = true;
        }
    }

    fn examine(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.waiting.restart = false;
        self.motion = Motion::Examining(now + EXAMINE);
        out.push(Action::Examine);
    }

    fn examined(&mut self, now: Instant, finding: Finding, out: &mut Vec<Action>) {
        if !matches!(self.motion, Motion::Examining(_)) {
            return;
        }
        self.motion = Motion::Still;
        if !self.files.is_idle() {
            // A swap that was given up came to an end after all: what was seen is no longer there.
            self.waiting.restart = true;
            return;
        }
        match finding {
            // One that was asked for meanwhile is another matter: there may be another file by now.
            Finding::Same => self.begin(now, Cause::Restart, out),
            Finding::Changed => self.begin(now, Cause::Deploy, out),
            // What is known of it cannot change while the file system does not answer.
            Finding::Waiting if self.files != Files::Idle => self.begin(now, Cause::Deploy, out),
            Finding::Waiting => self.begin(now, Cause::Upgrade, out),
            // The restart comes behind that.
            Finding::Withdrawn if self.files == Files::Idle => {
                self.waiting.restart = true;
                self.restore(now, by_request(), out);
            }
            Finding::Withdrawn => self.put_off(by_request(), out),
            Finding::Refused(why) => self.put_off(Error::new(ErrorKind::Rejected, why), out),
        }
    }

    /// No generation is started, for this `reason`.
    fn put_off(&self, reason: Error, out: &mut Vec<Action>) {
        let (generation, reason) = (self.newest.next(), reason.into());
        out.push(Action::Tell(Event::RestartAbandoned { generation, reason }));
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
            Motion::Examining(until) if until <= now => {
                let text = "the file system does not say what is there; restart once it does";
                self.examined(now, Finding::Refused(text.into()), out);
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
        self.fill_gap(now, out);
        if !self.files.is_idle() {
            return;
        }
        match self.motion {
            Motion::Stopping => self.try_end(out),
            Motion::Yielding(cause) if self.serving.is_none() => self.start(now, cause, out),
            Motion::Still => {
                if !self.can_begin() {
                    return;
                }
                if self.files == Files::Idle && std::mem::take(&mut self.waiting.upgrade) {
                    self.swap(now, out);
                } else if self.waiting.restart {
                    self.examine(now, out);
                }
            }
            _ => {}
        }
    }

    /// Whether another generation may follow: not beside too many, and not under a master that is
    /// about to be replaced.
    fn can_begin(&self) -> bool {
        let may_drain = self.draining.len() < self.limits.max_draining;
        let is_replaced = self.must_succeed && self.files == Files::Idle;
        // A master with other settings may have left some that drain.
        let may_run = self.limits.overlap || self.draining.is_empty();
        self.serving.is_some() && may_drain && may_run && !is_replaced
    }
}

/// `now` and `duration`, or a time that nobody will see: "never" is a setting, too.
pub(super) fn after(now: Instant, duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now + duration.min(NEVER)
}

fn tell_warning(error: Error) -> Action {
    Action::Tell(Event::Warning { error: error.into() })
}
