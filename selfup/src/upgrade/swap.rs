//! Puts a candidate in place of the binary, and the previous binary back.
//!
//! The path leads to a complete file at every instant: both ways it changes by one rename, and what
//! is renamed was flushed to the disk before. In order: the previous binary gets a second name
//! beside it (a hard link; where links are refused, a copy), the directory is flushed, the
//! candidate is renamed over the path, with the lock that it has, and the directory is flushed again. Between the
//! two flushes the disk may hold either binary at the path after a power cut, and the previous one
//! is there in both cases.
//!
//! Before that a [`trial`](super::trial) is written down, and the one flush of the directory serves
//! both; so at every instant what lies at the path is the binary that was, or is known to be on trial.
//!
//! A rename does nothing if both names lead to the same file, which happens when a swap was killed
//! half-way; so the source's name is always removed afterwards, whatever became of it.
//!
//! A previous binary that somebody else has locked comes back as a copy. Where none can be made, on a
//! full disk, it comes back with that lock, and upgrades wait until it is free.
//!
//! Limits: a deploy that replaces the file between the last look and the rename is overwritten, for
//! no system call renames only if. Nobody else has its lock for that instant only if it locks, too.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use nix::errno::Errno;

use super::candidate::Candidate;
use super::lock::Held;
use super::preflight::{Inode, Target};
use super::stage;
use super::trial::Trial;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::BinaryId;

/// A candidate that is in place of the binary, on trial, with the way back.
#[derive(Debug)]
pub(crate) struct Swapped {
    id: BinaryId,
    /// The binary that was there, under its other name, held open.
    previous: Target,
}

impl Swapped {
    /// The binary that is in place now.
    pub(crate) fn id(&self) -> BinaryId {
        self.id
    }

    /// The binary that was there before.
    pub(crate) fn previous_id(&self) -> BinaryId {
        self.previous.id()
    }
}

/// Puts `candidate` in place of `target`, which is the candidate afterwards, and has its trial noted.
///
/// What is `waiting` there was never tried: it goes, and what was there before it stays the previous
/// binary.
///
/// On an error the path leads to the binary that was there, and the candidate is gone; unless the
/// error is a [`ErrorKind::Rollback`], which says what could not be undone: then the candidate waits.
pub(super) fn swap(
    target: &mut Target,
    candidate: Candidate,
    waiting: &mut Option<Swapped>,
) -> Result<Swapped> {
    check(target, &candidate)?;
    let id = candidate.id();
    let (staged, file) = candidate.into_file();
    stage::seal(&file, target).map_err(|error| failed(error, target))?;
    let prepared = prepare(target, id, waiting.as_ref()).and_then(|kept| {
        let candidate = target.with_file(file, id)?;
        std::fs::rename(&staged, target.path())?;
        Ok((candidate, kept))
    });
    // A name that may be left goes before the directory is flushed, and not once it was.
    drop(staged);
    let (candidate, kept) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            note_again(target, waiting.as_ref());
            return Err(failed(error, target));
        }
    };
    let previous = std::mem::replace(target, candidate);
    let before = waiting.take().filter(|waiting| waiting.previous_id() != id);
    let previous = before.map(|waiting| waiting.previous).or(kept).unwrap_or(previous);
    let swapped = Swapped { id, previous };
    let Err(error) = target.flush_directory() else { return Ok(swapped) };
    let error = failed(error, target);
    *waiting = Some(swapped);
    let restored = restore(target, waiting);
    if target.id() != id {
        note_again(target, None);
        return Err(error);
    }
    // A candidate that stays in place without a trial is the worse news.
    Err(restored.err().unwrap_or(error))
}

/// Notes the trial and keeps the previous binary: all that has to be on the disk before a candidate
/// takes the path. If the previous one had to be copied: the copy.
fn prepare(target: &Target, id: BinaryId, waiting: Option<&Swapped>) -> io::Result<Option<Target>> {
    let waiting = waiting.filter(|waiting| waiting.previous_id() != id);
    let previous = waiting.map_or(target.id(), Swapped::previous_id);
    Trial::of(id, previous).write(target.folder()).map_err(io::Error::other)?;
    let kept = if waiting.is_some() { None } else { keep_previous(target)? };
    target.flush_directory()?;
    Ok(kept)
}

/// After a swap that came to nothing: the trial is the one that it was.
fn note_again(target: &Target, waiting: Option<&Swapped>) {
    // Left as it is, the note speaks of a candidate that is not in place, and is thrown away.
    let _ = match waiting {
        Some(waiting) => {
            Trial::of(waiting.id, waiting.previous_id()).write(target.folder()).is_ok()
        }
        None => Trial::remove(target).is_ok(),
    };
}

/// What `trial` tells of the binary at the path: what was there before, under its other name.
pub(super) fn take_up(target: &Target, trial: &Trial) -> Result<Swapped> {
    let path = target.previous_path();
    let found = open_previous(target);
    let previous = found.context(ErrorKind::Rollback, || {
        format!(
            "the binary at {} is on trial, and stays, for the previous one at {} cannot be used; \
             put a good binary at its path by hand if it fails",
            target.path().display(),
            path.display()
        )
    })?;
    if previous.id() != trial.previous {
        let words = format!(
            "the binary at {} is on trial, and stays, for {} is not the one that was there before; \
             put a good binary at its path by hand if it fails",
            target.path().display(),
            path.display()
        );
        return Err(Error::new(ErrorKind::Rollback, words));
    }
    Ok(Swapped { id: trial.candidate, previous })
}

/// The binary that was at the path before, under its other name. A lock that somebody else has is no
/// hindrance.
///
/// In a directory where others may create files the name may be anybody's, who could write to the file
/// once it was looked at: it is taken from those who could replace the binary in place as well.
pub(super) fn open_previous(target: &Target) -> io::Result<Target> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let path = target.previous_path();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no regular file"));
    }
    let owners = [0, nix::unistd::geteuid().as_raw(), target.file().metadata()?.uid()];
    if !owners.contains(&metadata.uid()) {
        let words = format!("it belongs to user {}, who is a stranger to it", metadata.uid());
        return Err(io::Error::new(io::ErrorKind::InvalidData, words));
    }
    let file = Held::if_free(file)?;
    let id = BinaryId::of_reader(&mut &*file)?;
    target.with_file(file, id)
}

/// Puts the previous binary back, which `target` is afterwards. If the path no longer leads to the
/// candidate, the file is somebody's deploy, and stays.
///
/// What is not put back is left in `swapped`, which is the way back still.
pub(super) fn restore(target: &mut Target, swapped: &mut Option<Swapped>) -> Result<()> {
    let Some(Swapped { id, mut previous }) = swapped.take().filter(|_| target.is_in_place()) else {
        return Ok(());
    };
    if let Err(error) = put_back(&mut previous) {
        let words = format!(
            "the previous binary could not be put back as {0}, which is tried again at each poll; see \
             that its directory can be written and has free space, or copy {1} over {0} by hand",
            previous.path().display(),
            previous.previous_path().display()
        );
        *swapped = Some(Swapped { id, previous });
        return Err(Error::new(ErrorKind::Rollback, words).caused_by(error));
    }
    *target = previous;
    // The service runs the right binary either way; only a power cut could undo this.
    target.flush_directory().context(ErrorKind::Rollback, || {
        format!(
            "directory {} could not be flushed to the disk; see whether that is well",
            target.directory().display()
        )
    })
}

fn check(target: &Target, candidate: &Candidate) -> Result<()> {
    let words = if !target.is_in_place() {
        format!(
            "another file was put at {} meanwhile; it stays, and the candidate is examined again \
             at the next poll",
            target.path().display()
        )
    } else if !candidate.is_unchanged() {
        "its file was changed after it was digested; a `pre_upgrade` hook must leave it as it is"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Swap, words))
}

/// Gives the binary at the path its other name. Where that is the name of a copy: the copy.
fn keep_previous(target: &Target) -> io::Result<Option<Target>> {
    let link = target.new_link(target.path()).ok();
    // A link may lead to another file: to a deploy of this moment, or, on some stacked file
    // systems, to the file's own copy in the upper layer.
    if let Some(link) = link.filter(|link| Inode::at(link).is_ok_and(|at| at == target.inode())) {
        std::fs::rename(&link, target.previous_path())?;
        return Ok(None);
    }
    let (copy, file) = locked_copy(target)?;
    let kept = target.with_file(file, target.id())?;
    std::fs::rename(&copy, target.previous_path())?;
    Ok(Some(kept))
}

/// Renames the kept binary over the path: its other name if that still leads to it, else a copy of
/// what is held open. A copy also where somebody else has locked it, for the path would have that
/// lock; unless no copy can be made: who has a lock keeps upgrades off, and what failed the service.
fn put_back(previous: &mut Target) -> io::Result<()> {
    let name = previous.previous_path();
    let is_there = Inode::of_name(&name).is_ok_and(|inode| inode == previous.inode());
    if is_there && previous.is_locked() {
        return std::fs::rename(&name, previous.path());
    }
    let copied = put_copy_back(previous);
    if !is_there {
        return copied;
    }
    if copied.is_err() {
        return std::fs::rename(&name, previous.path());
    }
    // What is in place is not the previous one; left behind, the next swap replaces it.
    let _ = std::fs::remove_file(name);
    Ok(())
}

fn put_copy_back(previous: &mut Target) -> io::Result<()> {
    let (copy, file) = locked_copy(previous)?;
    let copied = previous.with_file(file, previous.id())?;
    std::fs::rename(&copy, previous.path())?;
    *previous = copied;
    Ok(())
}

fn locked_copy(target: &Target) -> io::Result<(tempfile::TempPath, Held)> {
    let (copy, file) = stage::copy_of(target)?;
    stage::seal(&file, target)?;
    Ok((copy, file))
}

fn failed(error: io::Error, target: &Target) -> Error {
    let remedy = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => "it is a mount point; mount its directory instead of the file",
        Some(Errno::EPERM) => "it may be immutable, or belong to somebody else; see `lsattr`",
        _ => "see that its directory can be written and has free space",
    };
    let path = target.path().display();
    Error::new(ErrorKind::Swap, format!("{path} could not be replaced; {remedy}")).caused_by(error)
}

#[cfg(test)]
mod tests;
