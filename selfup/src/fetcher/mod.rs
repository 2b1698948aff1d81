//! Where new binaries come from.
//!
//! A [`Fetcher`] is asked once a poll whether there is a binary other than the one that runs, and
//! answers "unchanged" or with a stream of bytes. It keeps no memory of its own: what it needs to
//! ask politely next time (an `ETag`, a time stamp) it hands over as the [`validator`] of its
//! download, and gets it back in [`Current`] once the cycle that it began has *ended*: the bytes
//! were taken, or refused for good. A cycle that failed half-way leaves no trace, so a truncated
//! download cannot be mistaken for the newest version.
//!
//! The validator is on disk, beside the binary or in `state_dir`, so a service that is started again
//! does not download what it runs. One that has never ended a cycle has nothing to ask with, so its
//! first poll downloads, once. No built-in fetcher asks for the headers first: a length, or a date,
//! does not say that the bytes are those that run. A source that tells their SHA-256 does, and then
//! nothing is read: [`Download::sha256`].
//!
//! # When it is asked
//!
//! The schedule is the master's, and the same for every fetcher:
//!
//! - **Full jitter.** The time between two polls is random: between `min_fetch_interval` and as far above
//!   the [interval](Fetcher::interval) as that is below it, and on average the interval. Five minutes
//!   are anything from a second to ten minutes. An interval that is `min_fetch_interval`, such as `"1s"`
//!   by default, is kept exactly.
//! - **The first poll** comes at a random moment, too, within the interval and 30 seconds, so that a
//!   fleet that is started at once does not ask at once, and no host waits long to learn that it is
//!   behind. A thousand hosts with one interval spread their polls evenly from the first one on.
//! - **After an error** the interval doubles with each further one in a row, until 60 intervals may pass
//!   between two polls, an hour at most: of a second, a minute; of five minutes, an hour. It is never
//!   shorter than the interval. A success sets it back. An error is what `fetch` returns, and a download
//!   that breaks off.
//! - **[`RetryAfter`]** in an error, or in one of its causes, has the source left alone for that time, a
//!   day at most, and then for a random part of an interval.
//! - **`check_now()`** and [`changed`](Fetcher::changed) have a poll come at once, but for
//!   `min_fetch_interval` and `RetryAfter`, which they keep to. They do not wait for the end of a
//!   back-off. The regular polls stay where they were.
//!
//! The schedule is not kept over a restart of the service, or of the master in place, which begin anew.
//! A master that does not upgrade the binary itself, for somebody else does or it cannot be replaced,
//! looks by the same schedule whether that has changed, and does not ask its fetcher.
//!
//! # What it may do wrong
//!
//! It runs on a thread of its own, beside the event loop and the thread that upgrades, so that nothing but
//! the next poll depends on it:
//!
//! - It is never asked twice at once, and when the service ends, or something else has to be done first,
//!   what it was at is dropped, wherever it waits.
//! - An error or a panic (where panics unwind) is told as the event `FetchFailed`, and it is asked again.
//! - An answer that has not come in 10 minutes is told as a warning, and in 30 minutes it is given up
//!   like an error, and asked for again. The download is no part of that. It is bounded whatever its
//!   fetcher does: by `max_size`, by five minutes of silence, and by five minutes of waiting that bring
//!   less than 1200 KiB.
//! - Code that **blocks its thread** instead of waiting cannot be ended from outside, and the fetcher is
//!   inside of it. It is told as the other is, and nobody waits for it: the service serves on, is restarted,
//!   rolled back and stopped as ever, and a master that becomes other code begins with a fetcher of its own.
//!   But there are no polls until it returns. Have what blocks done by `tokio::task::spawn_blocking`.
//! - When the service ends, or its master becomes other code, it ends wherever it is, as by SIGKILL.
//!
//! # What it delivers
//!
//! Where the service verifies signatures, [`Current::wants_signature`] says so, and the fetcher
//! delivers the signature of a binary that is new with its [`Download`]. That costs a poll that finds
//! nothing new nothing at all. A download whose signature or digest is refused ends no cycle, so it
//! is offered again at the next poll, and a signature that is published later than its binary is
//! noticed then.
//!
//! A binary is delivered as it is published: compressed, or in an archive, too. What is told with it,
//! its length and its digest, is that of the published file, and it is unpacked once these were
//! compared (feature `archives`).
//!
//! Rejected: validators inside the fetcher. Each fetcher would have to learn whether its cycle
//! ended, and none of them would survive a restart of the master.
//!
//! Rejected: a thread that takes over where one blocks. It would have no fetcher, for there is one,
//! and the blocked call has it.
//!
//! Rejected: windows of time, `when("02:00-04:00", ..)`. They need time zones and their changes, and
//! they are somebody else's already: with `no_restart_after_fetch` a binary is fetched, verified and put
//! in place when it is published, and whoever keeps the calendar, cron or a systemd timer, sends the
//! restart signal in the window.
//!
//! [`validator`]: Download::validator

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use crate::error::BoxError;
use crate::identity::BinaryId;

mod boxed;
mod checksums;
mod fallback;
mod file;
#[cfg(any(feature = "github", feature = "gitlab", feature = "gitea"))]
mod forge;
mod from_fn;
#[cfg(feature = "http")]
mod http;
mod mistake;
mod retry_after;
pub(crate) mod schedule;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod store;
#[cfg(feature = "http")]
mod web;

pub use self::boxed::{BoxFetcher, boxed};
pub use self::fallback::{Fallback, fallback};
pub use self::file::{File, file};
#[cfg(any(feature = "github", feature = "gitlab", feature = "gitea"))]
pub use self::forge::Forge;
#[cfg(feature = "gitea")]
pub use self::forge::gitea;
#[cfg(feature = "github")]
pub use self::forge::github;
#[cfg(feature = "gitlab")]
pub use self::forge::gitlab;
pub use self::from_fn::{FromFn, from_fn};
#[cfg(feature = "http")]
pub use self::http::{Http, http};
pub use self::retry_after::RetryAfter;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub use self::store::Store;
#[cfg(feature = "azure")]
pub use self::store::{Azure, azure};
#[cfg(feature = "gcs")]
pub use self::store::{Gcs, gcs};
#[cfg(feature = "s3")]
pub use self::store::{S3, s3};

/// Finds and delivers new binaries.
///
/// `fetch` runs in the master, on a thread of its own: it may take its time, but it
/// should bound each wait, and never block the thread. It is never called twice at once. When it is
/// called, and what becomes of one that fails, panics or hangs: see the [module](self).
///
/// It makes no trait objects; [`BoxFetcher`] is one type for all fetchers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a fetcher",
    label = "expected a fetcher",
    note = "use `selfup::fetcher::http(..)`, `file(..)`, `github(..)` or `from_fn(..)`, or implement \
            `selfup::Fetcher`"
)]
pub trait Fetcher: Send + 'static {
    /// Looks once.
    ///
    /// # Errors
    ///
    /// Any error. It is reported, and the fetcher is asked again, later with each error in a row; not
    /// before its time, if it is or holds a [`RetryAfter`].
    fn fetch(
        &mut self,
        current: &Current,
    ) -> impl Future<Output = Result<Fetched, BoxError>> + Send;

    /// The time between two polls, on average; 5 minutes by default. `min_fetch_interval` bounds it
    /// below. After errors it grows, to [60 times itself](self#when-it-is-asked) and an hour at most.
    /// It is asked for after each poll, so it may change; where it panics, it is the default.
    fn interval(&self) -> Duration {
        INTERVAL
    }

    /// Resolves when there is reason to ask before the interval is over; never by default.
    ///
    /// It is waited for between two polls, and dropped where something else ends the pause.
    /// `min_fetch_interval` bounds how soon a poll follows, and so does a [`RetryAfter`].
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Whether this fetcher was set up in a way that can work.
    ///
    /// Asked once, at start and before the first `fetch`, so that a mistake (a URL that is none) is
    /// an error of the configuration and not one of every poll. It does no I/O: a server that is
    /// down is no mistake. Anything goes by default.
    ///
    /// # Errors
    ///
    /// The mistake, and what to do about it.
    fn check(&self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The time between two polls, where a fetcher has none of its own.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// What runs now, for a fetcher to compare with.
#[derive(Debug, Clone)]
pub struct Current {
    id: BinaryId,
    validator: Option<String>,
    wants_signature: bool,
}

impl Current {
    /// What a fetcher is told when the binary `id` runs and no cycle has ended yet.
    #[must_use]
    pub fn new(id: BinaryId) -> Self {
        Self { id, validator: None, wants_signature: false }
    }

    /// Sets the validator of the last cycle that ended.
    #[must_use]
    pub fn with_validator(mut self, validator: Option<String>) -> Self {
        self.validator = validator;
        self
    }

    /// Sets whether the service verifies signatures.
    #[must_use]
    pub fn with_wanted_signature(mut self, is_wanted: bool) -> Self {
        self.wants_signature = is_wanted;
        self
    }

    /// Whether the service verifies signatures: a [`Download`] without one is refused then.
    #[must_use]
    pub fn wants_signature(&self) -> bool {
        self.wants_signature
    }

    /// The binary that runs.
    ///
    /// Where it came in an archive, this is the digest of the binary, and not that of the archive:
    /// a fetcher that knows digests of archives keeps the one that it delivered as
    /// [`validator`](Self::validator).
    #[must_use]
    pub fn id(&self) -> BinaryId {
        self.id
    }

    /// The validator of the last download whose cycle ended, as the fetcher gave it.
    #[must_use]
    pub fn validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }
}

/// What a fetcher found.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fetched {
    /// Nothing new.
    Unchanged,
    /// Bytes that may be a new binary.
    Binary(Download),
}

/// A binary on its way, with what its source says about it.
pub struct Download {
    pub(crate) reader: Pin<Box<dyn AsyncRead + Send>>,
    pub(crate) length: Option<u64>,
    pub(crate) sha256: Option<BinaryId>,
    pub(crate) signature: Signature,
    pub(crate) validator: Option<String>,
}

/// What a source says about who signed its binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Signature {
    /// It says nothing.
    #[default]
    Unknown,
    /// It was asked, and there is none, in words that fit after "there is no signature: ".
    Missing(String),
    /// The text of a `.minisig` file.
    Given(String),
}

impl Download {
    /// A download that reads `reader` to its end.
    #[must_use]
    pub fn new(reader: impl AsyncRead + Send + 'static) -> Self {
        let (length, sha256, validator) = (None, None, None);
        Self { reader: Box::pin(reader), length, sha256, signature: Signature::Unknown, validator }
    }

    /// The exact length in bytes; a download that is shorter or longer is refused.
    #[must_use]
    pub fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// The SHA-256 that the bytes must have, as they are published: that of the archive, where it is
    /// one. Bytes that were refused before, or run already, are not even read.
    #[must_use]
    pub fn sha256(mut self, digest: [u8; 32]) -> Self {
        self.sha256 = Some(BinaryId::from_bytes(digest));
        self
    }

    /// The minisign signature of the bytes: the text of a `.minisig` file, 8 KiB at most. It is
    /// looked at only where [`Current::wants_signature`].
    #[must_use]
    pub fn signature(mut self, signature: impl Into<String>) -> Self {
        self.signature = Signature::Given(signature.into());
        self
    }

    /// What to give back as [`Current::validator`] once this cycle has ended; one that is longer than
    /// 4 KiB is not remembered.
    #[must_use]
    pub fn validator(mut self, validator: impl Into<String>) -> Self {
        self.validator = Some(validator.into());
        self
    }

    /// The length in bytes, where the source told it.
    #[must_use]
    pub fn get_length(&self) -> Option<u64> {
        self.length
    }

    /// The SHA-256 that the bytes must have, where the source told it.
    #[must_use]
    pub fn get_sha256(&self) -> Option<BinaryId> {
        self.sha256
    }

    /// The minisign signature of the bytes, where the source told it.
    #[must_use]
    pub fn get_signature(&self) -> Option<&str> {
        match &self.signature {
            Signature::Given(signature) => Some(signature),
            Signature::Unknown | Signature::Missing(_) => None,
        }
    }

    /// What to give back as [`Current::validator`] once this cycle has ended.
    #[must_use]
    pub fn get_validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }
}

/// Reads the bytes. Its end is the binary's end only if no read failed.
impl AsyncRead for Download {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reader.as_mut().poll_read(context, buffer)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("length", &self.length)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// So long a download may be silent, whatever its fetcher does meanwhile to go on with it: time for
/// ten attempts of the fetcher for URLs, and not for a source that is gone.
#[cfg(any(selfup_supervised, feature = "http"))]
pub(crate) const LONGEST_SILENCE: Duration = Duration::from_secs(5 * 60);

/// As much of a signature is read, in bytes: some four lines of a hundred characters.
pub(crate) const LONGEST_SIGNATURE: usize = 8 * 1024;

/// As much of a validator is remembered, in bytes.
pub(crate) const LONGEST_VALIDATOR: usize = 4096;

#[cfg(all(test, feature = "http"))]
mod tests;
