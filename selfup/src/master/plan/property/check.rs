//! What has to be true after every step, whatever the step was.

use std::time::Duration;

use super::rules::{Held, hold};
use super::world::{Child, World};
use super::{Cause, Plan};

/// No wait is longer than the longest setting, or than the file is waited for.
const FAR: Duration = Duration::from_secs(60);

impl World {
    pub(super) fn check(&self, plan: &Plan) -> Held {
        if self.has_ended {
            return Ok(());
        }
        self.check_service()?;
        self.check_roles()?;
        self.check_deadlines(plan)?;
        self.check_signal()?;
        self.check_stop()?;
        self.check_way_back()?;
        self.check_rest()
    }

    /// Who asks for what was before has it at once, and so does a service that nobody else keeps up.
    fn check_way_back(&self) -> Held {
        if self.is_stopping() {
            return Ok(());
        }
        let is_upgrade = |child: &Child| child.is_candidate() && child.cause == Cause::Upgrade;
        let is_tried = self.present().any(is_upgrade) || self.cleared == Some(Cause::Upgrade);
        let stays = self.batch.is_roll_back && is_tried && !self.program_ended;
        hold(!stays, "what is on trial is put back when somebody asks for it")?;
        let is_gap = self.is_between && self.cleared.is_none() && self.present().next().is_none();
        let may_wait = self.waits_for_file() && !(self.is_held && self.has_waited_for_file());
        hold(!is_gap || may_wait, "who is to come back does not wait for the file")
    }

    fn check_service(&self) -> Held {
        let accepting = self.present().filter(|child| child.accepts()).count();
        hold(accepting <= 1, "the one before does not accept beside the candidate")?;
        let may_be_silent = self.is_between || self.program_ended || self.stop.is_some();
        hold(accepting == 1 || may_be_silent, "at every moment one generation accepts")
    }

    /// Everybody serves, is on trial, or is on its way out.
    fn check_roles(&self) -> Held {
        let candidates = self.present().filter(|child| child.is_candidate()).count();
        hold(candidates <= 1, "at most one candidate exists")?;
        let own = || self.present().filter(|child| !child.is_inherited);
        let is_one_too_many = !self.limits.overlap && own().count() > 1;
        hold(!is_one_too_many, "two must not run at once")?;
        if self.is_stopping() {
            return Ok(());
        }
        let leaving = own().filter(|child| child.is_leaving()).count();
        hold(leaving <= self.limits.max_draining, "not too many drain at once")?;
        let mut others = self.present().filter(|child| child.number != self.serving);
        let have_roles = others.all(|child| child.is_candidate() || child.is_leaving());
        hold(have_roles, "who was followed drains")?;
        let is_taken_over = self.candidate().is_some_and(|child| child.admitted.is_some());
        let is_lost = is_taken_over && self.limits.overlap && !self.serves();
        hold(!is_lost, "who has nobody to give the service back to is committed")
    }

    fn check_deadlines(&self, plan: &Plan) -> Held {
        let deadline = plan.deadline();
        let is_trial = self.candidate().is_some();
        let is_drain = self.present().any(|child| child.leaves_by.or(child.killed).is_some());
        let waits = is_trial || is_drain || self.waits_for_file() || self.waits_for_look();
        hold(deadline.is_some() || !waits, "every state that waits has a deadline")?;
        hold(deadline.is_none() || waits, "nobody is woken for nothing")?;
        let is_near = deadline.is_none_or(|deadline| deadline <= self.now + FAR);
        hold(is_near, "no deadline is further than the settings say")?;
        if !self.batch.is_tick {
            return Ok(());
        }
        let is_overdue = self.present().filter(|child| child.killed.is_none()).any(|child| {
            let is_hung = child.is_candidate() && child.admitted.is_none();
            let ready_by = is_hung.then(|| child.started + self.limits.ready);
            child.leaves_by.or(ready_by).is_some_and(|until| until <= self.now)
        });
        hold(!is_overdue, "whose time is over is killed")?;
        hold(deadline.is_none_or(|deadline| deadline > self.now), "a deadline passes once")
    }

    fn check_signal(&self) -> Held {
        let Some((signal, by_kernel)) = self.batch.signal else { return Ok(()) };
        let suspends = usize::from(signal == libc::SIGTSTP);
        hold(self.batch.suspends == suspends, "the master stops as often as it was told")?;
        let mut told = self.batch.forwarded.clone();
        told.sort_unstable();
        if by_kernel || self.limits.restart_signal == Some(signal) {
            return hold(told.is_empty(), "nobody is told twice, or what is for the master");
        }
        if matches!(signal, libc::SIGTERM | libc::SIGINT) {
            let living = self.present().filter(|child| child.killed.is_none());
            let living: Vec<_> = living.map(|child| (child.number, signal)).collect();
            return hold(told == living, "every living generation is told to end, once");
        }
        // When it came, there was nobody else.
        let may = |child: &&Child| child.accepts() && !self.batch.has_returned;
        let acting = self.present().find(may);
        let expected = acting.map(|child| (child.number, signal));
        let is_right = told.len() <= 1 && (expected.is_none() || told.first() == expected.as_ref());
        hold(is_right || self.is_stopping(), "a signal reaches whom the clients reach")
    }

    fn check_stop(&self) -> Held {
        if !self.is_stopping() {
            return Ok(());
        }
        let is_left = self.present().next().is_some();
        hold(self.has_let_go || !is_left, "a stop lets go of the listeners")?;
        hold(is_left || self.waits_for_file(), "the master ends when nobody is left")
    }

    /// When nothing is in motion, nothing that could be begun waits.
    fn check_rest(&self) -> Held {
        // Where two must not run at once, the next waits for everybody.
        let most = if self.limits.overlap { self.limits.max_draining } else { 1 };
        let is_full = self.leaving() >= most;
        if !self.is_at_rest() || is_full || self.is_to_be_followed() {
            return Ok(());
        }
        hold(!self.asked_to_restart, "every restart that was asked for is begun")?;
        hold(!self.is_offered || self.file.is_some(), "every offer is answered")
    }

    /// Whether another master is to take over before anything else is begun.
    pub(super) fn is_to_be_followed(&self) -> bool {
        self.must_succeed && self.file.is_none() && self.is_at_rest()
    }

    pub(super) fn is_at_rest(&self) -> bool {
        let waits = self.waits_for_file() || self.waits_for_look();
        !waits && !self.is_between && !self.is_stopping() && self.candidate().is_none()
    }

    /// What is true of a service that another master takes over.
    pub(super) fn check_succession(&self, serving: u64) -> Held {
        hold(self.must_succeed, "a succession follows a commit of new code")?;
        hold(self.is_at_rest() && self.file.is_none(), "a succession waits until all is settled")?;
        let accepts = self.present().any(|child| child.number == serving && child.accepts());
        hold(accepts && serving == self.serving, "a succession hands over a service")
    }

    /// Left alone, every service comes to rest: with one generation, unless it ended.
    pub(super) fn check_settled(&self, plan: &Plan) -> Held {
        hold(plan.deadline().is_none(), "it comes to rest")?;
        hold(self.is_at_rest(), "it rests with nothing in motion")?;
        hold(!self.asked_to_restart, "nothing is forgotten")?;
        hold(!self.is_offered || self.file.is_some(), "every offer is answered")?;
        hold(!self.is_on_trial, "every swap is kept or undone")?;
        hold(!self.must_succeed || self.file.is_some(), "new code is followed")?;
        hold(self.present().count() == 1 && self.serves(), "one generation serves")
    }
}
