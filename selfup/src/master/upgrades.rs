//! The upgrade thread: fetcher and pipeline, driven one poll after another beside the loop.
//!
//! The thread has a runtime of its own, so a hook that blocks or never returns holds up nothing but
//! upgrades and successions; the fetcher has a thread beside it, so one that blocks holds up nothing but
//! polls. It reports to the loop, and changes the binary on disk only when the plan says so: between two
//! restarts, never during one. [`work`] is what it does, [`cycle`] when, and [`attendant`] asks the fetcher.

mod attendant;
mod board;
mod cycle;
mod operator;
mod way_back;
mod wishes;
mod work;

use std::future::pending;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver as BlockingReceiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::vec::IntoIter;

use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

use self::attendant::Attendant;
use self::board::Board;
#[cfg(feature = "control")]
pub(super) use self::board::{Notice, Stand};
use self::cycle::Cycle;
use self::way_back::WayBack;
use self::wishes::Wishes;
use self::work::{Opening, Work};
use super::busy::{Busy, Running};
use super::plan::Input;
use crate::config::Upgrades;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::origin::Origin;
use crate::upgrade::{Counted, Inode, PreUpgradeHook, Rehearsal, Vetted};

/// How the loop has the thread wait.
#[derive(Debug, Clone, Default)]
struct Parking {
    asked: Arc<Notify>,
    released: Arc<Notify>,
}

/// What the loop tells the thread.
#[derive(Debug)]
pub(super) enum Order {
    Swap,
    Discard,
    Keep,
    /// Nothing is decided: it waits for the next restart, or start.
    Leave,
    Restore(Error),
}

/// What the thread tells the loop.
#[derive(Debug)]
pub(super) enum Report {
    /// It holds a candidate that passed every check, and this is known of it.
    Offered(Vetted, Offer),
    Done(Input),
    /// The polls that an operator asked for so far are made by the one that begins.
    Polling(u64),
    /// What came of them, but for a candidate that is in place.
    Polled(Polled),
    /// The poll that an operator asked for is made only after that.
    Rests(Duration),
    /// What was to be rolled back, as was asked so far, is, or cannot be.
    Answered(u64, std::result::Result<(), String>),
    /// Nothing is under way, and there are no polls, as was asked so far.
    Resting(u64),
    /// A candidate is in place, and waits for its trial.
    Waits(Inode),
    /// The user's code runs: this of it.
    Began(&'static str),
    /// It came back.
    Finished,
    /// It has not come back for long.
    Overdue(Error),
    /// The thread waits, as it was asked to, and for nothing else.
    Parked,
}

/// Where a candidate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    Polled,
    /// It is the previous binary, as was asked so far.
    RolledBack(u64),
}

/// What came of a poll that brought nothing in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Polled {
    Unchanged,
    /// What is published is turned down.
    Refused(String),
    Failed(String),
    /// The binary cannot be upgraded here.
    Off(String),
}

/// The loop's end of the thread. Without a fetcher there is no thread, and nothing to report.
#[derive(Debug)]
pub(super) struct Upgrader(Option<Thread>);

#[derive(Debug)]
struct Thread {
    orders: mpsc::UnboundedSender<Order>,
    wishes: Arc<Wishes>,
    #[cfg_attr(not(feature = "control"), allow(dead_code, reason = "only an operator reads it"))]
    board: Board,
    reports: mpsc::UnboundedReceiver<Report>,
    busy: Busy,
    way_back: WayBack,
    parking: Parking,
    is_parked: bool,
    /// What is reported once it has ended.
    last_words: IntoIter<Report>,
    /// Dropped to end the thread, wherever it waits.
    alive: PipeWriter,
    /// Ends when the thread has.
    ended: BlockingReceiver<()>,
}

/// What the service is told to do about upgrades, beside making them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Whether it must not start without.
    pub(super) required: bool,
    /// Whether there are restarts.
    pub(super) restarts: bool,
}

/// A poll that may be made only later than that is not waited for.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// So long a start with `required` waits to know whether upgrades are possible.
const OPENING: Duration = Duration::from_secs(60);

/// So long the end of the thread is waited for, so that it leaves no staged file behind.
const END: Duration = Duration::from_secs(2);

impl Upgrader {
    /// Starts the thread, if there is a fetcher, or a trial to be ended.
    ///
    /// If upgrades are `required`, this waits until it is known that they are possible here;
    /// otherwise nothing holds the program up.
    pub(super) fn start(
        upgrades: Upgrades,
        origin: &Origin,
        observer: &Observer,
        rehearsal: Rehearsal,
        counted: Option<Counted>,
        Terms { required, restarts }: Terms,
    ) -> Result<Self> {
        let Upgrades { fetcher, min_fetch_interval, pre_upgrade, acceptance, .. } = upgrades;
        if fetcher.is_none() && counted.is_none() {
            return Ok(Self(None));
        }
        let restarts = restarts && upgrades.restart_after_fetch;
        let (orders, receive_orders) = mpsc::unbounded_channel();
        let wishes = Arc::new(Wishes::default());
        let (parking, board) = (Parking::default(), Board::default());
        let (asked, parked, shown) = (Arc::clone(&wishes), parking.clone(), board.clone());
        let (report, reports) = mpsc::unbounded_channel();
        let (gone, alive) = std::io::pipe().context(ErrorKind::Unsupported, no_descriptors)?;
        let (ending, ended) = sync_channel(0);
        let (opened, opening) = sync_channel(1);
        let origin = origin.clone();
        let hook = pre_upgrade.map(|hook| Arc::new(Mutex::new(watched(hook, report.clone()))));
        let (told, observer) = (observer, observer.clone());
        let work = move || {
            let _ending = ending;
            let prepared = fetcher.map(Attendant::start).transpose();
            let prepared = prepared.and_then(|fetcher| Ok((fetcher, prepare(gone)?)));
            let (fetcher, (runtime, gone, wanted)) = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return disable(error, &opened, &observer, &shown),
            };
            let is_on_trial = counted.is_some();
            let parts = Opening { origin, acceptance, hook, observer, rehearsal, wanted };
            let (work, error) =
                Work::begin(fetcher, parts, counted, min_fetch_interval, restarts, report.clone());
            let _ = opened.try_send(error);
            let cycle = Cycle::begin(work, receive_orders, (asked, shown), report, is_on_trial);
            runtime.block_on(cycle.run(gone, parked));
            // A hook's blocking task may never end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("selfup-upgrade".into()).spawn(work);
        let started = thread.context(ErrorKind::Unsupported, no_thread);
        if let Err(error) = started {
            if required {
                return Err(error);
            }
            told.tell(&Event::UpgradesDisabled { reason: error.into() });
            return Ok(Self(None));
        }
        if required {
            wait_until_open(&opening)?;
        }
        let (busy, is_parked, last_words) = (Busy::default(), false, operator::last_words());
        Ok(Self(Some(Thread {
            orders,
            wishes,
            board,
            reports,
            busy,
            parking,
            is_parked,
            way_back: WayBack::default(),
            last_words,
            alive,
            ended,
        })))
    }

    pub(super) fn order(&mut self, order: Order) {
        if let Some(thread) = &mut self.0 {
            thread.way_back.ordered(&order);
            // A thread that has ended reported that upgrades are off.
            let _ = thread.orders.send(order);
        }
    }

    /// Has the fetcher polled as soon as `min_fetch_interval` lets it.
    pub(super) fn check_now(&self) {
        if let Some(thread) = &self.0 {
            thread.wishes.check.notify_one();
        }
    }

    /// Has the previous binary put back, and gives the number of the wish, if there is anybody to do it.
    pub(super) fn roll_back(&self) -> Option<u64> {
        Some(self.thread()?.wishes.roll_back.tell())
    }

    /// Whether that is what is offered, or in place and not decided yet.
    pub(super) fn is_going_back(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| thread.way_back.is_under_way())
    }

    /// Whether nobody has asked for one since.
    pub(super) fn is_last_roll_back(&self, number: u64) -> bool {
        self.0.as_ref().is_none_or(|thread| thread.wishes.roll_back.last() <= number)
    }

    /// Has everything forgotten that was turned down.
    pub(super) fn clear_refused(&self) {
        if let Some(thread) = &self.0 {
            thread.wishes.clear_waits.store(true, Ordering::Release);
            thread.wishes.clear.notify_one();
        }
    }

    /// Whether that was asked, and is still to be done. Of a thread that is parked this is exact.
    pub(super) fn clear_waits(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| thread.wishes.clear_waits.load(Ordering::Acquire))
    }

    /// The next thing that the plan should know. Cancel-safe.
    pub(super) async fn report(&mut self) -> Report {
        let Some(thread) = &mut self.0 else { return pending().await };
        loop {
            let report = tokio::select! {
                report = thread.reports.recv() => report,
                error = thread.busy.overdue() => return Report::Overdue(error),
            };
            match report {
                Some(Report::Began(what)) => thread.busy.begin(what),
                Some(Report::Finished) => thread.busy.end(),
                Some(Report::Offered(vetted, offer)) => {
                    thread.way_back.offered(offer);
                    return Report::Offered(vetted, offer);
                }
                Some(Report::Parked) => {
                    thread.is_parked = true;
                    return Report::Parked;
                }
                Some(report) => return report,
                // Whoever waits for it is not left waiting.
                None => match thread.last_words.next() {
                    Some(report) => return report,
                    None => pending().await,
                },
            }
        }
    }

    /// Asks the thread to stay where it waits for nothing. Says whether it does.
    pub(super) fn park(&self) -> bool {
        let Some(thread) = &self.0 else { return true };
        if !thread.is_parked {
            thread.parking.asked.notify_one();
        }
        // One that has ended reports nothing.
        thread.is_parked || thread.reports.is_closed()
    }

    /// Lets the thread go on.
    pub(super) fn unpark(&mut self) {
        if let Some(thread) = &mut self.0
            && std::mem::take(&mut thread.is_parked)
        {
            thread.parking.released.notify_one();
        }
    }

    /// Ends the thread, and waits a moment for it.
    pub(super) fn stop(&mut self) {
        if let Some(Thread { alive, ended, .. }) = self.0.take() {
            drop(alive);
            let _ = ended.recv_timeout(END);
        }
    }
}

/// Waits until it is known whether upgrades are possible here.
fn wait_until_open(opening: &BlockingReceiver<Option<Error>>) -> Result<()> {
    match opening.recv_timeout(OPENING) {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => {
            let text = "it is not known whether the binary can be replaced: its file system does \
                        not answer";
            Err(Error::new(ErrorKind::Swap, text))
        }
    }
}

/// `hook`, with the loop told while it runs.
fn watched(mut hook: PreUpgradeHook, report: mpsc::UnboundedSender<Report>) -> PreUpgradeHook {
    Box::new(move |candidate| {
        let _running = Running::tell(&report, "the `pre_upgrade` hook");
        hook(candidate)
    })
}

/// What the thread runs on, and the end of the master as its tasks and as its probes wait for it.
fn prepare(gone: PipeReader) -> Result<(Runtime, Receiver, OwnedFd)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context(ErrorKind::Unsupported, no_descriptors)?;
    let wanted = gone.try_clone().context(ErrorKind::Unsupported, no_descriptors)?;
    let gone = runtime.block_on(async { Receiver::from_owned_fd(gone.into()) });
    let gone = gone.context(ErrorKind::Unsupported, no_descriptors)?;
    Ok((runtime, gone, wanted.into()))
}

fn no_thread() -> &'static str {
    "no thread for upgrades; raise `ulimit -u`"
}

fn no_descriptors() -> &'static str {
    "what the upgrade thread needs cannot be made; raise the limit of open files"
}

fn disable(error: Error, opened: &SyncSender<Option<Error>>, observer: &Observer, board: &Board) {
    let text = error.chain();
    board.close(&text);
    let _ = opened.try_send(Some(error));
    let reason = Arc::new(Error::new(ErrorKind::Unsupported, text));
    observer.tell(&Event::UpgradesDisabled { reason });
}
