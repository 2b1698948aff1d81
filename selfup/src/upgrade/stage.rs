//! Brings a candidate onto the disk, whole and digested, beside the binary.
//!
//! Beside it, because only within a file system does a rename put a file in place atomically; in a
//! named file, because a nameless one would show its program a `current_exe` that does not exist.
//! A leftover of a killed master is swept at the next start.
//!
//! The bytes are digested on their way, so nothing is read twice, and never is more than a buffer
//! of them in memory. What is written is complete in the end: it has the [`attributes`] of the
//! binary, without the rights that an untrusted file must not have; then it is flushed to the disk,
//! and the descriptor that can write is closed, for as long as it is open the file cannot be
//! executed.
//!
//! A source may lie about its length, send without an end, fall silent, or send so slowly that it
//! never ends: each is bounded. Announced lengths are exact; without one, `max_size` is the end. A
//! silence of a minute ends a download, and so does a minute of waiting that brought less than
//! 240 KiB, which is 4 KiB/s: slower than a modem, and a gibibyte at that pace takes three days.
//! Only the time that is spent waiting for the source counts, so a slow disk is nobody's fault. A
//! download that is bounded like this may be cut; to go on with it is the fetcher's business.
//!
//! The bytes stay as published until they are verified; [`decode`](super::decode) unpacks them then.

use std::fs::File;
use std::io::{self, Seek as _};
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncReadExt as _;

pub(super) use self::sink::Sink;
use super::attributes;
use super::candidate::Candidate;
use super::preflight::Target;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::fetcher::Download;

mod sink;

/// What a download may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_size: u64,
    /// The longest silence of the source. Fetchers have limits of their own; this is the net below.
    pub(super) idle: Duration,
    /// So much waiting for the source has to bring at least ...
    pub(super) window: Duration,
    /// ... so many bytes.
    pub(super) least: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { max_size: 1 << 30, idle: minute, window: minute, least: 60 * 4096 }
    }
}

/// Whether a source sends fast enough to come to an end.
#[derive(Debug)]
struct Pace {
    limits: Limits,
    waited: Duration,
    brought: u64,
}

impl Pace {
    fn new(limits: Limits) -> Self {
        Self { limits, waited: Duration::ZERO, brought: 0 }
    }

    /// So long was waited for so many bytes.
    fn add(&mut self, waited: Duration, brought: u64) -> Result<()> {
        self.waited += waited;
        self.brought += brought;
        if self.waited < self.limits.window {
            return Ok(());
        }
        if self.brought < self.limits.least {
            let (window, least) = (self.limits.window, self.limits.least);
            return Err(Error::new(
                ErrorKind::Fetch,
                format!(
                    "the download brought {} bytes in {}, and {least} are the least; it is tried \
                     again",
                    self.brought,
                    humantime::format_duration(window)
                ),
            ));
        }
        *self = Self::new(self.limits);
        Ok(())
    }
}

const BUFFER: usize = 64 * 1024;

/// After so many bytes each it is seen whether as many as came are free still.
const STEP: u64 = 16 << 20;

/// Writes `download` to a file beside the binary.
pub(super) async fn stage(
    mut download: Download,
    target: &Target,
    limits: Limits,
) -> Result<Candidate> {
    check_space(download.length, target, limits)?;
    let mut sink = Sink::new(target)?;
    write(&mut download, &mut sink, target, limits).await?;
    let (path, id) = sink.finish()?;
    let validator = download.validator.take();
    Candidate::new(path, id, validator).map_err(|error| not_written(error, target))
}

/// A copy of the binary that `target` holds open, as complete as a candidate.
pub(super) fn copy_of(target: &Target) -> io::Result<TempPath> {
    let mut copy = target.new_file()?;
    let mut from = target.file();
    from.rewind()?;
    io::copy(&mut from, copy.as_file_mut())?;
    finish(copy, target)
}

/// Gives `file`, which is trusted now, the rights that the binary has, and flushes it to the disk.
pub(super) fn seal(file: &File, target: &Target) -> io::Result<()> {
    if attributes::complete(target.file(), file)? {
        file.sync_all()?;
    }
    Ok(())
}

async fn write(
    download: &mut Download,
    sink: &mut Sink<'_>,
    target: &Target,
    limits: Limits,
) -> Result<()> {
    let expected = download.length;
    let longest = expected.unwrap_or(limits.max_size);
    let mut pace = Pace::new(limits);
    let mut buffer = vec![0; BUFFER];
    loop {
        let (asked, written) = (Instant::now(), sink.written());
        let read = tokio::time::timeout(limits.idle, download.reader.read(&mut buffer)).await;
        let read = read.map_err(|_| idle(limits.idle, written))?;
        let read = read.context(ErrorKind::Fetch, || {
            format!("the download broke off after {written} bytes; it is tried again")
        })?;
        if read == 0 {
            break;
        }
        pace.add(asked.elapsed(), read as u64)?;
        if expected.is_none() && written / STEP != (written + read as u64) / STEP {
            // Nobody said how long it is: the disk is not to be filled to find out.
            check_free(written, written.max(STEP), target)?;
        }
        if written + read as u64 > longest {
            return Err(too_long(expected, limits.max_size));
        }
        sink.write(&buffer[..read])?;
    }
    match (expected, sink.written()) {
        (Some(expected), written) if expected != written => Err(Error::new(
            ErrorKind::Verify,
            format!("the download ended after {written} of {expected} bytes; it is tried again"),
        )),
        _ => Ok(()),
    }
}

/// Owner, mode, attributes, flush, close: in the order that keeps them.
fn finish(file: NamedTempFile, target: &Target) -> io::Result<TempPath> {
    let (file, path) = file.into_parts();
    attributes::copy(target.file(), &file)?;
    file.sync_all()?;
    Ok(path)
}

/// The download, and a second file of its size: for the binary that is kept, or for what it is
/// unpacked to.
fn check_space(length: Option<u64>, target: &Target, limits: Limits) -> Result<()> {
    let Some(length) = length else { return Ok(()) };
    if length > limits.max_size {
        return Err(too_long(None, limits.max_size));
    }
    check_free(length, length.saturating_mul(2), target)
}

/// Refuses a candidate of `length` bytes if less than `needed` are free beside `target`.
pub(super) fn check_free(length: u64, needed: u64, target: &Target) -> Result<()> {
    // Where the file system does not tell, the writes will.
    let free = nix::sys::statvfs::statvfs(target.directory())
        .ok()
        .filter(|stat| stat.blocks() > 0)
        .map(|stat| stat.blocks_available().saturating_mul(stat.fragment_size()));
    match free {
        Some(free) if free < needed => Err(Error::new(
            ErrorKind::Stage,
            format!(
                "{free} bytes are free in directory {}, and a candidate of {length} bytes needs \
                 {needed}; free some space",
                target.directory().display()
            ),
        )),
        _ => Ok(()),
    }
}

pub(super) fn not_written(error: io::Error, target: &Target) -> Error {
    let directory = target.directory().display();
    let words = format!(
        "the candidate could not be written in directory {directory}; see that it exists, can be \
         written and has free space"
    );
    Error::new(ErrorKind::Stage, words).caused_by(error)
}

fn idle(limit: Duration, written: u64) -> Error {
    let limit = humantime::format_duration(limit);
    let words =
        format!("the download was silent for {limit} after {written} bytes; it is tried again");
    Error::new(ErrorKind::Fetch, words)
}

fn too_long(expected: Option<u64>, max_size: u64) -> Error {
    let words = match expected {
        Some(expected) => {
            format!("the download is longer than the {expected} bytes that were announced")
        }
        None => format!("the download is longer than {max_size} bytes, the most that is taken"),
    };
    Error::new(ErrorKind::Verify, format!("{words}; see what the source delivers"))
}

#[cfg(test)]
mod tests;
