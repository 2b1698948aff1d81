//! The history's file: `.NAME.selfup-history` beside the binary, or, in a `state_dir`,
//! `.NAME-DIGITS.selfup-history`, with the first 16 digits of the SHA-256 of the binary's path.
//!
//! It is written when something changes, as a whole and by a rename, so that it is complete at
//! every instant; while there is nothing to remember there is no file. Only who holds the binary's
//! lock reads or writes it.
//!
//! Nothing depends on it: a file that cannot be read is no history, one that cannot be written is
//! told once and tried again with the next candidate, and what is in memory goes on working.

use std::io;

use super::record::{self, Moment};
use super::{History, Target};
use crate::error::{BoxError, Context as _, ErrorKind, Result};
use crate::upgrade::folder::Folder;

impl History {
    /// What the file beside `target` says.
    pub(in crate::upgrade) fn load(target: &Target) -> Result<Self> {
        Self::load_from(target.state())
    }

    /// What the file on `folder` says, which may be the file of somebody else.
    pub(in crate::upgrade) fn load_from(folder: &Folder) -> Result<Self> {
        parse(folder, |text| record::from_text(text, Moment::now()))
    }

    /// Goes on beside `target`, which lies elsewhere than before, with what is remembered there.
    pub(in crate::upgrade) fn move_to(&mut self, target: &Target) -> Result<()> {
        let found = Self::load(target);
        // Even where both say the same: nothing here was written there.
        self.is_unsaved |= !self.is_empty();
        found.map(|found| self.add_earlier(found))
    }

    /// Writes down what has changed. An error is given once, until a writing succeeds.
    ///
    /// Where the path leads to another file than `target` its lock is not ours, and this waits.
    pub(in crate::upgrade) fn save(&mut self, target: &Target) -> Result<()> {
        if !self.is_unsaved || !target.is_in_place() {
            return Ok(());
        }
        let Err(error) = self.write(target) else {
            (self.is_unsaved, self.is_told) = (false, false);
            return Ok(());
        };
        if std::mem::replace(&mut self.is_told, true) {
            return Ok(());
        }
        Err(error).context(ErrorKind::Stage, || {
            format!(
                "the history {} cannot be written, so the next start may try again what was \
                 turned down; see that its directory can be written and has free space",
                target.state().path_of(FILE).display()
            )
        })
    }

    /// Somebody who removes the file has everything in it tried again.
    pub(in crate::upgrade) fn notice_removal(&mut self, target: &Target) {
        let path = target.state().path_of(FILE);
        let is_removed = || {
            let found = path.symlink_metadata();
            found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        if self.is_on_disk && target.is_in_place() && is_removed() {
            self.is_on_disk = false;
            self.clear();
        }
    }

    fn write(&mut self, target: &Target) -> Result<(), BoxError> {
        let folder = target.state();
        if self.is_empty() {
            folder.remove(FILE)?;
        } else {
            folder.write(FILE, &record::to_text(self, Moment::now())?)?;
            folder.flush()?;
        }
        self.is_on_disk = !self.is_empty();
        Ok(())
    }
}

#[cfg(feature = "cli")]
impl super::Remembered {
    /// What the file on `folder` says.
    pub(in crate::upgrade) fn load_from(folder: &Folder) -> Result<Self> {
        parse(folder, record::remembered)
    }
}

/// The text on `folder`, read by `read`.
fn parse<T: Default>(folder: &Folder, read: impl Fn(&str) -> Result<T, BoxError>) -> Result<T> {
    let text = folder.read(FILE, LARGEST).map_err(BoxError::from);
    let parsed = text.and_then(|text| text.map_or_else(|| Ok(T::default()), |text| read(&text)));
    parsed.context(ErrorKind::Stage, || {
        format!(
            "the history {} cannot be read, so binaries that were turned down before may be tried \
             again; remove it",
            folder.path_of(FILE).display()
        )
    })
}

const FILE: &str = "history";

/// In bytes: more than the longest history takes, each character of its reasons escaped.
const LARGEST: u64 = 512 * 1024;
