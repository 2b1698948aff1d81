//! What processes and files would be, and what becomes of them at each move.

use std::time::{Duration, Instant};

use super::moves::Move;
use super::{Cause, Finding, Generation, Input, Limits, Plan, Status};

/// What is true of one living child.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a process has them")]
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) number: u64,
    pub(super) cause: Cause,
    pub(super) started: Instant,
    pub(super) said_ready: bool,
    pub(super) admitted: Option<Instant>,
    pub(super) was_paused: bool,
    pub(super) is_paused: bool,
    pub(super) has_yielded: bool,
    /// The first is committed, and so is who comes back: nothing came before that could.
    pub(super) is_committed: bool,
    pub(super) is_draining: bool,
    /// It was told to end, and has its time until then.
    pub(super) leaves_by: Option<Instant>,
    /// It was killed, and its end is waited for until then.
    pub(super) killed: Option<Instant>,
    /// Not even that ended it, and nobody waits for it any more.
    pub(super) is_abandoned: bool,
}

impl Child {
    pub(super) fn new(number: u64, cause: Cause, started: Instant) -> Self {
        Self {
            number,
            cause,
            started,
            said_ready: false,
            admitted: None,
            was_paused: false,
            is_paused: false,
            has_yielded: false,
            is_committed: cause == Cause::Return,
            is_draining: false,
            leaves_by: None,
            killed: None,
            is_abandoned: false,
        }
    }

    pub(super) fn accepts(&self) -> bool {
        self.admitted.is_some() && !self.is_paused && !self.is_leaving()
    }

    /// Whether it was drained or killed.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_draining || self.killed.is_some()
    }

    pub(super) fn is_candidate(&self) -> bool {
        !self.is_committed && !self.is_leaving()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Swap,
    Keep,
    Restore,
}

/// Something that a thread beside the loop does, and until when it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<W> {
    pub(super) work: W,
    pub(super) until: Instant,
    pub(super) is_given_up: bool,
}

/// What one step was about, and what it has brought so far.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) actions: usize,
    pub(super) unfit: Option<u64>,
    pub(super) signal: Option<(i32, bool)>,
    pub(super) is_tick: bool,
    /// Who was committed, and in whose place.
    pub(super) committed: Option<(u64, u64)>,
    pub(super) forwarded: Vec<(u64, i32)>,
    pub(super) suspends: usize,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a world has them")]
#[derive(Debug)]
pub(super) struct World {
    pub(super) limits: Limits,
    pub(super) now: Instant,
    /// The living, in the order of their start.
    pub(super) children: Vec<Child>,
    pub(super) newest: u64,
    /// Who was committed last.
    pub(super) serving: u64,
    /// Nobody accepts, for two must not run at once.
    pub(super) is_between: bool,
    pub(super) is_offered: bool,
    pub(super) file: Option<Job<Work>>,
    /// The binary in place was swapped in, and nobody has kept it or put it back yet.
    pub(super) is_on_trial: bool,
    pub(super) look: Option<Job<()>>,
    /// What may be started.
    pub(super) cleared: Option<Cause>,
    pub(super) asked_to_restart: bool,
    pub(super) must_succeed: bool,
    pub(super) fails_to_succeed: bool,
    /// The last signal that reached a program, and which.
    pub(super) told: Option<(u64, i32)>,
    /// The first signal that told the master to end.
    pub(super) stop: Option<i32>,
    pub(super) program_ended: bool,
    /// What the master has to end with, if it ends.
    pub(super) outcome: Option<Status>,
    pub(super) has_let_go: bool,
    pub(super) has_ended: bool,
    pub(super) batch: Batch,
}

/// So long the end of a killed child is waited for.
pub(super) const KILL: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            now,
            children: Vec::new(),
            newest: 0,
            serving: 0,
            is_between: !limits.overlap,
            is_offered: false,
            file: None,
            is_on_trial: false,
            look: None,
            cleared: None,
            asked_to_restart: false,
            must_succeed: false,
            fails_to_succeed: false,
            told: None,
            stop: None,
            program_ended: false,
            outcome: None,
            has_let_go: false,
            has_ended: false,
            batch: Batch::default(),
        }
    }

    pub(super) fn candidate(&self) -> Option<&Child> {
        self.children.iter().find(|child| child.is_candidate())
    }

    /// Everybody who is still waited for.
    pub(super) fn present(&self) -> impl Iterator<Item = &Child> {
        self.children.iter().filter(|child| !child.is_abandoned)
    }

    pub(super) fn leaving(&self) -> usize {
        self.present().filter(|child| child.is_leaving()).count()
    }

    pub(super) fn serves(&self) -> bool {
        self.present().any(|child| child.number == self.serving)
    }

    /// Whether the end of the master has begun. A candidate may still save a service that ended.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some() || (self.program_ended && self.candidate().is_none())
    }

    pub(super) fn waits_for_file(&self) -> bool {
        self.file.is_some_and(|job| !job.is_given_up)
    }

    pub(super) fn waits_for_look(&self) -> bool {
        self.look.is_some_and(|job| !job.is_given_up) && !self.is_stopping()
    }

    fn nth(&self, index: u8) -> Option<usize> {
        let count = self.children.len();
        (count > 0).then(|| count - 1 - usize::from(index) % count)
    }

    /// What the plan is told of a move, and the world after it.
    pub(super) fn play(&mut self, plan: &Plan, step: Move) -> Option<Input> {
        match step {
            Move::Restart => {
                self.asked_to_restart |= self.limits.restart_signal.is_some();
                Some(Input::Restart)
            }
            Move::Offer => {
                // The upgrade thread offers one candidate, and waits.
                let is_busy = self.is_offered || self.is_on_trial || self.file.is_some();
                self.is_offered |= !is_busy;
                (!is_busy).then_some(Input::Offered)
            }
            Move::FilesDone(is_done) => self.finish_file(is_done),
            Move::Examined(found) => self.finish_look(found),
            Move::RefuseSuccession => {
                self.fails_to_succeed = true;
                None
            }
            Move::Signal(number, by_kernel) => Some(self.signal(number, by_kernel)),
            Move::Deadline => {
                self.now = plan.deadline()?.max(self.now);
                Some(self.tick())
            }
            Move::Wait(millis) => {
                self.now += Duration::from_millis(millis.into());
                Some(self.tick())
            }
            Move::Late(millis) => {
                self.now += Duration::from_millis(millis.into());
                None
            }
            _ => self.play_child(step),
        }
    }

    /// A move of one child.
    fn play_child(&mut self, step: Move) -> Option<Input> {
        match step {
            Move::Ready(index) => {
                let index = self.nth(index)?;
                let child = &mut self.children[index];
                let is_news = !std::mem::replace(&mut child.said_ready, true);
                (is_news && child.killed.is_none()).then_some(Input::Ready(generation(child)))
            }
            Move::AcknowledgePause(index) => {
                let child = &self.children[self.nth(index)?];
                child.was_paused.then(|| Input::Paused(generation(child)))
            }
            Move::NotStarted(index) => {
                let index = self.nth(index)?;
                let child = &self.children[index];
                (!child.said_ready && child.number != 1).then_some(())?;
                let who = generation(child);
                self.end_child(index, Status::Exited(1));
                Some(Input::NotStarted(who, "no memory".into()))
            }
            Move::Unfit(index) => {
                let child = &self.children[self.nth(index)?];
                Some(Input::Unfit(generation(child), "no database".into()))
            }
            Move::Exit(index) => Some(self.exit(self.nth(index)?, Status::Exited(3))),
            Move::Leave(index) => {
                let index = self.nth(index)?;
                let is_other = self.children[index].number != self.serving;
                is_other.then(|| self.exit(index, Status::Exited(4)))
            }
            Move::EndAsTold => {
                let (number, signal) = self.told?;
                let index = self.children.iter().position(|child| child.number == number)?;
                Some(self.exit(index, Status::Signaled(signal)))
            }
            _ => None,
        }
    }

    pub(super) fn exit(&mut self, index: usize, status: Status) -> Input {
        let who = generation(&self.children[index]);
        self.end_child(index, status);
        Input::Exited(who, status)
    }

    fn end_child(&mut self, index: usize, status: Status) {
        let is_stopping = self.is_stopping();
        let child = self.children.remove(index);
        if child.is_abandoned {
            return;
        }
        if child.number == self.serving {
            self.end_service(&child, status);
        } else if child.is_candidate() && child.admitted.is_some() && !is_stopping {
            let was_told = matches!(status, Status::Signaled(signal)
                if self.told == Some((child.number, signal)));
            if was_told {
                (self.program_ended, self.outcome) = (true, Some(status));
            }
            self.is_between |= !self.limits.overlap;
        }
    }

    /// The service is gone; if it only made room, that is not its end.
    fn end_service(&mut self, child: &Child, status: Status) {
        if !child.has_yielded || self.is_stopping() {
            self.program_ended = true;
            self.outcome.get_or_insert(status);
        }
    }

    fn signal(&mut self, number: i32, by_kernel: bool) -> Input {
        if matches!(number, libc::SIGTERM | libc::SIGINT) {
            self.stop.get_or_insert(number);
            let until = self.now + self.limits.terminate;
            for child in &mut self.children {
                if child.killed.is_none() {
                    child.leaves_by.get_or_insert(until);
                }
            }
            if !self.serves() {
                self.outcome.get_or_insert(Status::Signaled(number));
            }
        } else if self.limits.restart_signal == Some(number) {
            self.asked_to_restart = true;
        } else if by_kernel {
            let acting = self.children.iter().find(|child| child.accepts());
            self.told = acting.map(|child| (child.number, number));
        }
        Input::Signal { number, by_kernel }
    }

    /// Deadlines are looked at.
    pub(super) fn tick(&mut self) -> Input {
        let now = self.now;
        if self.waits_for_look() && self.look.is_some_and(|look| look.until <= now) {
            self.look_again_after_the_file();
            self.look.iter_mut().for_each(|look| look.is_given_up = true);
        }
        for job in self.file.iter_mut().filter(|job| job.until <= now) {
            job.is_given_up = true;
        }
        for index in 0..self.children.len() {
            let child = &mut self.children[index];
            if !child.is_abandoned && child.killed.is_some_and(|until| until <= now) {
                child.is_abandoned = true;
                let child = child.clone();
                if child.number == self.serving {
                    self.end_service(&child, Status::Signaled(libc::SIGKILL));
                }
            }
        }
        Input::Tick
    }

    /// What was seen while the file changed is worth nothing.
    fn look_again_after_the_file(&mut self) {
        self.asked_to_restart |= self.waits_for_file();
    }

    pub(super) fn finish_file(&mut self, is_done: bool) -> Option<Input> {
        let job = self.file.take()?;
        Some(match job.work {
            Work::Swap => {
                self.is_on_trial = is_done;
                let starts = is_done && self.limits.restart_after_swap && !job.is_given_up;
                if starts {
                    self.cleared = Some(Cause::Upgrade);
                }
                Input::Swapped(is_done)
            }
            Work::Keep => Input::Kept,
            Work::Restore => Input::Restored,
        })
    }

    pub(super) fn finish_look(&mut self, found: u8) -> Option<Input> {
        let look = self.look.take()?;
        let (finding, cause) = match found {
            0 => (Finding::Refused("a text file".into()), None),
            1 | 2 => (Finding::Changed, Some(Cause::Deploy)),
            _ => (Finding::Same, Some(Cause::Restart)),
        };
        if !look.is_given_up {
            self.look_again_after_the_file();
            self.cleared = cause.filter(|_| !self.waits_for_file());
        }
        Some(Input::Examined(finding))
    }
}

fn generation(child: &Child) -> Generation {
    Generation::new(child.number)
}
