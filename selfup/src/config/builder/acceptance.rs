//! The settings of which binaries are taken.

use std::path::PathBuf;

use super::Builder;
use crate::config::{IntoPublicKeys, IntoSize};

impl Builder {
    /// The minisign public keys of which one has to have signed what is published: the last line of
    /// a `.pub` file (the whole of one will do), or a list of such. Default: none, and no signature
    /// is asked for.
    ///
    /// Called again, it adds, so that a new key can be trusted before the old one is given up. What
    /// is checked, and when, is said at the [attribute's key](macro@crate::main#verify). Without the
    /// feature `verify` a key is a mistake in the config, for nothing could check a signature.
    pub fn verify(mut self, keys: impl IntoPublicKeys) -> Self {
        let Some(keys) = self.check("verify", keys.into_public_keys()) else { return self };
        if keys.is_empty() {
            let words = "`verify` trusts nobody; leave it out, or name a public key";
            self.refuse(words.into());
        }
        if cfg!(not(feature = "verify")) {
            let words = "`verify` needs the feature of that name; see `cargo add selfup --features \
                         verify`";
            self.refuse(words.into());
        }
        self.config.upgrades.acceptance.keys.extend(keys);
        self
    }

    /// Whether a candidate of an older version than the binary that it would replace, or of one that
    /// cannot be compared, is taken. Default: false, and it is refused.
    ///
    /// Versions are those of the [note](mod@crate::note), in the order of [semver](https://semver.org);
    /// the same version with other bytes is always taken. Neither a rollback nor a binary that is put
    /// in place by hand is asked for its version.
    pub fn allow_downgrade(mut self, allow: bool) -> Self {
        self.config.upgrades.acceptance.allow_downgrade = allow;
        self
    }

    /// Whether a candidate without a [note](mod@crate::note), which does not say which program it is,
    /// is taken; and one that is put in place by hand, where the binary that runs has a note. Default:
    /// false, and it is refused.
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

#[cfg(test)]
mod tests {
    use crate::Config;

    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    fn mistake(keys: &[&str]) -> String {
        Config::builder().verify(keys).build().unwrap_err().to_string()
    }

    #[cfg(feature = "verify")]
    #[test]
    fn keys_add_up() {
        let config = Config::builder().verify(KEY).verify([KEY, KEY]).build().unwrap();
        assert_eq!(config.upgrades.acceptance.keys.len(), 3);
    }

    #[cfg(not(feature = "verify"))]
    #[test]
    fn a_key_that_nothing_would_verify_is_a_mistake() {
        assert!(mistake(&[KEY]).starts_with("`verify` needs the feature of that name; see `cargo"));
    }

    #[test]
    fn what_is_no_key_is_a_mistake_and_no_key_too() {
        assert!(mistake(&[KEY, "abc"]).starts_with("`verify`: \"abc\" is not a minisign public"));
        assert!(mistake(&[]).starts_with("`verify` trusts nobody; leave it out, or name"));
    }
}
