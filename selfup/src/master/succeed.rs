//! When this master becomes other code, and what it leaves to that.

use std::time::Instant;

use super::Master;
use super::plan::{Input, Standing};
use super::succession::{Estate, Preparation, Progress, Waiting};

/// The time between two looks at what is waited for.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

impl Master {
    /// Whether this master can become other code now. If not, it is looked at again soon.
    pub(super) fn is_prepared(&mut self) -> bool {
        let now = Instant::now();
        if self.desk.holds_up(now) {
            self.look_at = Some(now + LOOK);
            return false;
        }
        let observer = &self.observer;
        let preparation = self.preparation.get_or_insert_with(|| Preparation::begin(observer, now));
        let is_overdue = preparation.is_overdue(now);
        match preparation.progress(self.upgrader.park(), now) {
            // The last of all: from here on clients wait.
            Progress::Ready if self.desk.close(self.serving()) => return true,
            Progress::Ready if is_overdue => {
                self.stay(
                    "the thread of the control socket does not end; restart the service".into(),
                );
            }
            Progress::Ready => self.look_at = Some(now + LOOK),
            Progress::Waits(until) => self.look_at = Some(until),
            Progress::Overdue(reason) => self.stay(reason),
        }
        false
    }

    /// Has the committed binary take this master's place. Returns only if that failed.
    pub(super) fn succeed(&mut self, standing: Standing) {
        // The next one has other things to do first.
        self.managed.say_alive();
        let error = if self.children.run_what_is_in_place(standing.serving) {
            let clear = self.upgrader.clear_waits();
            let waiting = Waiting { rollback: self.rollback_waits, clear };
            self.estate(standing, waiting).hand_over().chain()
        } else {
            "another file was put at the path meanwhile; restart onto it".into()
        };
        self.stay(error);
    }

    /// Goes on with the code that there is.
    fn stay(&mut self, reason: String) {
        self.step(Input::NotSucceeded(reason));
    }

    /// Writes down what the next probe is to read, if anything has changed.
    pub(super) fn rehearse(&mut self) {
        let standing = self.plan.standing();
        if standing != self.rehearsed
            && let Some(standing) = standing.clone()
            && let Some(text) = self.estate(standing, Waiting::default()).rehearsal()
        {
            self.rehearsal.set(text);
        }
        self.rehearsed = standing;
    }

    fn estate(&self, standing: Standing, waiting: Waiting) -> Estate<'_> {
        let desk = self.desk.estate(self.upgrader.is_paused());
        self.children.estate(standing, waiting, desk)
    }
}
