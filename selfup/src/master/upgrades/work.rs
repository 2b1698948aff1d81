//! Where the thread stands with its binary: it upgrades it, it follows somebody else who does, or it
//! cannot, for now.
//!
//! Only who holds the lock of the binary asks the fetcher and touches the history. Another master of
//! the same binary looks at the path at each poll: a file that was upgraded there and proved itself
//! is followed by a restart, any other is told, and a lock that is free is taken: when its
//! holder is gone, or executes its upgrade in place, which closes the descriptor. Where the binary
//! cannot be replaced, it is asked again at each poll whether it can by now. What waits in place by
//! then, or is on trial, keeps its way back and its lock: see [`trial`].

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::attendant::Attendant;
use super::{Polled, Report};
use crate::error::{BoxError, Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::fetcher::schedule::Turn;
use crate::fetcher::{Fetched, RetryAfter};
use crate::master::busy::{LONGEST_ANSWER, Running, guarded, within};
use crate::master::plan::Input;
use crate::upgrade::{self, Candidate, Counted, Inode, Pipeline, is_taken};

pub(super) use self::found::Found;
pub(super) use self::opening::Opening;

mod found;
mod opening;
mod trial;

enum Stand {
    Open(Box<Pipeline>),
    /// Somebody else has the lock.
    Following,
    /// It was told why. A pipeline is kept for what it alone knows.
    Closed(String, Option<Box<Pipeline>>),
}

impl Stand {
    /// The pipeline, whether it can replace the binary or not.
    fn pipeline(&mut self) -> Option<&mut Pipeline> {
        match self {
            Self::Open(pipeline) | Self::Closed(_, Some(pipeline)) => Some(pipeline),
            Self::Following | Self::Closed(_, None) => None,
        }
    }
}

/// The fetcher and the pipeline, whatever state that is in.
pub(super) struct Work {
    fetcher: Option<Attendant>,
    opening: Opening,
    stand: Stand,
    /// What was at the path when somebody else's work there was looked at last: at first, what this
    /// process was started from, whatever is there by then.
    seen: Option<Inode>,
    /// Why what this process runs failed its trial, if there was no pipeline to put it back.
    failed: Option<Error>,
    min_fetch_interval: Duration,
    /// Whether a new file at the path is followed at once, and not by the next restart.
    restarts: bool,
    report: mpsc::UnboundedSender<Report>,
}

impl Work {
    /// Opens the pipeline. The error, if there is one, is told to whoever requires upgrades.
    pub(super) fn begin(
        fetcher: Option<Attendant>,
        opening: Opening,
        counted: Option<Counted>,
        min_fetch_interval: Duration,
        restarts: bool,
        report: mpsc::UnboundedSender<Report>,
    ) -> (Self, Option<Error>) {
        // What is on trial is in place already, and has taken the room.
        let is_on_trial = counted.is_some();
        let (stand, error) = match opening.open(counted) {
            Ok(pipeline) => {
                let room = if is_on_trial { Ok(()) } else { pipeline.check_room() };
                // It may be there when it is needed, so this turns nothing off.
                let full = room.inspect_err(|error| warn_of(&opening.observer, error)).err();
                (Stand::Open(Box::new(pipeline)), full)
            }
            Err(error) if is_taken(&error) => {
                let reason = Arc::new(error);
                opening.observer.tell(&Event::Following { reason });
                (Stand::Following, None)
            }
            Err(error) => {
                tell_closed(&opening.observer, error.chain());
                (Stand::Closed(error.chain(), None), Some(error))
            }
        };
        let (seen, failed) = (running(), None);
        let mut work =
            Self { fetcher, opening, stand, seen, failed, min_fetch_interval, restarts, report };
        work.tell_what_waits();
        if work.has_put_back() {
            work.tell_restart();
        }
        (work, error)
    }

    pub(super) fn shortest(&self) -> Duration {
        self.min_fetch_interval
    }

    pub(super) fn interval(&self) -> Duration {
        let Some(fetcher) = &self.fetcher else { return Duration::from_secs(60) };
        fetcher.interval()
    }

    /// Waits until the fetcher has reason to be asked early.
    pub(super) async fn changed(&mut self) {
        let (Stand::Open(_), Some(fetcher)) = (&self.stand, &mut self.fetcher) else {
            return pending().await;
        };
        fetcher.changed().await;
    }

    /// Asks the fetcher once, and takes what it gives through the pipeline; or looks whether the
    /// binary can be upgraded by now. What goes wrong is told as an event, and the next poll begins
    /// anew.
    pub(super) async fn poll(&mut self) -> (Turn, Found) {
        let Stand::Open(pipeline) = &mut self.stand else {
            if self.look() {
                self.tell_restart();
            }
            let found = self.off().map_or(Found::Reopened, Found::Nothing);
            return (Turn::Answered, found);
        };
        if pipeline.go_back_again() {
            // What runs may be what failed.
            self.tell_restart();
        } else if pipeline.is_way_back_open() {
            // Nothing is put in place of what failed but what was there before.
            let reason = "what is in place failed its trial, and the binary before it could not be \
                          put back so far";
            return (Turn::Answered, Found::Nothing(Polled::Failed(reason.into())));
        }
        match self.try_poll().await {
            Ok(Some(candidate)) => (Turn::Answered, Found::Candidate(candidate.into())),
            Ok(None) => (Turn::Answered, Found::Nothing(self.nothing())),
            // The binary cannot be replaced any more, whatever is offered.
            Err(error) if error.kind() == ErrorKind::Swap => {
                self.close(error);
                (Turn::Answered, self.off().map_or(Found::Reopened, Found::Nothing))
            }
            Err(error) => {
                let turn = Turn::failed(&error);
                let found = Found::Nothing(Polled::Failed(error.chain()));
                if error.kind() == ErrorKind::Fetch {
                    self.opening.observer.tell(&Event::FetchFailed { error: error.into() });
                } else {
                    self.opening.observer.warn(error);
                }
                (turn, found)
            }
        }
    }

    async fn try_poll(&mut self) -> Result<Option<Candidate>> {
        let Stand::Open(pipeline) = &mut self.stand else { return Ok(None) };
        let Some(fetcher) = &mut self.fetcher else { return Ok(None) };
        let current = pipeline.current();
        let running = Running::tell(&self.report, "the fetcher");
        let answer = within(LONGEST_ANSWER, fetcher.fetch(current)).await;
        drop(running);
        let Fetched::Binary(download) = answer.map_err(no_answer)? else { return Ok(None) };
        let examined = guarded(pipeline.examine(download)).await;
        examined.context(
            ErrorKind::Rejected,
            || "a candidate was given up; this is a fault of selfup, report it",
        )?
    }

    /// The previous binary as a candidate, or why there is none that can be gone back to; nothing, if
    /// it is back already.
    pub(super) fn previous(&mut self) -> Result<Option<Candidate>, String> {
        let found = if let Some(pipeline) = self.stand.pipeline() {
            pipeline.previous()
        } else {
            let words = "this service does not upgrade its binary, so it cannot roll it back; ask \
                         the one that does, or put a binary there by hand";
            Err(Error::new(ErrorKind::Rollback, words))
        };
        found.map_err(|error| {
            let reason = error.chain();
            self.opening.observer.warn(error);
            reason
        })
    }

    pub(super) fn clear(&mut self) {
        if let Some(pipeline) = self.stand.pipeline() {
            pipeline.clear();
        } else {
            let words = "this service does not upgrade its binary; ask the one that does to forget \
                         what was refused, or remove its history";
            self.opening.observer.warn(Error::new(ErrorKind::Unsupported, words));
        }
    }

    /// Puts it in place, or says why not.
    pub(super) fn swap(&mut self, candidate: Candidate) -> Result<(), String> {
        let Some(pipeline) = self.stand.pipeline() else { return Err(NOT_OURS.into()) };
        let swapped = pipeline.swap(candidate);
        swapped.map_err(|error| {
            warn_of(&self.opening.observer, &error);
            error.chain()
        })
    }

    pub(super) fn discard(&mut self, candidate: Candidate) {
        if let Some(pipeline) = self.stand.pipeline() {
            pipeline.discard(candidate);
        }
    }

    /// The binary cannot be upgraded for now.
    fn close(&mut self, error: Error) {
        let (told, pipeline) = match std::mem::replace(&mut self.stand, Stand::Following) {
            Stand::Open(pipeline) => (None, Some(pipeline)),
            Stand::Closed(told, pipeline) => (Some(told), pipeline),
            Stand::Following => (None, None),
        };
        if let Some(pipeline) = &pipeline {
            // Not what is there by now: that may be what is to be followed.
            self.seen = Some(pipeline.inode());
        }
        if is_taken(&error) {
            let reason = Arc::new(error);
            self.opening.observer.tell(&Event::Following { reason });
            return;
        }
        let text = error.chain();
        if told.as_ref() != Some(&text) {
            tell_closed(&self.opening.observer, text.clone());
        }
        self.stand = Stand::Closed(text, pipeline.filter(|pipeline| pipeline.is_needed()));
    }

    /// Looks whether the binary can be upgraded by now, and what somebody else has made of it. Says
    /// whether what runs here, or may, was put back by that.
    fn look(&mut self) -> bool {
        if self.stand.pipeline().is_some() {
            return self.look_again();
        }
        match self.opening.open(None) {
            Ok(pipeline) => {
                let is_following = matches!(self.stand, Stand::Following);
                // Who had the lock may have let go of it just after an upgrade.
                let news = is_following.then(|| pipeline.news(self.seen)).flatten();
                self.open(Box::new(pipeline));
                if self.restore_what_failed() || self.has_put_back() {
                    return true;
                }
                // Whoever had it on trial is gone.
                if self.tell_what_waits() && self.restarts {
                    self.tell_restart();
                } else if let Some(news) = news {
                    self.take_note(news);
                }
            }
            Err(error) => {
                if matches!(self.stand, Stand::Following) {
                    self.follow();
                    if is_taken(&error) {
                        return false;
                    }
                }
                self.close(error);
            }
        }
        false
    }

    fn open(&mut self, pipeline: Box<Pipeline>) {
        self.stand = Stand::Open(pipeline);
        self.opening.observer.tell(&Event::UpgradesEnabled);
    }

    fn follow(&mut self) {
        let Opening { origin, acceptance, .. } = &self.opening;
        if let Some((found, news)) = upgrade::look(origin, acceptance, self.seen) {
            // Once: what comes of it is told.
            self.seen = Some(found);
            self.take_note(news);
        }
    }

    /// Of a file that somebody else put at the path.
    fn take_note(&self, news: Result<()>) {
        match news {
            Ok(()) if self.restarts => self.tell_restart(),
            Ok(()) => {}
            Err(error) => self.opening.observer.warn(error),
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

    /// Whether the previous binary was put back when the pipeline was opened: what runs is what
    /// failed, or may be, and there is no service that is not to be restarted from that.
    fn has_put_back(&self) -> bool {
        matches!(&self.stand, Stand::Open(pipeline) if pipeline.has_put_back())
    }

    fn tell_restart(&self) {
        // The loop is gone only when the master ends.
        let _ = self.report.send(Report::Done(Input::Restart));
    }
}

const NOT_OURS: &str = "another service upgrades this binary";

/// What this process was started from.
fn running() -> Option<Inode> {
    Inode::at(Path::new("/proc/self/exe")).ok()
}

fn no_answer(source: BoxError) -> Error {
    let when = match RetryAfter::within(&*source) {
        Some(rests) => {
            // Nobody wants to read nanoseconds.
            let rests = Duration::from_secs(rests.as_secs().max(1));
            format!("in {} at the soonest, as it says", humantime::format_duration(rests))
        }
        None => "at its next poll".to_owned(),
    };
    let words = format!("no answer of the fetcher; it is asked again {when}");
    Error::new(ErrorKind::Fetch, words).caused_by(source)
}

fn tell_closed(observer: &Observer, text: String) {
    let reason = Arc::new(Error::new(ErrorKind::Unsupported, text));
    observer.tell(&Event::UpgradesDisabled { reason });
}

fn warn_of(observer: &Observer, error: &Error) {
    observer.warn(Error::new(error.kind(), error.chain()));
}
