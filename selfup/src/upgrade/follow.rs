//! What became of the binary while somebody else upgraded it.
//!
//! Another service of the same binary knows what the one with the lock does from what lies beside it.
//! A trial is noted before a candidate takes the path, and the note goes when it stays, after the
//! history has it: so whoever sees a file at the path before and after it sees no note has seen one
//! that is to stay. Whether an upgrade put it there, it knows by either of two things:
//!
//! - the history says that this binary proved itself;
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
    if Trial::is_there(&beside) {
        return None;
    }
    let news = if has_replaced(&beside, seen) {
        Ok(())
    } else {
        let id = BinaryId::of_file(&path).ok()?;
        match good(&path, &beside, acceptance) {
            Ok(good) if good == Some(id) => Ok(()),
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
        let is_upgrade = is_proven || has_replaced(self.target.folder(), seen);
        Some(if is_upgrade { Ok(()) } else { Err(by_hand(self.target.path())) })
    }
}

/// What the history says of the binary that proved itself last.
fn good(path: &Path, beside: &Folder, acceptance: &Acceptance) -> Result<Option<BinaryId>> {
    let history = match &acceptance.state_dir {
        Some(directory) => History::load_from(&Folder::in_state_dir(directory, path)?),
        None => History::load_from(beside),
    };
    history.map(|history| history.good())
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
