//! The history's file beside the binary, `.NAME.selfup-history`.
//!
//! It is written when something changes, as a whole and by a rename, so that it is complete at
//! every instant; while there is nothing to remember there is no file. Only who holds the binary's
//! lock reads or writes it.
//!
//! Nothing depends on it: a file that cannot be read is no history, one that cannot be written is
//! told once and tried again with the next candidate, and what is in memory goes on working.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::record::{self, Moment};
use super::{History, Target};
use crate::error::{BoxError, Context as _, ErrorKind, Result};

impl History {
    /// What the file beside `target` says.
    pub(in crate::upgrade) fn load(target: &Target) -> Result<Self> {
        let path = target.history_path();
        let read = read(&path).map_err(BoxError::from);
        let parsed = read.and_then(|text| match text {
            Some(text) => record::from_text(&text, Moment::now()),
            None => Ok(Self::default()),
        });
        parsed.context(ErrorKind::Stage, || {
            format!(
                "the history {} cannot be read, so binaries that were turned down before may be \
                 tried again; remove it",
                path.display()
            )
        })
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
                target.history_path().display()
            )
        })
    }

    fn write(&self, target: &Target) -> Result<(), BoxError> {
        let path = target.history_path();
        if self.is_empty() {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                removed => removed?,
            }
        } else {
            let text = record::to_text(self, Moment::now())?;
            let mut file = target.new_file()?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
        }
        Ok(target.flush_directory()?)
    }
}

/// The text of the file at `path`, or `None` if there is none.
fn read(path: &Path) -> io::Result<Option<String>> {
    // Whatever lies there: a pipe must not hang, nor a link lead elsewhere.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    text_of(&file).map(Some)
}

fn text_of(file: &File) -> io::Result<String> {
    let strange = |words: String| io::Error::new(io::ErrorKind::InvalidData, words);
    if !file.metadata()?.is_file() {
        return Err(strange("it is no regular file".to_owned()));
    }
    let mut text = String::new();
    file.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(strange(format!("it is longer than {LARGEST} bytes")));
    }
    Ok(text)
}

/// In bytes: more than the longest history takes, each character of its reasons escaped.
const LARGEST: u64 = 512 * 1024;
