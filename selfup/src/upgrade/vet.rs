//! Looks at a binary that somebody put at the path by hand, before it is started as a child.
//!
//! It goes through the checks of a candidate that need nobody's consent: the note, and the probe. An
//! older version passes, for this is the way back that is always open.
//! The file is the operator's, so it is looked at where it lies, nothing on disk is touched, and
//! nothing is remembered: the next restart looks again.
//!
//! What is executed is what was checked: the path has to lead to the same file, unchanged, after
//! the probe. Who starts the child compares once more, with [`Vetted::inode`].
//!
//! Limits: a file that is written to between the check of its note and its probe, and keeps length
//! and time, is not noticed; the probe has run it then, and a child is on probation.

use std::fs::{File, OpenOptions};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::candidate::Candidate;
use super::candidate::stamp::Stamp;
use super::preflight::Inode;
use super::{note, probe};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::BinaryId;
use crate::origin::Origin;

/// A binary that may be started as a child.
#[derive(Debug)]
pub(crate) struct Vetted {
    /// The addresses that it is configured to listen on, if its probe told them.
    pub(crate) addresses: Option<Vec<String>>,
    /// The file that was looked at.
    pub(crate) inode: Inode,
    /// Which binary that is, and of which version, as far as it is known.
    #[cfg_attr(not(feature = "control"), allow(dead_code, reason = "only an operator is told"))]
    pub(crate) known: Option<(Stamp, BinaryId, Option<String>)>,
}

impl Vetted {
    /// A candidate that passed every check, once it is in place.
    pub(crate) fn of(candidate: &Candidate) -> Self {
        let addresses = candidate.addresses().map(<[String]>::to_vec);
        let version = candidate.version().map(str::to_owned);
        let known = Some((candidate.stamp().clone(), candidate.id(), version));
        Self { addresses, inode: Inode::of_stamp(candidate.stamp()), known }
    }
}

/// What a file that was put in place by hand is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demands<'a> {
    /// It need not say which program it is.
    pub(crate) allow_unmarked: bool,
    /// The snapshot that it is asked to take over.
    pub(crate) rehearsal: Option<&'a str>,
}

/// Looks at the file that the path of `origin` leads to now, and gives that up when the other end of
/// `wanted` is closed.
///
/// Fails as a candidate would: with [`ErrorKind::Note`] or [`ErrorKind::Probe`] if the file is to
/// blame, with [`ErrorKind::Spawn`] if nothing is known about it and the next restart may try
/// again. Blocks for as long as a probe may take.
pub(crate) fn vet(
    origin: &Origin,
    demands: Demands<'_>,
    wanted: Option<BorrowedFd<'_>>,
) -> Result<Vetted> {
    vet_within(probe::Limits::default(), origin, demands, wanted)
}

fn vet_within(
    limits: probe::Limits,
    origin: &Origin,
    demands: Demands<'_>,
    wanted: Option<BorrowedFd<'_>>,
) -> Result<Vetted> {
    let path = origin.path();
    let looked = look(limits, origin, demands, wanted);
    looked.map_err(|error| {
        let words = format!("the binary at {} is not started", path.display());
        Error::new(error.kind(), words).caused_by(error)
    })
}

fn look(
    limits: probe::Limits,
    origin: &Origin,
    demands: Demands<'_>,
    wanted: Option<BorrowedFd<'_>>,
) -> Result<Vetted> {
    let path = origin.real_path().context(ErrorKind::Spawn, || GONE)?;
    let file = open(&path)?;
    let stamp = Stamp::of(&file).context(ErrorKind::Spawn, || UNREADABLE)?;
    note::check_deployed(file, demands.allow_unmarked)?;
    let probed = probe::probe(&path, origin, demands.rehearsal, limits, wanted);
    // By the path as started: a link may lead elsewhere by now.
    let found = open(origin.path())
        .and_then(|file| Stamp::of(&file).context(ErrorKind::Spawn, || UNREADABLE));
    if found? != stamp {
        let words = "it was changed while it was looked at; restart once the deploy is done";
        return Err(Error::new(ErrorKind::Spawn, words));
    }
    Ok(Vetted { addresses: probed?, inode: Inode::of_stamp(&stamp), known: None })
}

fn open(path: &Path) -> Result<File> {
    // What lies there may be a pipe, whose opening would wait for a writer.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.context(ErrorKind::Spawn, || UNREADABLE)?;
    let metadata = file.metadata().context(ErrorKind::Spawn, || UNREADABLE)?;
    if metadata.is_file() {
        return Ok(file);
    }
    Err(Error::new(ErrorKind::Note, "it is no regular file; put a binary there"))
}

const GONE: &str = "the path leads to no file; put a binary there";

const UNREADABLE: &str = "it cannot be read; make it readable";

#[cfg(test)]
mod tests;
