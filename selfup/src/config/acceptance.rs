use std::path::PathBuf;

use super::PublicKey;

/// Which binaries are taken, and where it is remembered what became of them.
#[derive(Debug, Clone)]
pub(crate) struct Acceptance {
    /// One of them has to have signed what is published; none, if there are none.
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) allow_downgrade: bool,
    pub(crate) allow_unmarked: bool,
    /// The entry of an archive, where it is not the program's name.
    pub(crate) bin: Option<String>,
    /// In bytes, as published and as unpacked.
    pub(crate) max_size: u64,
    /// Beside the binary, if it is none.
    pub(crate) state_dir: Option<PathBuf>,
}

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            allow_downgrade: false,
            allow_unmarked: false,
            bin: None,
            max_size: 1 << 30,
            state_dir: None,
        }
    }
}
