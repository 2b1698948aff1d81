//! What an upgrade of a binary would find here, asked without upgrading, locking or starting
//! anything: each need of [`preflight`](super::preflight) and each memory beside the binary by
//! itself, for `selfup doctor`, which has a finding for each.
//!
//! A lock that is taken even for a moment would make a service that starts at that moment a
//! follower, so none is.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::folder::Folder;
pub use super::history::{Remembered, TurnedDown};
pub use super::note::look::{Look, libc_of, look, may_follow};
use super::preflight::{self, directory};
use super::trial::Trial;
use super::{attributes, stage, verify};
use crate::config::PublicKey;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::BinaryId;

/// A binary on disk, and what lies beside it.
#[derive(Debug)]
pub struct Survey {
    path: PathBuf,
    folder: Folder,
    state: Folder,
    file: File,
}

impl Survey {
    /// The binary at `path`, which contains no links, with its history beside it; or in `state_dir`,
    /// where it is that of the path which the service has for it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn of(path: &Path, state_dir: Option<(&Path, &Path)>) -> Result<Self> {
        let folder = preflight::folder_of(path)?;
        let state =
            state_dir.map(|(directory, known_as)| Folder::of_state_dir(directory, known_as));
        let file = File::open(path).context(ErrorKind::Swap, || {
            format!("the binary {} cannot be opened; make it readable", path.display())
        })?;
        let state = state.unwrap_or_else(|| folder.clone());
        Ok(Self { path: path.to_owned(), folder, state, file })
    }

    /// Whether its file system is mounted read-write.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn check_read_write(&self) -> Result<()> {
        directory::check_read_write(&self.folder)
    }

    /// Whether its file system is mounted with exec.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn check_exec(&self) -> Result<()> {
        directory::check_exec(&self.folder)
    }

    /// Whether this user can create a file beside it and rename over it.
    ///
    /// # Errors
    ///
    /// If not.
    pub fn check_writable(&self) -> Result<()> {
        directory::try_new_file(&self.folder)?;
        directory::check_sticky(&self.folder, &self.file)
    }

    /// What an upgrade by this user would lose of it that is no bytes.
    ///
    /// # Errors
    ///
    /// For what the program cannot do without.
    pub fn losses(&self) -> Result<Option<Error>> {
        let trial = directory::try_new_file(&self.folder)?;
        attributes::losses(&self.file, trial.as_file())
    }

    /// Whether there is room for the next one.
    ///
    /// # Errors
    ///
    /// If not.
    pub fn check_room(&self) -> Result<()> {
        stage::check_room(&self.path, &self.folder)
    }

    /// What is being written beside it, or was left half-written.
    ///
    /// # Errors
    ///
    /// If a directory cannot be read.
    pub fn half_written(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut found = self.folder.half_written()?.collect::<std::io::Result<Vec<_>>>()?;
        if self.state.directory() != self.folder.directory() && self.state.directory().is_dir() {
            for path in self.state.half_written()? {
                found.push(path?);
            }
        }
        Ok(found)
    }

    /// The candidate on trial, how often it was started, and why it failed, if it has.
    ///
    /// # Errors
    ///
    /// If its note is garbled.
    pub fn trial(&self) -> Result<Option<(BinaryId, u32, Option<String>)>> {
        let trial = Trial::load(&self.folder)?;
        Ok(trial.map(|trial| (trial.candidate, trial.starts, trial.failed.map(|it| it.reason))))
    }

    /// What was turned down, and what proved itself.
    ///
    /// # Errors
    ///
    /// If its file cannot be read.
    pub fn history(&self) -> Result<Remembered> {
        Remembered::load_from(&self.state)
    }
}

/// By which of `keys`, and with which trusted comment, `signature` signs the bytes of `file`.
///
/// # Errors
///
/// `ErrorKind::Verify` if it does not.
pub fn verify(file: &File, signature: &str, keys: &[PublicKey]) -> Result<(String, String)> {
    let signed = verify::minisign::check_file(file, signature, keys)?;
    Ok((signed.key, signed.comment))
}

/// As much of a signature is read, in bytes.
pub const LONGEST_SIGNATURE: usize = crate::fetcher::LONGEST_SIGNATURE;
