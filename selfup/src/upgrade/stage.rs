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
//! executed. Another one was opened before, and has the [lock](super::lock): once others may read the
//! file, they could take it, and keep it from the path.
//!
//! A source may lie about its length, send without an end, fall silent, or send so slowly that it
//! never ends: each is bounded. Announced lengths are exact; without one, `max_size` is the end. A
//! silence of five minutes ends a download, and so do five minutes of waiting that brought less than
//! 1200 KiB, which is 4 KiB/s: slower than a modem, and a gibibyte at that pace takes three days.
//! Only the time that is spent waiting for the source counts, so a slow disk is nobody's fault. A
//! download that is cut is gone on with by its fetcher, which has those five minutes for it. A cut and
//! a silence are tried again at the next poll; what is too long, too short or too slow is refused, and
//! left alone for a while: see [`offering`](super::offering).
//!
//! Room on the disk is looked at before a byte is read, where the length is known, and otherwise while
//! it is written: before each mebibyte.
//!
//! The bytes stay as published until they are verified; [`decode`](super::decode) unpacks them then.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _};
use std::path::Path;
use std::time::Duration;

use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;

pub(super) use self::sink::Sink;
use super::attributes;
use super::candidate::Candidate;
use super::folder::Folder;
use super::lock::{Held, lock};
use super::preflight::Target;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::fetcher::{Download, LONGEST_SILENCE};

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
        let (idle, window) = (LONGEST_SILENCE, LONGEST_SILENCE);
        Self { max_size: 1 << 30, idle, window, least: window.as_secs() * 4096 }
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
                ErrorKind::Verify,
                format!(
                    "the download brought {} bytes in {}, and {least} are the least; see why its \
                     source is so slow",
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

/// Before so many bytes each it is seen whether there is room for them.
const STEP: u64 = 1 << 20;

/// Sees that a file of which nobody said how long it will be does not fill the disk.
#[derive(Debug, Default)]
pub(super) struct Headroom {
    /// When so many bytes are written.
    look_at: u64,
}

impl Headroom {
    /// Refuses to go on behind `written` bytes, unless `needed` are free, and some more to go on
    /// with.
    pub(super) fn check(&mut self, written: u64, needed: u64, target: &Target) -> Result<()> {
        if written < self.look_at {
            return Ok(());
        }
        self.look_at = written + STEP;
        check_free(format_args!("more than {written} bytes"), needed.max(STEP), target.folder())
    }
}

/// Writes `download` to a file beside the binary.
pub(super) async fn stage(
    mut download: Download,
    target: &Target,
    limits: Limits,
) -> Result<Candidate> {
    check_space(download.length, target, limits)?;
    let mut sink = Sink::new(target)?;
    write(&mut download, &mut sink, target, limits).await?;
    let (path, file, id) = sink.finish()?;
    let validator = download.validator.take();
    Candidate::new(path, file, id, validator).map_err(|error| not_written(error, target))
}

/// A copy of the binary that `target` holds open, as complete as a candidate.
pub(super) fn copy_of(target: &Target) -> io::Result<(TempPath, Held)> {
    let (mut copy, file) = new_file(target)?;
    let mut from = target.file();
    from.rewind()?;
    io::copy(&mut from, copy.as_file_mut())?;
    Ok((finish(copy, target)?, file))
}

/// An empty file beside `target`, and the same read-only, with its lock: as long as nobody else may
/// open it, nobody else can have that.
fn new_file(target: &Target) -> io::Result<(NamedTempFile, Held)> {
    let written = target.new_file()?;
    let read = lock(File::open(written.path())?)?;
    Ok((written, read))
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
    let (mut pace, mut headroom) = (Pace::new(limits), Headroom::default());
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
        if expected.is_none() {
            // A second file of what there is so far has to find room, as where the length is known.
            headroom.check(written, written, target)?;
        }
        if written + read as u64 > longest {
            return Err(too_long(expected, limits.max_size));
        }
        sink.write(&buffer[..read])?;
    }
    match (expected, sink.written()) {
        (Some(expected), written) if expected != written => Err(Error::new(
            ErrorKind::Verify,
            format!(
                "the download ended after {written} of {expected} bytes; see what the source delivers"
            ),
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

/// Whether the next candidate has room, if it is as long as the binary in place.
pub(super) fn check_room(path: &Path, folder: &Folder) -> Result<()> {
    let Ok(length) = std::fs::metadata(path).map(|metadata| metadata.len()) else {
        return Ok(());
    };
    let words = format_args!("the size of the binary there, {length} bytes,");
    check_free(words, length.saturating_mul(2), folder)
}

/// The download, and a second file of its size: for the binary that is kept, or for what it is
/// unpacked to.
fn check_space(length: Option<u64>, target: &Target, limits: Limits) -> Result<()> {
    let Some(length) = length else { return Ok(()) };
    if length > limits.max_size {
        return Err(too_long(None, limits.max_size));
    }
    check_free(format_args!("{length} bytes"), length.saturating_mul(2), target.folder())
}

/// Refuses a candidate of such a `length` if less than `needed` bytes are free in `folder`.
pub(super) fn check_free(length: fmt::Arguments<'_>, needed: u64, folder: &Folder) -> Result<()> {
    // Where the file system does not tell, the writes will.
    let free = nix::sys::statvfs::statvfs(folder.directory())
        .ok()
        .filter(|stat| stat.blocks() > 0)
        .map(|stat| stat.blocks_available().saturating_mul(stat.fragment_size()));
    match free {
        Some(free) if free < needed => Err(Error::new(
            ErrorKind::Stage,
            format!(
                "{free} bytes are free in directory {}, and a candidate of {length} needs {needed}; \
                 free some space",
                folder.directory().display()
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
