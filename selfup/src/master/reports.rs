//! What the upgrade thread reports, as the plan and whoever waits are told it.

use super::Master;
use super::plan::Input;
use super::upgrades::{Offer, Order, Report};

impl Master {
    pub(super) fn reported(&mut self, report: Report) -> Option<Input> {
        let serving = self.serving();
        match report {
            // It would take the place of what somebody wants to go back from.
            Report::Offered(_, Offer::Polled) if self.rollback_waits => {
                self.upgrader.order(Order::Discard);
            }
            Report::Offered(vetted, offer) => {
                self.desk.offered(&vetted, offer);
                self.children.set_candidate(vetted);
                return Some(Input::Offered);
            }
            Report::Done(input) => {
                if let Input::Restart = input {
                    self.desk.restarted();
                }
                return Some(input);
            }
            Report::Polling(number) => self.desk.polling(number),
            Report::Polled(polled) => self.desk.polled(&polled, serving),
            Report::Answered(number, came) => {
                self.rollback_waits &= !self.upgrader.is_last_roll_back(number);
                self.desk.answered(number, &came);
            }
            Report::Rests(rests) => self.desk.rests(rests),
            Report::Resting(number) => self.desk.resting(number),
            Report::Waits(inode) => self.children.set_waiting(inode),
            Report::Overdue(error) => self.observer.warn(error),
            // The thread waits now, which is looked at where it was asked to.
            Report::Parked => return Some(Input::Tick),
            Report::Began(_) | Report::Finished => {}
        }
        None
    }
}
