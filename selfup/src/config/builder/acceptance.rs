//! The settings of which binaries are taken.

use std::path::PathBuf;

use super::Builder;
use crate::config::{IntoPublicKeys, IntoSize};

impl Builder {
    /// The minisign public keys of which one has to have signed what is published: the last line of
    /// a `.pub` file, or a list of such. Default: none, and no signature is asked for.
    ///
    /// Called again, it adds, so that a new key can be trusted before the old one is given up.
    pub fn verify(mut self, keys: impl IntoPublicKeys) -> Self {
        let keys = self.check("verify", keys.into_public_keys());
        self.config.upgrades.acceptance.keys.extend(keys.unwrap_or_default());
        self
    }

    /// Whether a binary of an older version is taken. Default: false.
    pub fn allow_downgrade(mut self, allow: bool) -> Self {
        self.config.upgrades.acceptance.allow_downgrade = allow;
        self
    }

    /// Whether a binary without a note, which does not say which program it is, is taken. Default:
    /// false.
    pub fn allow_unmarked(mut self, allow: bool) -> Self {
        self.config.upgrades.acceptance.allow_unmarked = allow;
        self
    }

    /// The entry of an archive that is the binary. Default: the program's name.
    pub fn bin(mut self, entry: impl Into<String>) -> Self {
        let entry = entry.into();
        if entry.trim().is_empty() {
            self.refuse("`bin` cannot be empty; leave it out, or name the archive's entry".into());
        }
        self.config.upgrades.acceptance.bin = Some(entry);
        self
    }

    /// The most bytes that a binary may have, as published and as unpacked. Default: 1 GiB.
    pub fn max_size(mut self, size: impl IntoSize) -> Self {
        match self.check("max_size", size.into_size()) {
            Some(0) => self.refuse("`max_size` must not be zero".into()),
            Some(size) => self.config.upgrades.acceptance.max_size = size,
            None => {}
        }
        self
    }

    /// The directory in which it is remembered what became of candidates, as an absolute path.
    /// Default: the binary's.
    ///
    /// Made with mode 0700 if it is missing. While it cannot be written, belongs to another user
    /// (but root), or can be written by others, there are no upgrades.
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        if directory.is_relative() {
            let shown = directory.display();
            self.refuse(format!("`state_dir`: {shown:?} is not an absolute path"));
        }
        self.config.upgrades.acceptance.state_dir = Some(directory);
        self
    }
}
