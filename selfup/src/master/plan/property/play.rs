//! What becomes of the world at each move, and what the plan is told of it.

use std::time::Duration;

use super::moves::Move;
use super::world::{Child, Job, Work, World};
use super::{Cause, Finding, Generation, Input, Plan, Status};

/// So long an answer is waited for, until it is asked for again.
const OWES: Duration = Duration::from_secs(1);

impl World {
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
                let is_awaited = self.is_on_trial && !self.has_waited;
                let is_busy = self.is_offered || is_awaited || self.file.is_some();
                self.is_offered |= !is_busy;
                (!is_busy).then_some(Input::Offered)
            }
            Move::FilesDone(is_done) => self.finish_file(is_done),
            Move::Examined(found) => self.finish_look(found),
            Move::RollBack => {
                let is_swap = |job: Job<Work>| job.work == Work::Swap && !job.is_given_up;
                self.is_withdrawn |= self.file.is_some_and(is_swap) && !self.is_stopping();
                Some(Input::RollBack)
            }
            Move::LoseBinary => {
                self.loses_binary = true;
                None
            }
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
            Move::Owes(index) => {
                let (index, until) = (self.nth(index)?, self.now + OWES);
                let child = &mut self.children[index];
                if child.is_candidate() && child.admitted.is_some() {
                    child.owes_until = Some(until);
                }
                Some(Input::Owes(generation(child), until))
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
                self.waits &= !is_done;
                let is_withdrawn = std::mem::take(&mut self.is_withdrawn);
                let is_wanted = !job.is_given_up && !is_withdrawn;
                let starts = is_done && self.limits.restart_after_swap && is_wanted;
                if starts {
                    self.cleared = Some(Cause::Upgrade);
                    // It is what a restart would start.
                    self.asked_to_restart &= self.is_stopping();
                }
                Input::Swapped(is_done)
            }
            Work::Keep => Input::Kept,
            Work::Leave => {
                self.waits = true;
                Input::Kept
            }
            Work::Restore => Input::Restored,
        })
    }

    pub(super) fn finish_look(&mut self, found: u8) -> Option<Input> {
        let look = self.look.take()?;
        let (finding, cause) = match found {
            0 => (Finding::Refused("a text file".into()), None),
            1 if self.waits && self.file.is_some() => (Finding::Waiting, Some(Cause::Deploy)),
            1 if self.waits => (Finding::Waiting, Some(Cause::Upgrade)),
            5 if self.waits => (Finding::Withdrawn, None),
            1 | 2 => (Finding::Changed, Some(Cause::Deploy)),
            _ => (Finding::Same, Some(Cause::Restart)),
        };
        if !look.is_given_up {
            self.look_again_after_the_file();
            // The restart comes behind what goes back.
            let is_withdrawn = matches!(finding, Finding::Withdrawn) && !self.is_stopping();
            self.asked_to_restart |= is_withdrawn && self.file.is_none();
            self.cleared = cause.filter(|_| !self.waits_for_file());
        }
        Some(Input::Examined(finding))
    }
}

fn generation(child: &Child) -> Generation {
    Generation::new(child.number)
}
