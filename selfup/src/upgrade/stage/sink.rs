//! A file beside the binary while it is written.

use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::{finish, new_file, not_written};
use crate::error::Result;
use crate::identity::BinaryId;
use crate::upgrade::lock::Held;
use crate::upgrade::preflight::Target;

/// Writes a file and digests what it writes. The file is gone with this, unless it is finished.
#[derive(Debug)]
pub(in crate::upgrade) struct Sink<'a> {
    target: &'a Target,
    file: NamedTempFile,
    /// The same, to be read.
    locked: Held,
    digest: Sha256,
    written: u64,
}

impl<'a> Sink<'a> {
    /// An empty file beside `target`.
    pub(in crate::upgrade) fn new(target: &'a Target) -> Result<Self> {
        let (file, locked) = new_file(target).map_err(|error| not_written(error, target))?;
        Ok(Self { target, file, locked, digest: Sha256::new(), written: 0 })
    }

    /// Adds `bytes`.
    pub(in crate::upgrade) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = std::io::Write::write_all(&mut self.file, bytes);
        written.map_err(|error| not_written(error, self.target))?;
        self.digest.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes there are so far.
    pub(in crate::upgrade) fn written(&self) -> u64 {
        self.written
    }

    /// Makes it as complete as the binary is, and gives its name, itself and its digest.
    pub(in crate::upgrade) fn finish(self) -> Result<(TempPath, Held, BinaryId)> {
        let id = BinaryId::from_bytes(self.digest.finalize().into());
        let path = finish(self.file, self.target);
        Ok((path.map_err(|error| not_written(error, self.target))?, self.locked, id))
    }
}
