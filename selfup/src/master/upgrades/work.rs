//! Where the thread stands with its binary: it upgrades it, it follows somebody else who does, or it
//! cannot, for now.
//!
//! Only who holds the lock of the binary asks the fetcher and touches the history. Another master of
//! the same binary looks at the path at each poll: a file that was upgraded there and proved itself
//! is followed by a restart, as a deploy by hand is, and a lock that is free is taken: when its
//! holder is gone, or executes its upgrade in place, which closes the descriptor. Where the binary cannot be
//! replaced, it is asked again at each poll whether it can by now.

use std::future::pending;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Report;
use crate::config::Acceptance;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::fetcher::{BoxFetcher, Fetched};
use crate::master::busy::{Running, guarded};
use crate::master::plan::Input;
use crate::origin::Origin;
use crate::upgrade::{
    self, Candidate, Inode, Pipeline, PreUpgradeHook, Rehearsal, Unfinished, is_taken,
};

/// What a pipeline is made of, again and again.
pub(super) struct Opening {
    pub(super) origin: Origin,
    pub(super) acceptance: Acceptance,
    pub(super) hook: Option<Arc<Mutex<PreUpgradeHook>>>,
    pub(super) observer: Observer,
    pub(super) rehearsal: Rehearsal,
    pub(super) wanted: OwnedFd,
}

impl Opening {
    fn open(&self, unfinished: Option<Unfinished>) -> Result<Pipeline> {
        let hook = self.hook.clone().map(|hook| -> PreUpgradeHook {
            Box::new(move |candidate| {
                // One that has panicked is asked again.
                (hook.lock().unwrap_or_else(PoisonError::into_inner))(candidate)
            })
        });
        let (origin, acceptance) = (self.origin.clone(), self.acceptance.clone());
        let (observer, rehearsal) = (self.observer.clone(), self.rehearsal.clone());
        let wanted =
            self.wanted.try_clone().context(ErrorKind::Unsupported, super::no_descriptors)?;
        let pipeline = Pipeline::open(origin, acceptance, hook, observer, rehearsal, unfinished)?;
        Ok(pipeline.while_open(wanted))
    }
}

enum Stand {
    Open(Box<Pipeline>),
    /// Somebody else has the lock; this file was seen at the path last.
    Following(Option<Inode>),
    /// It was told why.
    Closed(String),
}

/// The fetcher and the pipeline, whatever state that is in.
pub(super) struct Work {
    fetcher: Option<BoxFetcher>,
    opening: Opening,
    stand: Stand,
    min_fetch_interval: Duration,
    /// Whether a new file at the path is followed at once, and not by the next restart.
    restarts: bool,
    report: mpsc::UnboundedSender<Report>,
}

impl Work {
    /// Opens the pipeline. The error, if there is one, is told to whoever requires upgrades.
    pub(super) fn begin(
        fetcher: Option<BoxFetcher>,
        opening: Opening,
        unfinished: Option<Unfinished>,
        min_fetch_interval: Duration,
        restarts: bool,
        report: mpsc::UnboundedSender<Report>,
    ) -> (Self, Option<Error>) {
        let (stand, error) = match opening.open(unfinished) {
            Ok(pipeline) => (Stand::Open(Box::new(pipeline)), None),
            Err(error) if is_taken(&error) => {
                let reason = Arc::new(error);
                opening.observer.tell(&Event::Following { reason });
                // What this process was started from, whatever is there by now.
                (Stand::Following(Inode::at(Path::new("/proc/self/exe")).ok()), None)
            }
            Err(error) => {
                tell_closed(&opening.observer, error.chain());
                (Stand::Closed(error.chain()), Some(error))
            }
        };
        let mut work = Self { fetcher, opening, stand, min_fetch_interval, restarts, report };
        work.tell_what_waits();
        (work, error)
    }

    pub(super) fn shortest(&self) -> Duration {
        self.min_fetch_interval
    }

    pub(super) fn interval(&self) -> Duration {
        let Some(fetcher) = &self.fetcher else { return Duration::from_secs(60) };
        // A fetcher that panics has said so on stderr.
        let interval = catch_unwind(AssertUnwindSafe(|| fetcher.poll_interval()));
        interval.map_or(self.min_fetch_interval, |interval| interval.max(self.min_fetch_interval))
    }

    /// Waits until the fetcher has reason to be asked early.
    pub(super) async fn changed(&mut self) {
        let (Stand::Open(_), Some(fetcher)) = (&self.stand, &mut self.fetcher) else {
            return pending().await;
        };
        let waited = guarded(async { fetcher.changed_boxed().await }).await;
        if waited.is_err() {
            // One that panics has said so on stderr, and is asked at its interval.
            pending::<()>().await;
        }
    }

    /// Asks the fetcher once, and takes what it gives through the pipeline; or looks whether the
    /// binary can be upgraded by now. What goes wrong is told as an event, and the next poll begins
    /// anew.
    pub(super) async fn poll(&mut self) -> Option<Candidate> {
        if !matches!(self.stand, Stand::Open(_)) {
            self.look();
            return None;
        }
        match self.try_poll().await {
            Ok(candidate) => candidate,
            // The binary cannot be replaced any more, whatever is offered.
            Err(error) if error.kind() == ErrorKind::Swap => {
                self.close(error);
                None
            }
            Err(error) if error.kind() == ErrorKind::Fetch => {
                self.opening.observer.tell(&Event::FetchFailed { error: error.into() });
                None
            }
            Err(error) => {
                self.opening.observer.warn(error);
                None
            }
        }
    }

    async fn try_poll(&mut self) -> Result<Option<Candidate>> {
        let Stand::Open(pipeline) = &mut self.stand else { return Ok(None) };
        let Some(fetcher) = &mut self.fetcher else { return Ok(None) };
        let current = pipeline.current();
        let running = Running::tell(&self.report, "the fetcher");
        let fetching = async { fetcher.fetch_boxed(&current).await };
        let answer = guarded(fetching).await;
        drop(running);
        let answer = answer.and_then(|answer| answer).context(
            ErrorKind::Fetch,
            || "no answer of the fetcher; it is asked again at its next poll",
        )?;
        let Fetched::Binary(download) = answer else { return Ok(None) };
        let examined = guarded(pipeline.examine(download)).await;
        examined.context(
            ErrorKind::Rejected,
            || "a candidate was given up; this is a fault of selfup, report it",
        )?
    }

    /// The previous binary as a candidate, if there is one that can be gone back to.
    pub(super) fn previous(&mut self) -> Option<Candidate> {
        let found = match &mut self.stand {
            Stand::Open(pipeline) => pipeline.previous(),
            Stand::Following(_) | Stand::Closed(_) => {
                let words = "this service does not upgrade its binary, so it cannot roll it back; \
                             ask the one that does, or put a binary there by hand";
                Err(Error::new(ErrorKind::Rollback, words))
            }
        };
        found.unwrap_or_else(|error| {
            self.opening.observer.warn(error);
            None
        })
    }

    pub(super) fn clear(&mut self) {
        if let Stand::Open(pipeline) = &mut self.stand {
            pipeline.clear();
        } else {
            let words = "this service does not upgrade its binary; ask the one that does to forget \
                         what was refused, or remove its history";
            self.opening.observer.warn(Error::new(ErrorKind::Unsupported, words));
        }
    }

    /// Says whether it is in place.
    pub(super) fn swap(&mut self, candidate: Candidate) -> bool {
        let Stand::Open(pipeline) = &mut self.stand else { return false };
        let swapped = pipeline.swap(candidate);
        swapped.inspect_err(|error| warn_of(&self.opening.observer, error)).is_ok()
    }

    pub(super) fn discard(&mut self, candidate: Candidate) {
        if let Stand::Open(pipeline) = &mut self.stand {
            pipeline.discard(candidate);
        }
    }

    pub(super) fn keep(&mut self) {
        if let Stand::Open(pipeline) = &mut self.stand {
            pipeline.keep();
        }
    }

    /// What waits in place from here on.
    pub(super) fn leave(&mut self) -> Option<Inode> {
        let Stand::Open(pipeline) = &mut self.stand else { return None };
        pipeline.leave();
        pipeline.on_trial()
    }

    pub(super) fn restore(&mut self, reason: &Error) {
        if let Stand::Open(pipeline) = &mut self.stand
            && let Err(error) = pipeline.restore(reason)
        {
            self.opening.observer.warn(error);
        }
    }

    /// The binary cannot be upgraded for now.
    fn close(&mut self, error: Error) {
        if is_taken(&error) {
            // Not what is there by now: that may be what is to be followed.
            let seen = match &self.stand {
                Stand::Open(pipeline) => Some(pipeline.inode()),
                _ => Inode::at(Path::new("/proc/self/exe")).ok(),
            };
            let reason = Arc::new(error);
            self.opening.observer.tell(&Event::Following { reason });
            self.stand = Stand::Following(seen);
            return;
        }
        let text = error.chain();
        if !matches!(&self.stand, Stand::Closed(told) if *told == text) {
            tell_closed(&self.opening.observer, text.clone());
        }
        self.stand = Stand::Closed(text);
    }

    /// Looks whether the binary can be upgraded by now, and what somebody else has made of it.
    fn look(&mut self) {
        match self.opening.open(None) {
            Ok(pipeline) => {
                let proven = pipeline.proven();
                let is_news = match self.stand {
                    // Who had the lock may have let go of it just after an upgrade.
                    Stand::Following(seen) => proven.is_some() && proven != seen,
                    _ => false,
                };
                self.stand = Stand::Open(Box::new(pipeline));
                self.opening.observer.tell(&Event::UpgradesEnabled);
                // Whoever had it on trial is gone.
                let waits = self.tell_what_waits();
                if (waits || is_news) && self.restarts {
                    self.tell_restart();
                }
            }
            Err(error) if is_taken(&error) => match self.stand {
                Stand::Following(seen) => self.follow(seen),
                _ => self.close(error),
            },
            Err(error) => self.close(error),
        }
    }

    fn follow(&mut self, seen: Option<Inode>) {
        let Opening { origin, acceptance, .. } = &self.opening;
        if let Some((found, is_committed)) = upgrade::look(origin, acceptance, seen) {
            // Once: what comes of it is told.
            self.stand = Stand::Following(Some(found));
            if is_committed && self.restarts {
                self.tell_restart();
            }
        }
    }

    /// Says whether a candidate in place waits for its trial.
    fn tell_what_waits(&mut self) -> bool {
        let Stand::Open(pipeline) = &self.stand else { return false };
        let waits = pipeline.on_trial();
        if let Some(inode) = waits {
            let _ = self.report.send(Report::Waits(inode));
        }
        waits.is_some()
    }

    fn tell_restart(&self) {
        // The loop is gone only when the master ends.
        let _ = self.report.send(Report::Done(Input::Restart));
    }
}

fn tell_closed(observer: &Observer, text: String) {
    let reason = Arc::new(Error::new(ErrorKind::Unsupported, text));
    observer.tell(&Event::UpgradesDisabled { reason });
}

fn warn_of(observer: &Observer, error: &Error) {
    observer.warn(Error::new(error.kind(), error.chain()));
}
