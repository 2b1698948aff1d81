//! What became of the binary while somebody else upgraded it.
//!
//! Another service of the same binary knows what the one with the lock does from what lies beside it.
//! A trial is noted before a candidate takes the path, and the note goes when it stays, after the
//! history has it: so whoever sees a file at the path before and after it sees no note has seen one
//! that is to stay. Whether an upgrade put it there, or a rollback, it knows by any of three things:
//!
//! - the history says that this binary proved itself;
//! - what was seen before is what runs here, and it failed its trial: so the history says, or the note
//!   that is there until the history does. It was started during the trial, by who has not the lock;
//! - the binary that was seen at the path before is the previous one now, by its inode. That needs no
//!   history, which may be of another user, in another `state_dir`, or could not be written.
//!
//! Anything else is a deploy by hand. It is told, for it might not be one, and waits for a restart.
//!
//! Limits: of two upgrades between two looks, and where the file system has no hard links, only the
//! history tells. What an operator puts at the path while a candidate is on trial there is taken for
//! an upgrade, and vetted like one.

use std::path::Path;

use super::Pipeline;
use super::folder::Folder;
use super::history::History;
use super::preflight::{Inode, folder_of};
use super::trial::Trial;
use crate::config::Acceptance;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::BinaryId;
use crate::origin::Origin;

/// Another file than the one that was `seen` at the path of the binary, and that is not on trial; and
/// whether an upgrade put it there, or why that is not known.
pub(crate) fn look(
    origin: &Origin,
    acceptance: &Acceptance,
    seen: Option<Inode>,
) -> Option<(Inode, Result<()>)> {
    let path = origin.real_path().ok()?;
    let found = Inode::at(&path).ok().filter(|found| Some(*found) != seen)?;
    let beside = folder_of(&path).ok()?;
    let news = if Trial::is_there(&beside) {
        let trial = Trial::load(&beside).ok().flatten().filter(|trial| trial.failed.is_some())?;
        running(seen).filter(|running| *running == trial.candidate).map(|_| Ok(()))?
    } else if has_replaced(&beside, seen) {
        Ok(())
    } else {
        let id = BinaryId::of_file(&path).ok()?;
        match history(&path, &beside, acceptance) {
            Ok(history) if history.good() == Some(id) || has_failed(&history, seen) => Ok(()),
            Ok(_) => Err(by_hand(&path)),
            Err(error) => Err(by_hand(&path).caused_by(error)),
        }
    };
    (Inode::at(&path).ok() == Some(found)).then_some((found, news))
}

impl Pipeline {
    /// As [`look`] says it, by who has the lock.
    pub(crate) fn news(&self, seen: Option<Inode>) -> Option<Result<()>> {
        if self.trial.is_some() || seen == Some(self.inode()) {
            return None;
        }
        let is_proven = self.history.good() == Some(self.target.id());
        let is_proven = is_proven || has_failed(&self.history, seen);
        let is_upgrade = is_proven || has_replaced(self.target.folder(), seen);
        Some(if is_upgrade { Ok(()) } else { Err(by_hand(self.target.path())) })
    }
}

fn history(path: &Path, beside: &Folder, acceptance: &Acceptance) -> Result<History> {
    match &acceptance.state_dir {
        Some(directory) => History::load_from(&Folder::in_state_dir(directory, path)?),
        None => History::load_from(beside),
    }
}

/// Whether what was `seen` runs here, and was turned down meanwhile.
fn has_failed(history: &History, seen: Option<Inode>) -> bool {
    running(seen).is_some_and(|running| history.why_not(running).is_some())
}

/// What runs here, if that is what was `seen`.
fn running(seen: Option<Inode>) -> Option<BinaryId> {
    let path = Path::new("/proc/self/exe");
    let is_it = seen.is_some() && seen == Inode::at(path).ok();
    is_it.then(|| BinaryId::of_file(path).ok()).flatten()
}

/// Whether what was `seen` has the name of the previous binary.
fn has_replaced(beside: &Folder, seen: Option<Inode>) -> bool {
    seen.is_some() && seen == Inode::of_name(&beside.path_of("previous")).ok()
}

fn by_hand(path: &Path) -> Error {
    let words = format!(
        "another file was put at {}, and it is not known that it passed a trial, so it is taken for a \
         deploy by hand; restart the service to have it run",
        path.display()
    );
    Error::new(ErrorKind::Swap, words)
}

#[cfg(test)]
mod tests;
