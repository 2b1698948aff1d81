//! What may be done, and when: each action changes the world, or breaks a rule of the design.

use std::time::Duration;

use super::world::{Child, Job, KILL, WORK, Work, World};
use super::{Action, Cause, Generation, Input};

/// Nothing, or the rule that was broken.
pub(super) type Held<T = ()> = Result<T, &'static str>;

pub(super) fn hold(is_so: bool, rule: &'static str) -> Held {
    if is_so { Ok(()) } else { Err(rule) }
}

/// So long a look at the file is waited for.
const LOOK: Duration = Duration::from_secs(30);

impl World {
    pub(super) fn obey_all(&mut self, input: Option<&Input>, actions: &[Action]) -> Held {
        (self.batch.actions, self.batch.has_yielded) = (0, false);
        self.batch.has_returned = false;
        self.batch.committed = None;
        self.batch.suspends = 0;
        self.batch.forwarded.clear();
        self.batch.is_tick = matches!(input, Some(Input::Tick));
        self.batch.unfit = match input {
            Some(Input::Unfit(generation, _)) => Some(generation.get()),
            Some(Input::RollBack) => self.upgrade_on_trial(),
            _ => None,
        };
        self.batch.is_roll_back = matches!(input, Some(Input::RollBack));
        self.batch.signal = match input {
            Some(&Input::Signal { number, by_kernel }) => Some((number, by_kernel)),
            _ => None,
        };
        for action in actions {
            hold(!self.has_ended, "nothing is done after the end")?;
            self.obey(action)?;
            self.batch.actions += 1;
        }
        Ok(())
    }

    fn obey(&mut self, action: &Action) -> Held {
        match *action {
            Action::Examine => self.examine(),
            Action::Start(generation, cause) => self.start(generation.get(), cause),
            Action::Admit(generation) => self.admit(generation),
            Action::Pause(generation) => self.pause(generation),
            Action::Resume(generation) => self.resume(generation),
            Action::Yield(generation) => self.make_room(generation),
            Action::Commit(generation) => self.commit(generation),
            Action::Drain(generation) => self.drain(generation),
            Action::Kill(generation) => self.kill(generation),
            Action::Forward { to, signal } => {
                self.living(to)?;
                self.told = Some((to.get(), signal));
                self.batch.forwarded.push((to.get(), signal));
                Ok(())
            }
            Action::Swap => {
                self.may_begin()?;
                hold(std::mem::take(&mut self.is_offered), "only what is offered is swapped in")?;
                self.work(Work::Swap)
            }
            Action::Discard => {
                let may = self.is_stopping() || self.batch.is_roll_back;
                hold(may, "an offer is turned down only by a stop, or for what was before")?;
                hold(std::mem::take(&mut self.is_offered), "only what is offered is turned down")
            }
            Action::Keep => self.keep(),
            Action::Leave => self.leave(),
            Action::Restore(_) => {
                let is_open = self.candidate().is_some_and(|child| child.cause == Cause::Upgrade);
                hold(!is_open, "nothing is put back before its trial is over")?;
                let was_swapped =
                    std::mem::take(&mut self.is_on_trial) || std::mem::take(&mut self.waits);
                hold(was_swapped, "only what was swapped in is put back")?;
                (self.has_waited, self.is_withdrawn) = (false, false);
                self.cleared = self.cleared.filter(|cause| *cause != Cause::Upgrade);
                self.work(Work::Restore)
            }
            Action::LetGo => {
                hold(self.is_stopping(), "the listeners are let go only by a stop")?;
                hold(!std::mem::replace(&mut self.has_let_go, true), "they are let go once")
            }
            Action::Suspend => {
                self.batch.suspends += 1;
                Ok(())
            }
            Action::Tell(_) => Ok(()),
            Action::End(status) => {
                let is_over = self.stop.is_some() || self.program_ended;
                hold(is_over, "the master ends only with its program, or as it was told")?;
                hold(self.present().next().is_none(), "nobody is left behind")?;
                hold(!self.waits_for_file(), "the end waits for the file")?;
                hold(!self.is_offered, "every offer is answered")?;
                let is_right = self.outcome == Some(status);
                hold(is_right, "the master ends as the last committed generation, or as told")?;
                self.has_ended = true;
                Ok(())
            }
        }
    }

    fn living(&mut self, generation: Generation) -> Held<&mut Child> {
        let child = self.children.iter_mut().find(|child| child.number == generation.get());
        child.filter(|child| !child.is_abandoned).ok_or("nobody is sent anything after it is gone")
    }

    /// One who is living, and was told nothing yet that ends it.
    fn staying(&mut self, generation: Generation) -> Held<&mut Child> {
        hold(self.stop.is_none(), "once the service stops, nothing else is begun")?;
        let child = self.living(generation)?;
        hold(!child.is_leaving(), "nobody comes back from a drain")?;
        Ok(child)
    }

    fn upgrade_on_trial(&self) -> Option<u64> {
        let child = self.candidate().filter(|child| child.cause == Cause::Upgrade);
        child.map(|child| child.number)
    }

    /// Whether something new may be begun at all.
    fn may_begin(&self) -> Held {
        self.may_start()?;
        hold(!self.waits_for_file(), "nothing is begun while the file changes")
    }

    fn may_start(&self) -> Held {
        hold(!self.is_stopping() && !self.has_let_go, "nothing starts once the service stops")?;
        hold(self.candidate().is_none(), "nothing is begun beside a candidate")
    }

    fn work(&mut self, work: Work) -> Held {
        hold(self.file.is_none(), "one thing at a time is done to the file")?;
        self.file = Some(Job { work, until: self.now + WORK, is_given_up: false });
        Ok(())
    }

    fn examine(&mut self) -> Held {
        self.may_begin()?;
        hold(self.serves(), "who begins has a service")?;
        let was_asked = std::mem::take(&mut self.asked_to_restart);
        hold(was_asked, "the file is looked at once for a restart that was asked for")?;
        self.look = Some(Job { work: (), until: self.now + LOOK, is_given_up: false });
        Ok(())
    }

    fn start(&mut self, number: u64, cause: Cause) -> Held {
        if cause == Cause::Return && self.is_held && self.has_waited_for_file() {
            // It is started by its descriptor.
            self.may_start()?;
        } else {
            self.may_begin()?;
        }
        hold(number == self.newest + 1, "generations are counted")?;
        self.newest = number;
        let is_alone = self.present().next().is_none();
        hold(self.limits.overlap || is_alone, "two must not run at once")?;
        if cause == Cause::Return {
            let is_first = number == 1;
            hold(is_first || (self.is_between && is_alone), "who comes back fills a gap")?;
            self.serving = number;
            (self.is_between, self.batch.has_returned) = (false, true);
        } else {
            hold(self.cleared.take() == Some(cause), "only what was seen or swapped in starts")?;
            if cause == Cause::Upgrade && !self.is_on_trial {
                (self.is_on_trial, self.has_waited) = (std::mem::take(&mut self.waits), true);
                hold(self.is_on_trial, "what is tried was swapped in")?;
            }
        }
        self.children.push(Child::new(number, cause, self.now));
        Ok(())
    }

    fn admit(&mut self, generation: Generation) -> Held {
        let now = self.now;
        let child = self.staying(generation)?;
        let may = child.said_ready || child.cause == Cause::Return;
        hold(may, "only who is ready is admitted")?;
        hold(child.admitted.replace(now).is_none(), "nobody is admitted twice")?;
        self.is_between = false;
        Ok(())
    }

    fn pause(&mut self, generation: Generation) -> Held {
        let is_followed = self.candidate().is_some_and(|child| child.admitted.is_some());
        hold(is_followed, "nobody pauses before the candidate accepts")?;
        hold(generation.get() == self.serving, "only the service pauses")?;
        let child = self.staying(generation)?;
        hold(child.accepts(), "only who accepts is paused")?;
        (child.was_paused, child.is_paused) = (true, true);
        Ok(())
    }

    fn resume(&mut self, generation: Generation) -> Held {
        hold(self.batch.actions == 0, "who resumes does so first of all")?;
        let child = self.staying(generation)?;
        hold(child.is_paused, "only who was paused is resumed")?;
        child.is_paused = false;
        Ok(())
    }

    fn make_room(&mut self, generation: Generation) -> Held {
        hold(!self.limits.overlap, "only who must not run twice makes room")?;
        (self.is_held, self.batch.has_yielded) = (true, true);
        self.may_begin()?;
        hold(generation.get() == self.serving, "only the service makes room")?;
        hold(self.cleared.is_some(), "nobody makes room for nothing")?;
        self.staying(generation)?.has_yielded = true;
        self.is_between = true;
        Ok(())
    }

    fn commit(&mut self, generation: Generation) -> Held {
        let (now, probation, old) = (self.now, self.limits.probation, self.serving);
        let is_alone = self.limits.overlap && !self.serves();
        let follows = self.limits.follows;
        let child = self.staying(generation)?;
        let was_committed = std::mem::replace(&mut child.is_committed, true);
        hold(!was_committed, "nobody is committed twice")?;
        let is_well = child.admitted.is_some_and(|admitted| admitted + probation <= now);
        hold(is_well || is_alone, "nobody is committed before its probation is over")?;
        hold(child.admitted.is_some(), "only who is admitted is committed")?;
        let owes = !probation.is_zero() && child.owes_until.is_some_and(|until| until > now);
        hold(!owes || is_alone, "nobody is committed while it owes an answer")?;
        let is_new_code = matches!(child.cause, Cause::Upgrade | Cause::Deploy);
        self.must_succeed |= is_new_code && follows;
        self.serving = generation.get();
        self.batch.committed = Some((generation.get(), old));
        (self.program_ended, self.outcome) = (false, None);
        Ok(())
    }

    fn drain(&mut self, generation: Generation) -> Held {
        let number = generation.get();
        let until = self.now + self.limits.terminate;
        let is_replaced = self.batch.committed.is_some_and(|(_, old)| old == number);
        let is_unfit = self.batch.unfit == Some(number);
        let (is_exclusive, has_ended) = (!self.limits.overlap, self.program_ended);
        let child = self.staying(generation)?;
        let is_rejected = is_unfit && !child.is_committed;
        let may = is_replaced || is_rejected || child.has_yielded || has_ended;
        hold(may, "a drain follows a commit, a rejection or a stop")?;
        child.is_draining = true;
        child.leaves_by = Some(until);
        self.is_between |= is_exclusive && !has_ended;
        Ok(())
    }

    fn kill(&mut self, generation: Generation) -> Held {
        let (now, ready) = (self.now, self.limits.ready);
        let is_unfit = self.batch.unfit == Some(generation.get());
        let is_stopping = self.stop.is_some();
        let child = self.living(generation)?;
        let is_late = child.is_candidate() && child.started + ready <= now;
        let is_rejected = child.admitted.is_none() && !is_stopping && (is_late || is_unfit);
        let is_due = child.leaves_by.is_some_and(|until| until <= now);
        hold(is_rejected || is_due, "a kill follows a deadline, or a rejection at the start")?;
        hold(child.killed.is_none(), "nobody is killed twice")?;
        child.killed = Some(now + KILL);
        Ok(())
    }

    fn keep(&mut self) -> Held {
        let committed = self.batch.committed.map(|(new, _)| new);
        let mut children = self.children.iter();
        let is_good =
            children.any(|child| Some(child.number) == committed && child.cause == Cause::Upgrade);
        hold(is_good, "only what has passed is kept")?;
        hold(std::mem::take(&mut self.is_on_trial), "only what is on trial is kept")?;
        self.has_waited = false;
        self.work(Work::Keep)
    }

    fn leave(&mut self) -> Held {
        let is_untried = !self.limits.restart_after_swap && self.candidate().is_none();
        hold(is_untried || self.is_stopping(), "only what nobody tried is left to be tried")?;
        hold(std::mem::take(&mut self.is_on_trial), "only what is on trial is left so")?;
        self.has_waited = false;
        self.work(Work::Leave)
    }
}
