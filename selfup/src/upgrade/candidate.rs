//! A fetched binary that is not trusted yet, as the `pre_upgrade` hook sees it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempPath;

use self::stamp::Stamp;
use crate::error::BoxError;
use crate::identity::BinaryId;

mod stamp;

/// The user's last word on a candidate before it is run.
pub(crate) type PreUpgradeHook = Box<dyn FnMut(&Candidate) -> Result<(), BoxError> + Send>;

/// A fetched binary, whole and digested, in a file of its own beside the binary that it may
/// replace.
///
/// The file goes away with the candidate, unless it is put in place. It must not be changed: what
/// is put in place is what was digested.
#[derive(Debug)]
pub struct Candidate {
    path: TempPath,
    /// Read-only, for a file that somebody can write cannot be executed.
    file: File,
    id: BinaryId,
    stamp: Stamp,
    addresses: Vec<String>,
    validator: Option<String>,
}

impl Candidate {
    pub(super) fn new(path: TempPath, id: BinaryId, validator: Option<String>) -> io::Result<Self> {
        let file = File::open(&path)?;
        let stamp = Stamp::of(&file)?;
        Ok(Self { path, file, id, stamp, addresses: Vec::new(), validator })
    }

    /// The file, which can be executed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SHA-256 of its bytes.
    #[must_use]
    pub fn id(&self) -> BinaryId {
        self.id
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.stamp.length()
    }

    /// A command that runs it, to be given arguments that make it end: without any it starts as
    /// every selfup program does, as a master.
    #[must_use]
    pub fn command(&self) -> Command {
        Command::new(&self.path)
    }

    /// The addresses that it said it listens on, once it was probed.
    #[cfg_attr(not(test), expect(dead_code, reason = "for binding what an upgrade adds"))]
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    pub(super) fn set_addresses(&mut self, addresses: Vec<String>) {
        self.addresses = addresses;
    }

    pub(super) fn validator(&self) -> Option<&str> {
        self.validator.as_deref()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether its path still leads to the bytes that were digested.
    pub(super) fn is_unchanged(&self) -> bool {
        let found = File::open(&self.path).and_then(|file| Stamp::of(&file));
        found.is_ok_and(|stamp| stamp == self.stamp)
    }

    pub(super) fn into_file(self) -> (TempPath, File) {
        (self.path, self.file)
    }
}
