//! A binary that somebody puts at a path, or the newest of those in a directory.
//!
//! A look compares what `stat` says (device, inode, size, times) with what it said of the file that
//! was delivered last: the validator. So both ways of publishing are found: another file renamed over
//! the path, and the same file written anew. Looks are asked for by [`watch`], which hears of both at
//! once, and by the schedule, for where it does not.
//!
//! Whoever copies a file into place is caught in the middle of it sooner or later, so a file that
//! differs is taken only once it has stopped changing, and what was read counts only if it did not
//! change meanwhile either. How long it has to stay as it is depends on what was heard of it: after a
//! rename into place, or after its writer has closed it, a moment, for somebody may set its mode then;
//! otherwise 200 ms, and its end is waited for.
//!
//! - `place`: one path, or versions by a `*`
//! - `watch`: inotify; `watch_unsupervised` where there is none
//! - `stamp`: what tells one state of a file from another
//! - `beside`: its signature, and its digest
//! - `reader`: its bytes
//!
//! A version that is older than the one that runs is delivered like any other, when the newest one is
//! removed, and turned down by what its note says: the fetcher does not know what runs, and a validator
//! is of what was refused, too.
//!
//! Rejected: a digest of the file at each look, which would read a hundred megabytes a second to
//! learn nothing. Reflinks and `copy_file_range` for the copy beside the binary that runs: the bytes
//! have to be digested, so they are read in any case, and to write them costs less than that. Limits: a
//! copy that stalls for longer than the wait while nobody is heard to close it looks finished, and so
//! does one that is closed between its parts. It is then a truncated candidate, which is refused
//! further down, and its rest is a change like any other.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::beside::Beside;
use self::place::{Found, Place, fault, open};
use self::reader::Reader;
use self::stamp::Stamp;
use self::watch::{News, Watch};
use super::mistake::Mistake;
use super::{Current, Download, Fetched, Fetcher};
use crate::config::IntoDuration;
use crate::error::{BoxError, Error, Result};

mod beside;
mod place;
mod reader;
mod stamp;
#[cfg_attr(not(selfup_supervised), path = "watch_unsupervised.rs")]
mod watch;

/// A fetcher that watches the file at `path`.
///
/// On Linux it is told by the kernel (`inotify(7)`) when a file is renamed to the path, written there
/// or copied, or when a symlink on the way is changed, and looks at once; `min_fetch_interval` after
/// the last look at the earliest. Besides that it looks about every 10 seconds, and every
/// second where the kernel does not tell everything: on NFS and other file systems that somebody else
/// may write to, without the right to read the directory, at the limits of `fs.inotify`, and on other
/// systems. [`interval`](File::interval) sets that. When nothing changed, a look costs a handful of
/// system calls for what `stat` tells, and reads nothing; for a path with a `*` it lists a directory.
///
/// A file is taken when it was renamed into place, or when whoever wrote it has closed it, and 20 ms
/// more have passed without a change; where that was not seen, once it has not changed for 200 ms. Best
/// is a copy under another name in that directory, and a rename. A missing file is no error: it has not
/// been published yet. A relative path is resolved at each look, against the directory that is
/// current then.
///
/// # Versions
///
/// A `*` in the path stands for a version, and the newest one by the rules of
/// [semver](https://semver.org) is taken: `/srv/releases/myapp-*`, `/srv/releases/myapp-*.tar.gz`, or
/// `/srv/releases/*/bin/myapp`. There is one `*`, in any part of the path; what it stands for is
/// `1.2.3` or `v1.2.3`, and whatever is not a version is passed over. So are pre-releases, unless
/// [`prerelease`](File::prerelease) says otherwise, and versions whose binary is not there yet. Of two
/// that differ only in their build metadata, the one whose metadata sorts last is taken. A directory may
/// have 10,000 entries. When the newest version is removed, the one before it is found, and refused as
/// older than what runs, unless [`allow_downgrade`](crate::Builder::allow_downgrade) is set.
///
/// # Signatures and digests
///
/// Where the service [verifies](crate::Builder::verify) signatures, the signature is the file of the
/// same name with `.minisig` behind it; see [`signature`](File::signature). A SHA-256 is looked for
/// where [`sha256`](File::sha256) says. Put both there before the binary: a binary whose signature comes
/// later is refused until a look finds both, and a new signature is a reason to look.
///
/// # Alone
///
/// ```
/// use selfup::fetcher::{self, Current, Fetched};
/// use selfup::{BinaryId, Fetcher as _};
/// use tokio::io::AsyncReadExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), selfup::BoxError> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("app");
/// # std::fs::write(&path, "the binary")?;
/// let mut releases = fetcher::file(&path);
/// // What runs, for fetchers that know a digest; this one compares with its last delivery.
/// let mut current = Current::new(BinaryId::of_file(&path)?);
/// if let Fetched::Binary(mut download) = releases.fetch(&current).await? {
///     let mut bytes = Vec::new();
///     download.read_to_end(&mut bytes).await?;
///     current = current.with_validator(download.get_validator().map(String::from));
/// #   assert_eq!(bytes, b"the binary");
/// }
/// assert!(matches!(releases.fetch(&current).await?, Fetched::Unchanged));
/// # Ok(())
/// # }
/// ```
///
/// It needs a runtime of tokio's with time and I/O enabled.
pub fn file(path: impl Into<PathBuf>) -> File {
    let mut mistake = Mistake::default();
    let path = path.into();
    let place = Place::parse(&path).unwrap_or_else(|message| {
        mistake.keep(message);
        Place::One(path)
    });
    let signature = Beside::of(".minisig").ok();
    File {
        place,
        interval: None,
        patience: PATIENCE,
        sha256: None,
        signature,
        watch: Watch::default(),
        last: Last::default(),
        mistake,
    }
}

/// A fetcher that watches a file; made by [`file()`].
#[derive(Debug)]
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct File {
    place: Place,
    /// Which the user chose.
    interval: Option<Duration>,
    patience: Duration,
    sha256: Option<Beside>,
    /// `None` is a mistake.
    signature: Option<Beside>,
    watch: Watch,
    last: Last,
    mistake: Mistake,
}

/// What became of the last look that was asked for.
#[derive(Debug, Default)]
enum Last {
    /// It failed, or there was none.
    #[default]
    None,
    /// It is under way, or was given up.
    Begun,
    /// There was nothing new.
    Unchanged(Option<Found>),
    /// This was delivered, and may be refused for want of what is beside it.
    Delivered(Found),
}

impl File {
    /// The time between two polls that nothing has asked for; by default 10 seconds where the kernel
    /// tells of every change, and 1 second elsewhere.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        self.interval = self.mistake.duration("interval", interval).or(self.interval);
        self
    }

    /// Whether pre-releases such as `1.3.0-rc.1` count as versions; not by default.
    ///
    /// A mistake for a path without a `*`.
    pub fn prerelease(mut self, counts: bool) -> Self {
        match &mut self.place {
            Place::Versions(versions) => versions.takes_pre_releases = counts,
            Place::One(_) => self.mistake.keep(
                "`prerelease` is about versions, and the path has none; write a `*` where the \
                 version is, as in \"/srv/releases/app-*\"",
            ),
        }
        self
    }

    /// Where the SHA-256 of the binary is published, which its bytes must then have. Default: it is
    /// not looked for.
    ///
    /// What begins with a `.` and has no `/` is put behind the path of the binary: `".sha256"`.
    /// Everything else is a path as seen from the directory of the binary: `"SHA256SUMS"` lies beside
    /// it.
    ///
    /// The file is what `sha256sum` writes, in any of its forms, 64 KiB at most, or nothing but a
    /// digest. The line counts that names the binary; a file for this binary alone, as behind its path,
    /// may name it otherwise. If there is no such file or line, the look fails, and no binary is taken.
    pub fn sha256(mut self, place: impl Into<PathBuf>) -> Self {
        self.sha256 = self.beside("sha256", place.into());
        self
    }

    /// Where the minisign signature of the binary is published, in the words of
    /// [`sha256`](Self::sha256); `".minisig"` by default. It is looked for only where the service
    /// [verifies](crate::Builder::verify) signatures.
    pub fn signature(mut self, place: impl Into<PathBuf>) -> Self {
        self.signature = self.beside("signature", place.into());
        self
    }

    fn beside(&mut self, setting: &str, place: PathBuf) -> Option<Beside> {
        Beside::of(place).map_err(|words| self.mistake.keep(format!("`{setting}`: {words}"))).ok()
    }

    async fn look(&mut self, current: &Current) -> Result<Fetched> {
        let known = current.validator().and_then(Stamp::parse);
        let mut found = self.find()?;
        let mut since = Instant::now();
        let deadline = since + self.patience;
        while let Some(seen) = found.take_if(|found| known.as_ref() != Some(&found.stamp)) {
            let left = self.quiet(&seen).saturating_sub(since.elapsed());
            if !left.is_zero() {
                self.watch.wait(left).await;
            } else if let Some(download) = self.deliver(&seen, current)? {
                self.last = Last::Delivered(seen);
                return Ok(Fetched::Binary(download));
            }
            found = self.find()?;
            if found.as_ref().is_some_and(|found| left.is_zero() || *found != seen) {
                if Instant::now() >= deadline {
                    return Err(self.restless(&seen));
                }
                since = Instant::now();
            }
        }
        self.last = Last::Unchanged(found);
        Ok(Fetched::Unchanged)
    }

    fn restless(&self, seen: &Found) -> Error {
        let words = format!(
            "keeps changing: {:?} were not enough for it to settle; copy the binary under another \
             name and rename it",
            self.patience
        );
        fault(&seen.path, words)
    }

    /// What is published, once everything is watched that could change that.
    fn find(&mut self) -> Result<Option<Found>> {
        let beside: Vec<_> = self.sha256.iter().chain(&self.signature).collect();
        self.watch.begin();
        let found = self.place.find(&mut self.watch, &beside);
        self.watch.end();
        found
    }

    /// How long what was `seen` has to stay as it is.
    fn quiet(&self, seen: &Found) -> Duration {
        // An empty file is one whose writer has only just begun.
        let is_finished = seen.stamp.length() > 0 && self.watch.has_finished();
        if is_finished { MOMENT } else { SETTLE }
    }

    /// What was `seen`, unless something else is there by now.
    fn deliver(&self, seen: &Found, current: &Current) -> Result<Option<Download>> {
        let Some((file, stamp)) = open(&seen.path)?.filter(|(_, stamp)| *stamp == seen.stamp)
        else {
            return Ok(None);
        };
        let mut download = download(file, seen, stamp);
        if let Some(sha256) = &self.sha256 {
            download = download.sha256(*sha256.digest(&seen.path)?.as_bytes());
        }
        if let Some(signature) = &self.signature
            && current.wants_signature()
        {
            download.signature = signature.signature(&seen.path)?;
        }
        Ok(Some(download))
    }
}

impl Fetcher for File {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.check()?;
        if let Last::Begun = std::mem::replace(&mut self.last, Last::Begun) {
            self.watch.forget();
        }
        self.watch.forget_beside();
        let found = self.look(current).await.inspect_err(|_| self.last = Last::None);
        self.watch.forget();
        Ok(found?)
    }

    fn interval(&self) -> Duration {
        let by_default = if self.watch.is_whole() { NET } else { INTERVAL };
        self.interval.unwrap_or(by_default)
    }

    async fn changed(&mut self) {
        if !self.watch.is_set() && self.mistake.check().is_ok() {
            // What is wrong there is told by the poll.
            let _ = self.find();
        }
        loop {
            let news = self.watch.changed().await;
            // Most of what happens on the way to a release is none yet, and a poll for it would hold
            // up the one that is for the release.
            let is_reason = match (self.find(), &self.last, news) {
                (Ok(found), Last::Unchanged(last), _) => found != *last,
                (Ok(found), Last::Delivered(last), News::File) => found.as_ref() != Some(last),
                _ => true,
            };
            if is_reason {
                return;
            }
            sleep(BREATH).await;
        }
    }

    fn check(&self) -> Result<(), BoxError> {
        Ok(self.mistake.check()?)
    }
}

fn download(file: fs::File, seen: &Found, stamp: Stamp) -> Download {
    let (length, validator) = (stamp.length(), stamp.to_string());
    let reader = Reader::new(file, seen.path.clone(), stamp);
    Download::new(reader).length(length).validator(validator)
}

/// The time between two looks: they cost next to nothing.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same where every change is noticed: it is for those that should have been.
const NET: Duration = Duration::from_secs(10);

/// A file that did not change for so long is complete.
const SETTLE: Duration = Duration::from_millis(200);

/// A file that was finished may be given its owner, mode and times for so long: `install` does.
const MOMENT: Duration = Duration::from_millis(20);

/// Between two looks that found nothing, however much happens there.
const BREATH: Duration = Duration::from_millis(10);

/// How long a file that changes is waited for before that is worth a report.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
