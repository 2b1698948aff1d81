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

    /// Which entry of an archive is the binary, by the end of its path, or, with `./` in front, by the
    /// whole of it. Default: the program's name, without its package.
    ///
    /// Exactly one file has to be meant. Unpacking takes the feature `archives`; see
    /// [`bin`](macro@crate::main#bin) for what is unpacked. An empty one is an error.
    pub fn bin(mut self, entry: impl Into<String>) -> Self {
        let entry = entry.into();
        if entry.trim().is_empty() {
            self.refuse("`bin` cannot be empty; leave it out, or name the archive's entry".into());
        }
        self.config.upgrades.acceptance.bin = Some(entry);
        self
    }

    /// The most bytes that a candidate may have, as published, and again unpacked: a number of bytes,
    /// or a string such as "64MiB". Default: 1 GiB. Zero is an error.
    pub fn max_size(mut self, size: impl IntoSize) -> Self {
        match self.check("max_size", size.into_size()) {
            Some(0) => self.refuse("`max_size` must not be zero".into()),
            Some(size) => self.config.upgrades.acceptance.max_size = size,
            None => {}
        }
        self
    }

    /// The directory in which it is remembered what became of candidates. Default: the binary's.
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
