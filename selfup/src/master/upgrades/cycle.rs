//! What the thread does: one poll after another, and what the plan or the program asks for between.

use std::future::pending;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::board::Board;
use super::wishes::Wishes;
use super::work::{Found, Work};
use super::{Offer, Order, Parking, Polled, Report, SOON};
use crate::fetcher::schedule::{Schedule, Turn};
use crate::master::plan::Input;
use crate::upgrade::{Candidate, Vetted};

/// What the thread owns.
pub(super) struct Cycle {
    work: Work,
    schedule: Schedule,
    orders: mpsc::UnboundedReceiver<Order>,
    wishes: Arc<Wishes>,
    report: mpsc::UnboundedSender<Report>,
    board: Board,
    /// Whether the first generation is on trial.
    is_on_trial: bool,
    /// Which polls that an operator asked for are made, and which pause was told.
    polled: u64,
    paused: u64,
}

/// Why the thread does something.
enum Wish {
    Poll,
    /// There are to be no polls any more, or there are again.
    Turn,
    RollBack,
    Clear,
    Order(Order),
}

impl Cycle {
    pub(super) fn begin(
        work: Work,
        orders: mpsc::UnboundedReceiver<Order>,
        (wishes, board): (Arc<Wishes>, Board),
        report: mpsc::UnboundedSender<Report>,
        is_on_trial: bool,
    ) -> Self {
        let (least, interval) = (work.shortest(), work.interval());
        let schedule = Schedule::start(least, interval, Instant::now(), random());
        let (polled, paused) = (0, 0);
        Self { work, schedule, orders, wishes, report, board, is_on_trial, polled, paused }
    }

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
                Wish::Turn => {}
                Wish::RollBack => {
                    let number = self.wishes.roll_back.last();
                    let came = self.roll_back(number).await;
                    let _ = self.report.send(Report::Answered(number, came));
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
        } else if is_restored {
            let number = self.wishes.roll_back.last();
            let _ = self.report.send(Report::Answered(number, Err(NOT_BACK.into())));
        }
    }

    /// Polls once. An order about what waits in place, and what the program asks for, do not wait for
    /// the end of a download, which may take days. Neither does an operator who wants no polls, but
    /// for the one that an operator asked for.
    async fn poll(&mut self) {
        self.schedule.begin(Instant::now());
        let wishes = &self.wishes;
        let asked = wishes.ask.last();
        let is_asked = asked != self.polled;
        if is_asked {
            let _ = self.report.send(Report::Polling(asked));
        }
        let polled = tokio::select! {
            biased;
            order = next(&mut self.orders) => Err(order),
            // It is seen to before the next poll.
            () = wishes.roll_back.told() => {
                wishes.roll_back.again();
                Ok((Turn::Interrupted, None))
            }
            () = wishes.clear.notified() => {
                wishes.clear.notify_one();
                Ok((Turn::Interrupted, None))
            }
            () = wishes.paused(), if !is_asked => Ok((Turn::Interrupted, None)),
            (turn, found) = self.work.poll() => Ok((turn, Some(found))),
        };
        let turn = polled.as_ref().map_or(Turn::Interrupted, |(turn, _)| *turn);
        self.schedule.end(turn, Instant::now(), self.work.interval());
        let found = match polled {
            Ok((_, found)) => found,
            Err(order) => {
                self.obey(order);
                None
            }
        };
        match found {
            None | Some(Found::Reopened) if is_asked => self.wishes.ask.again(),
            None | Some(Found::Reopened) => {}
            Some(Found::Candidate(candidate)) => {
                self.polled = asked;
                let _ = self.offer(*candidate, Offer::Polled).await;
            }
            Some(Found::Nothing(polled)) => {
                self.polled = asked;
                if is_asked {
                    let _ = self.report.send(Report::Polled(polled));
                }
            }
        }
    }

    /// Says whether the previous binary serves or is about to, or why not.
    async fn roll_back(&mut self, number: u64) -> Result<(), String> {
        let Some(candidate) = self.work.previous()? else { return Ok(()) };
        if self.offer(candidate, Offer::RolledBack(number)).await? {
            // It is not to wait for a restart that somebody else asks for.
            self.tell(Input::Restart);
        }
        Ok(())
    }

    /// Has the plan decide what becomes of a candidate, and does it. Says whether it waits in place, or
    /// why it is not there.
    async fn offer(&mut self, candidate: Candidate, offer: Offer) -> Result<bool, String> {
        let _ = self.report.send(Report::Offered(Vetted::of(&candidate), offer));
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
            let _ = self.report.send(Report::Polled(Polled::Failed(MADE_WAY.into())));
            return Err(MADE_WAY.into());
        }
        let swapped = self.work.swap(candidate);
        if let Err(reason) = &swapped {
            let _ = self.report.send(Report::Polled(Polled::Failed(reason.clone())));
        }
        self.tell(Input::Swapped(swapped.is_ok()));
        swapped?;
        let order = next(&mut self.orders).await;
        let failed = match &order {
            Order::Restore(reason) => Some(reason.chain()),
            _ => None,
        };
        let waits = matches!(order, Order::Leave);
        self.obey(order);
        failed.map_or(Ok(waits), Err)
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
                self.work.restore(reason);
                // Who asked for that meanwhile has it.
                if self.wishes.roll_back.take() {
                    let number = self.wishes.roll_back.last();
                    let is_back = !self.work.is_way_back_open();
                    let came = if is_back { Ok(()) } else { Err(NOT_BACK.into()) };
                    let _ = self.report.send(Report::Answered(number, came));
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
        // In this order: who asks behind the first is answered the next time.
        let asked = self.wishes.pause.last();
        let is_paused = self.wishes.is_paused();
        self.work.show(&self.board, soonest, due);
        self.tell_pause(asked, is_paused);
        self.tell_rest(soonest);
        let (wishes, work) = (&self.wishes, &mut self.work);
        let due = async {
            if let Some(soonest) = soonest {
                sleep_until(soonest.into()).await;
            }
            tokio::select! {
                () = wishes.ask.told() => {}
                () = sleep_until(due.into()), if !is_paused => {}
                () = wishes.check.notified(), if !is_paused => {}
                () = work.changed(), if !is_paused => {}
            }
        };
        tokio::select! {
            biased;
            order = next(&mut self.orders) => Wish::Order(order),
            () = wishes.roll_back.told() => Wish::RollBack,
            () = wishes.clear.notified() => Wish::Clear,
            () = wishes.pause.told() => Wish::Turn,
            () = due => Wish::Poll,
        }
    }

    /// Says how long the poll has to wait that an operator has asked for.
    fn tell_rest(&self, soonest: Option<Instant>) {
        let rests = soonest.map(|soonest| soonest.saturating_duration_since(Instant::now()));
        if let Some(rests) = rests.filter(|rests| *rests > SOON)
            && self.wishes.ask.last() != self.polled
        {
            let _ = self.report.send(Report::Rests(rests));
        }
    }

    /// Says that nothing is under way, to who wants no polls.
    fn tell_pause(&mut self, asked: u64, is_paused: bool) {
        if std::mem::replace(&mut self.paused, asked) != asked && is_paused {
            let _ = self.report.send(Report::Resting(asked));
        }
    }

    fn tell(&self, input: Input) {
        // The loop is gone only when the master ends.
        let _ = self.report.send(Report::Done(input));
    }
}

const MADE_WAY: &str = "a stop or a rollback was asked for before it was put in place; ask again";

const NOT_BACK: &str =
    "the previous binary could not be put back; that is tried again at each poll";

/// Seeded by the kernel: by the clock, hosts that start at one instant could draw the same.
fn random() -> fastrand::Rng {
    fastrand::Rng::with_seed(RandomState::new().hash_one(()))
}

async fn next(orders: &mut mpsc::UnboundedReceiver<Order>) -> Order {
    match orders.recv().await {
        Some(order) => order,
        // The master ends, and this with it.
        None => pending().await,
    }
}
