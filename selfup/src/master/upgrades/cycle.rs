//! What the thread does: one poll after another, and what the plan or the program asks for between.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::net::unix::pipe::Receiver;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;

use super::work::Work;
use super::{Order, Parking, Report};
use crate::fetcher::schedule::{Schedule, Turn};
use crate::master::plan::Input;
use crate::upgrade::{Candidate, Vetted};

/// What may be asked of the thread at any time, each once, however often it is said.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) check: Notify,
    pub(super) roll_back: Notify,
    pub(super) clear: Notify,
    /// Whether that was asked for, and is still to be done.
    pub(super) clear_waits: AtomicBool,
}

/// What the thread owns.
pub(super) struct Cycle {
    pub(super) work: Work,
    pub(super) schedule: Schedule,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) report: mpsc::UnboundedSender<Report>,
    /// Whether the first generation is on trial.
    pub(super) is_on_trial: bool,
}

/// Why the thread does something.
enum Wish {
    Poll,
    RollBack,
    Clear,
    Order(Order),
}

impl Cycle {
    /// Polls until the master is `gone`, but for the times at which it is to wait. What was ordered
    /// before that is done: the last order is the one that excuses a start.
    pub(super) async fn run(mut self, gone: Receiver, parking: Parking) {
        let report = self.report.clone();
        let mut polling = pin!(self.poll_for_ever());
        loop {
            tokio::select! {
                biased;
                () = &mut polling => return,
                // Nothing is ever written to it: it is readable at its end.
                _ = gone.readable() => return,
                () = parking.asked.notified() => {
                    // The loop is gone only when the master ends.
                    let _ = report.send(Report::Parked);
                    tokio::select! {
                        _ = gone.readable() => return,
                        () = parking.released.notified() => {}
                    }
                }
            }
        }
    }

    async fn poll_for_ever(&mut self) {
        if self.is_on_trial {
            self.try_the_first().await;
        }
        loop {
            match self.pause().await {
                Wish::Poll => self.poll().await,
                Wish::RollBack => {
                    self.roll_back().await;
                    let _ = self.report.send(Report::Answered);
                }
                Wish::Clear => {
                    // Asked again from here on, it is done again.
                    self.wishes.clear_waits.store(false, Ordering::Release);
                    self.work.clear();
                    // What was turned down is asked for again.
                    self.wishes.check.notify_one();
                }
                Wish::Order(order) => self.obey(order),
            }
        }
    }

    /// Waits until it is known what becomes of a binary that was on trial at the start.
    async fn try_the_first(&mut self) {
        let order = next(&mut self.orders).await;
        let is_restored = matches!(order, Order::Restore(_));
        self.obey(order);
        if is_restored && !self.work.is_way_back_open() {
            // What is in place again is not what runs.
            self.tell(Input::Restart);
        }
    }

    /// Polls once. An order about what waits in place, and what the program asks for, do not wait for
    /// the end of a download, which may take days.
    async fn poll(&mut self) {
        self.schedule.begin(Instant::now());
        let wishes = &self.wishes;
        let polled = tokio::select! {
            biased;
            order = next(&mut self.orders) => Err(order),
            // It is seen to before the next poll.
            () = wishes.roll_back.notified() => {
                wishes.roll_back.notify_one();
                Ok((Turn::Interrupted, None))
            }
            () = wishes.clear.notified() => {
                wishes.clear.notify_one();
                Ok((Turn::Interrupted, None))
            }
            polled = self.work.poll() => Ok(polled),
        };
        let turn = polled.as_ref().map_or(Turn::Interrupted, |(turn, _)| *turn);
        self.schedule.end(turn, Instant::now(), self.work.interval());
        match polled {
            Ok((_, Some(candidate))) => {
                self.offer(candidate).await;
            }
            Ok((_, None)) => {}
            Err(order) => self.obey(order),
        }
    }

    async fn roll_back(&mut self) {
        let Some(candidate) = self.work.previous() else { return };
        if self.offer(candidate).await {
            // It is not to wait for a restart that somebody else asks for.
            self.tell(Input::Restart);
        }
    }

    /// Has the plan decide what becomes of a candidate, and does it. Says whether it waits in place.
    async fn offer(&mut self, candidate: Candidate) -> bool {
        let _ = self.report.send(Report::Offered(Vetted::of(&candidate)));
        let is_wanted = loop {
            match next(&mut self.orders).await {
                Order::Swap => break true,
                Order::Discard => break false,
                // About the one that waited in place, and was tried meanwhile.
                order => self.obey(order),
            }
        };
        if !is_wanted {
            self.work.discard(candidate);
            return false;
        }
        let is_done = self.work.swap(candidate);
        self.tell(Input::Swapped(is_done));
        if !is_done {
            return false;
        }
        let order = next(&mut self.orders).await;
        let waits = matches!(order, Order::Leave);
        self.obey(order);
        waits
    }

    /// Does what the plan says about what is in place.
    fn obey(&mut self, order: Order) {
        match order {
            Order::Keep => {
                self.work.keep();
                self.tell(Input::Kept);
            }
            Order::Leave => {
                if let Some(inode) = self.work.leave() {
                    let _ = self.report.send(Report::Waits(inode));
                }
                self.tell(Input::Kept);
            }
            Order::Restore(reason) => {
                self.work.restore(&reason);
                // Who asked for that meanwhile has it.
                let mut asked = pin!(self.wishes.roll_back.notified());
                if asked.as_mut().enable() {
                    let _ = self.report.send(Report::Answered);
                }
                self.tell(Input::Restored);
            }
            // Of an offer that nobody waits for any more.
            Order::Swap | Order::Discard => {}
        }
    }

    /// Waits for the next poll: until it is due, unless one is asked for.
    async fn pause(&mut self) -> Wish {
        let (soonest, due) = (self.schedule.soonest(), self.schedule.due());
        let (wishes, work) = (&self.wishes, &mut self.work);
        let due = async {
            if let Some(soonest) = soonest {
                sleep_until(soonest.into()).await;
            }
            tokio::select! {
                () = sleep_until(due.into()) => {}
                () = wishes.check.notified() => {}
                () = work.changed() => {}
            }
        };
        tokio::select! {
            biased;
            order = next(&mut self.orders) => Wish::Order(order),
            () = wishes.roll_back.notified() => Wish::RollBack,
            () = wishes.clear.notified() => Wish::Clear,
            () = due => Wish::Poll,
        }
    }

    fn tell(&self, input: Input) {
        // The loop is gone only when the master ends.
        let _ = self.report.send(Report::Done(input));
    }
}

async fn next(orders: &mut mpsc::UnboundedReceiver<Order>) -> Order {
    match orders.recv().await {
        Some(order) => order,
        // The master ends, and this with it.
        None => pending().await,
    }
}
