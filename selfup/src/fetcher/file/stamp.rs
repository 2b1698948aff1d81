//! What tells one state of a file from another.

use std::fmt;
use std::fs::Metadata;

use serde::{Deserialize, Serialize};

/// Device, inode, size and times of a file. Its text is the validator.
///
/// The change time is in it because programs that copy set the modification time back to that of
/// their source; nobody can set the change time.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    dev: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since the epoch, in two parts, as `stat` has them.
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            dev: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// What other systems say is less, and all the same differs after most changes.
    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let since_epoch = |time: std::io::Result<std::time::SystemTime>| {
            let since = time.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some((i64::try_from(since.as_secs()).ok()?, since.subsec_nanos().into()))
        };
        Self {
            dev: 0,
            inode: 0,
            size: metadata.len(),
            mtime: since_epoch(metadata.modified()).unwrap_or_default(),
            ctime: since_epoch(metadata.created()).unwrap_or_default(),
        }
    }

    /// The stamp that a validator holds; `None` if it is from another fetcher.
    pub(super) fn parse(validator: &str) -> Option<Self> {
        serde_json::from_str(validator).ok()
    }

    /// The size of the file in bytes.
    pub(super) fn length(&self) -> u64 {
        self.size
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
