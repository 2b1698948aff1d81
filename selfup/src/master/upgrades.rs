//! The upgrade thread: fetcher and pipeline, driven one poll after another beside the loop.
//!
//! The thread has a runtime of its own, so a fetcher or hook that blocks, panics or never returns
//! holds up nothing but upgrades. It reports to the loop, and changes the binary on disk only when
//! the plan says so: between two restarts, never during one.

use std::future::pending;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver as BlockingReceiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::net::unix::pipe::Receiver;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

use super::busy::{Busy, Running, guarded};
use super::plan::Input;
use crate::config::Upgrades;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::fetcher::{BoxFetcher, Fetched};
use crate::origin::Origin;
use crate::upgrade::{Candidate, Pipeline, PreUpgradeHook, Rehearsal, Vetted};

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
    Restore(Error),
}

/// What the thread tells the loop.
#[derive(Debug)]
pub(super) enum Report {
    /// It holds a candidate that passed every check, and this is known of it.
    Offered(Vetted),
    Done(Input),
    /// The user's code runs: this of it.
    Began(&'static str),
    /// It came back.
    Finished,
    /// It has not come back for long.
    Overdue(Error),
    /// The thread waits, as it was asked to, and for nothing else.
    Parked,
}

/// The loop's end of the thread. Without a fetcher there is no thread, and nothing to report.
#[derive(Debug)]
pub(super) struct Upgrader(Option<Thread>);

#[derive(Debug)]
struct Thread {
    orders: mpsc::UnboundedSender<Order>,
    /// Asks for a poll, once, however often it is said.
    check: Arc<Notify>,
    reports: mpsc::UnboundedReceiver<Report>,
    busy: Busy,
    parking: Parking,
    is_parked: bool,
    /// Dropped to end the thread, wherever it waits.
    alive: PipeWriter,
    /// Ends when the thread has.
    ended: BlockingReceiver<()>,
}

/// So long a start with `required` waits to know whether upgrades are possible.
const OPENING: Duration = Duration::from_secs(60);

/// So long the end of the thread is waited for, so that it leaves no staged file behind.
const END: Duration = Duration::from_secs(2);

impl Upgrader {
    /// Starts the thread, if there is a fetcher.
    ///
    /// If upgrades are `required`, this waits until it is known that they are possible here;
    /// otherwise nothing holds the program up.
    pub(super) fn start(
        upgrades: Upgrades,
        origin: &Origin,
        observer: &Observer,
        rehearsal: Rehearsal,
        required: bool,
    ) -> Result<Self> {
        let Upgrades { fetcher, min_fetch_interval, pre_upgrade, acceptance, .. } = upgrades;
        let Some(fetcher) = fetcher else { return Ok(Self(None)) };
        let (orders, receive_orders) = mpsc::unbounded_channel();
        let check = Arc::new(Notify::new());
        let checked = Arc::clone(&check);
        let parking = Parking::default();
        let parked = parking.clone();
        let (report, reports) = mpsc::unbounded_channel();
        let (gone, alive) = std::io::pipe().context(ErrorKind::Unsupported, no_descriptors)?;
        let (ending, ended) = sync_channel(0);
        let (opened, opening) = sync_channel(1);
        let origin = origin.clone();
        let pre_upgrade = pre_upgrade.map(|hook| watched(hook, report.clone()));
        let (told, observer) = (observer, observer.clone());
        let work = move || {
            let _ending = ending;
            let prepared = prepare(gone).and_then(|(runtime, gone, wanted)| {
                let told = observer.clone();
                let pipeline = Pipeline::open(origin, acceptance, pre_upgrade, told, rehearsal)?;
                Ok((runtime, gone, pipeline.while_open(wanted)))
            });
            let (runtime, gone, pipeline) = match prepared {
                Ok(prepared) => prepared,
                Err(error) => return disable(error, &opened, &observer),
            };
            let _ = opened.try_send(None);
            let cycle = Cycle {
                fetcher,
                pipeline,
                min_fetch_interval,
                orders: receive_orders,
                check: checked,
                report,
                observer,
            };
            runtime.block_on(cycle.run(gone, parked));
            // A fetcher's blocking task may never end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("selfup-upgrade".into()).spawn(work);
        let started =
            thread.context(ErrorKind::Unsupported, || "no thread for upgrades; raise `ulimit -u`");
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
        let (busy, is_parked) = (Busy::default(), false);
        let thread = Thread { orders, check, reports, busy, parking, is_parked, alive, ended };
        Ok(Self(Some(thread)))
    }

    pub(super) fn order(&self, order: Order) {
        if let Some(thread) = &self.0 {
            // A thread that has ended reported that upgrades are off.
            let _ = thread.orders.send(order);
        }
    }

    /// Has the fetcher polled as soon as `min_fetch_interval` lets it.
    pub(super) fn check_now(&self) {
        if let Some(thread) = &self.0 {
            thread.check.notify_one();
        }
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
                Some(Report::Parked) => {
                    thread.is_parked = true;
                    return Report::Parked;
                }
                Some(report) => return report,
                None => pending().await,
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

fn no_descriptors() -> &'static str {
    "what the upgrade thread needs cannot be made; raise the limit of open files"
}

fn disable(error: Error, opened: &SyncSender<Option<Error>>, observer: &Observer) {
    let text = error.chain();
    let _ = opened.try_send(Some(error));
    let reason = Arc::new(Error::new(ErrorKind::Unsupported, text));
    observer.tell(&Event::UpgradesDisabled { reason });
}

/// What the thread owns.
struct Cycle {
    fetcher: BoxFetcher,
    pipeline: Pipeline,
    min_fetch_interval: Duration,
    orders: mpsc::UnboundedReceiver<Order>,
    check: Arc<Notify>,
    report: mpsc::UnboundedSender<Report>,
    observer: Observer,
}

impl Cycle {
    /// Polls until the master is `gone`, but for the times at which it is to wait.
    async fn run(mut self, gone: Receiver, parking: Parking) {
        let report = self.report.clone();
        let mut polling = pin!(self.poll_for_ever());
        loop {
            tokio::select! {
                biased;
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
                () = &mut polling => return,
            }
        }
    }

    async fn poll_for_ever(&mut self) {
        loop {
            let began = Instant::now();
            if let Some(candidate) = self.poll().await {
                self.offer(candidate).await;
            }
            self.pause(began).await;
        }
    }

    fn interval(&self) -> Duration {
        // A fetcher that panics has said so on stderr.
        let interval = catch_unwind(AssertUnwindSafe(|| self.fetcher.poll_interval()));
        interval.map_or(self.min_fetch_interval, |interval| interval.max(self.min_fetch_interval))
    }

    /// Asks the fetcher once, and takes what it gives through the pipeline. What goes wrong is told
    /// as an event, and the next poll begins anew.
    async fn poll(&mut self) -> Option<Candidate> {
        let polled = self.try_poll().await;
        polled.unwrap_or_else(|error| {
            if error.kind() == ErrorKind::Fetch {
                self.observer.tell(&Event::FetchFailed { error: error.into() });
            } else {
                self.observer.warn(error);
            }
            None
        })
    }

    async fn try_poll(&mut self) -> Result<Option<Candidate>> {
        let current = self.pipeline.current();
        let running = Running::tell(&self.report, "the fetcher");
        let fetching = async { self.fetcher.fetch_boxed(&current).await };
        let fetched = guarded(fetching).await;
        drop(running);
        let fetched = fetched.and_then(|fetched| fetched).context(
            ErrorKind::Fetch,
            || "no answer of the fetcher; it is asked again at its next poll",
        )?;
        let Fetched::Binary(download) = fetched else { return Ok(None) };
        let examined = guarded(self.pipeline.examine(download)).await;
        examined.context(
            ErrorKind::Rejected,
            || "a candidate was given up; this is a fault of selfup, report it",
        )?
    }

    /// Has the plan decide what becomes of a candidate, and does it.
    async fn offer(&mut self, candidate: Candidate) {
        let _ = self.report.send(Report::Offered(Vetted::of(&candidate)));
        if !matches!(self.decision().await, Order::Swap) {
            return;
        }
        let swapped = match self.pipeline.swap(candidate) {
            Ok(swapped) => swapped,
            Err(error) => {
                self.observer.warn(error);
                return self.tell(Input::Swapped(false));
            }
        };
        self.tell(Input::Swapped(true));
        let Order::Restore(reason) = self.decision().await else {
            self.pipeline.keep(swapped);
            return self.tell(Input::Kept);
        };
        if let Err(error) = self.pipeline.restore(swapped, &reason) {
            self.observer.warn(error);
        }
        self.tell(Input::Restored);
    }

    async fn decision(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            // The master ends, and this with it.
            None => pending().await,
        }
    }

    /// Waits for the next poll: for the whole interval, unless one is asked for.
    async fn pause(&self, since: Instant) {
        tokio::time::sleep(self.min_fetch_interval.saturating_sub(since.elapsed())).await;
        let rest = self.interval().saturating_sub(since.elapsed());
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = self.check.notified() => {}
        }
    }

    fn tell(&self, input: Input) {
        // The loop is gone only when the master ends.
        let _ = self.report.send(Report::Done(input));
    }
}
