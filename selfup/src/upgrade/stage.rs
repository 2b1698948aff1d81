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

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncReadExt as _;

use super::attributes;
use super::candidate::Candidate;
use super::preflight::Target;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::fetcher::Download;
use crate::identity::BinaryId;

/// What a download may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_size: u64,
    /// The longest silence of the source. Fetchers have limits of their own; this is the net below.
    pub(super) idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_size: 1 << 30, idle: Duration::from_secs(60) }
    }
}

const BUFFER: usize = 64 * 1024;

/// Writes `download` to a file beside the binary.
pub(super) async fn stage(
    mut download: Download,
    target: &Target,
    limits: Limits,
) -> Result<Candidate> {
    check_space(download.length, target, limits)?;
    let mut file = target.new_file().map_err(|error| not_written(error, target))?;
    let digest = write(&mut download, &mut file, target, limits).await?;
    let failed = |error| not_written(error, target);
    let path = finish(file, target).map_err(failed)?;
    let id = BinaryId::from_bytes(digest.finalize().into());
    Candidate::new(path, id, download.validator.take()).map_err(failed)
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
    file: &mut NamedTempFile,
    target: &Target,
    limits: Limits,
) -> Result<Sha256> {
    let expected = download.length;
    let longest = expected.unwrap_or(limits.max_size);
    let mut digest = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut written = 0;
    loop {
        let read = tokio::time::timeout(limits.idle, download.reader.read(&mut buffer)).await;
        let read = read.map_err(|_| idle(limits.idle, written))?;
        let read = read.context(ErrorKind::Fetch, || {
            format!("the download broke off after {written} bytes; it is tried again")
        })?;
        if read == 0 {
            break;
        }
        written += read as u64;
        if written > longest {
            return Err(too_long(expected, limits.max_size));
        }
        digest.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(|error| not_written(error, target))?;
    }
    match expected {
        Some(expected) if expected != written => Err(Error::new(
            ErrorKind::Verify,
            format!("the download ended after {written} of {expected} bytes; it is tried again"),
        )),
        _ => Ok(digest),
    }
}

/// Owner, mode, attributes, flush, close: in the order that keeps them.
fn finish(file: NamedTempFile, target: &Target) -> io::Result<TempPath> {
    let (file, path) = file.into_parts();
    attributes::copy(target.file(), &file)?;
    file.sync_all()?;
    Ok(path)
}

/// The download, and a second file of its size for the binary that is kept.
fn check_space(length: Option<u64>, target: &Target, limits: Limits) -> Result<()> {
    let Some(length) = length else { return Ok(()) };
    if length > limits.max_size {
        return Err(too_long(None, limits.max_size));
    }
    let needed = length.saturating_mul(2);
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

fn not_written(error: io::Error, target: &Target) -> Error {
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
