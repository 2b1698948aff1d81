use std::fs::{File, Metadata};
use std::io;
use std::time::SystemTime;

/// What changes when somebody writes to a file, or puts another one in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    dev: u64,
    inode: u64,
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    pub(in crate::upgrade) fn of(file: &File) -> io::Result<Self> {
        Self::of_metadata(&file.metadata()?)
    }

    pub(crate) fn of_metadata(metadata: &Metadata) -> io::Result<Self> {
        let (dev, inode) = place(metadata);
        Ok(Self { dev, inode, length: metadata.len(), modified: metadata.modified()? })
    }

    /// The device and the number of the file.
    pub(in crate::upgrade) fn place(&self) -> (u64, u64) {
        (self.dev, self.inode)
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(unix)]
fn place(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Elsewhere std does not say which file it is, and nothing is upgraded.
#[cfg(not(unix))]
fn place(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}
