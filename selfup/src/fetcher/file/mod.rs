//! A binary that somebody puts at a path.
//!
//! A poll is one `stat`. What it says (device, inode, size, times) is the validator, so both ways
//! of publishing are noticed: another file renamed over the path, and the same file written anew.
//! Whoever copies a file into place is caught in the middle of it sooner or later, so a file that
//! differs is taken only once it has stopped changing, and what was read counts only if it did not
//! change meanwhile either.
//!
//! The signature is the file of that name with `.minisig` behind it, looked at only when the binary is
//! about to be delivered. Both are never of one moment; where they do not belong together, the
//! binary is refused, and offered again at the next look.
//!
//! Rejected: a digest of the file at each poll, which would read a hundred megabytes a second to
//! learn nothing. Limit: a copy that stalls for longer than the wait looks finished. It is then a
//! truncated candidate, which is refused further down, and its rest is a change like any other.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::reader::Reader;
use self::stamp::Stamp;
use super::mistake::Mistake;
use super::{Current, Download, Fetched, Fetcher, LONGEST_SIGNATURE, Signature};
use crate::config::IntoDuration;
use crate::error::{BoxError, Context as _, Error, ErrorKind, Result};

mod reader;
mod stamp;

/// A fetcher that watches the file at `path`, a second between two looks.
///
/// A file that is renamed over the path and one that is written in place are both noticed; the
/// latter is taken once it has not changed for 200 ms. A missing file is no error: it has not been
/// published yet. A relative path is resolved at each look, against the directory that is current
/// then. When nothing changed, a poll costs one `stat`.
///
/// Where the service [verifies](crate::Builder::verify) signatures, the signature is the file of the
/// same name with `.minisig` behind it. Put it there before the binary: a binary whose signature
/// comes later is refused until a look finds both.
pub fn file(path: impl Into<PathBuf>) -> File {
    let mut mistake = Mistake::default();
    let path = path.into();
    if path.as_os_str().is_empty() {
        mistake.keep("the path of the file fetcher is empty; name the file that releases replace");
    }
    File { path, interval: INTERVAL, patience: PATIENCE, mistake }
}

/// A fetcher that watches a file; made by [`file()`].
#[derive(Debug)]
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct File {
    path: PathBuf,
    interval: Duration,
    patience: Duration,
    mistake: Mistake,
}

impl File {
    /// The time between two looks; 1 second by default.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        self.interval = self.mistake.duration("interval", interval).unwrap_or(self.interval);
        self
    }

    async fn look(&self, current: &Current) -> Result<Fetched> {
        let known = current.validator().and_then(Stamp::parse);
        let Some(mut seen) = self.stamp()? else { return Ok(Fetched::Unchanged) };
        if known.as_ref() == Some(&seen) {
            return Ok(Fetched::Unchanged);
        }
        let deadline = Instant::now() + self.patience;
        loop {
            sleep(SETTLE).await;
            let Some((file, now)) = self.open()? else { return Ok(Fetched::Unchanged) };
            if now == seen {
                let mut download = self.deliver(file, seen);
                if current.wants_signature() {
                    download.signature = self.signature()?;
                }
                return Ok(Fetched::Binary(download));
            }
            if Instant::now() >= deadline {
                return Err(self.error(format!(
                    "keeps changing: {:?} were not enough for it to settle; copy the binary under \
                     another name and rename it",
                    self.patience
                )));
            }
            seen = now;
        }
    }

    fn deliver(&self, file: fs::File, seen: Stamp) -> Download {
        let (length, validator) = (seen.length(), seen.to_string());
        Download::new(Reader::new(file, self.path.clone(), seen))
            .length(length)
            .validator(validator)
    }

    /// What is in the file beside it.
    fn signature(&self) -> Result<Signature> {
        let mut path = self.path.clone().into_os_string();
        path.push(".minisig");
        let path = PathBuf::from(path);
        let shown = path.display();
        let file = match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Signature::Missing(format!("file {shown} is not there")));
            }
            opened => opened,
        };
        let read = file.and_then(|file| {
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            let mut bytes = Vec::new();
            file.take(LONGEST_SIGNATURE as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        let bytes = read.context(ErrorKind::Fetch, || format!("file {shown} cannot be read"))?;
        Ok(Signature::Given(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// What is at the path, or `None` while nothing is.
    fn stamp(&self) -> Result<Option<Stamp>> {
        match fs::metadata(&self.path) {
            Ok(metadata) => self.regular(&metadata).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("cannot be looked at").caused_by(error)),
        }
    }

    /// The file at the path, or `None` while there is none. Its stamp is that of the opened file,
    /// whatever is at the path by now.
    fn open(&self) -> Result<Option<(fs::File, Stamp)>> {
        match open(&self.path) {
            Ok(file) => {
                let metadata = file
                    .metadata()
                    .context(ErrorKind::Fetch, || self.describe("cannot be looked at"))?;
                let stamp = self.regular(&metadata)?;
                Ok(Some((file, stamp)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self
                .error("cannot be opened; the user of this service must be able to read it")
                .caused_by(error)),
        }
    }

    fn regular(&self, metadata: &fs::Metadata) -> Result<Stamp> {
        if metadata.is_dir() {
            return Err(self.error("is a directory; name the binary in it"));
        }
        if !metadata.is_file() {
            return Err(self.error("is not a regular file; name the binary itself"));
        }
        Ok(Stamp::of(metadata))
    }

    fn error(&self, what: impl AsRef<str>) -> Error {
        Error::new(ErrorKind::Fetch, self.describe(what))
    }

    fn describe(&self, what: impl AsRef<str>) -> String {
        format!("file {} {}", self.path.display(), what.as_ref())
    }
}

impl Fetcher for File {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.check()?;
        Ok(self.look(current).await?)
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn check(&self) -> Result<(), BoxError> {
        Ok(self.mistake.check()?)
    }
}

/// Opens for reading. Between the look and this call the path may have become a FIFO, which would
/// keep a plain `open` waiting for somebody to write to it; std adds `O_CLOEXEC`.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

/// The time between two looks: a `stat` costs next to nothing.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that did not change for so long is complete.
const SETTLE: Duration = Duration::from_millis(200);

/// How long a file that changes is waited for before that is worth a report.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
