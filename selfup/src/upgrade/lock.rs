//! The lock by which one process at a time upgrades a binary: an exclusive flock(2) on the file.
//!
//! It is taken on a read-only descriptor, for one that can write would keep the file from being
//! executed. So whoever may read the file may lock it, and nobody can tell for what: a lock that
//! excludes readers would be one of a descriptor that can write (`F_OFD_SETLK`, of fcntl(2)), which
//! there is none of while the file runs.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{Error, ErrorKind};

/// A file that is held open.
#[derive(Debug)]
pub(super) enum Held {
    Locked(Flock<File>),
    /// Somebody else has its lock.
    Bare(File),
}

impl Held {
    /// Locks `file`, unless somebody else has: then it is held all the same.
    pub(super) fn if_free(file: File) -> Result<Self, Errno> {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self::Locked(file)),
            Err((file, Errno::EWOULDBLOCK)) => Ok(Self::Bare(file)),
            Err((_, error)) => Err(error),
        }
    }

    pub(super) fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_))
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        match self {
            Self::Locked(file) => file,
            Self::Bare(file) => file,
        }
    }
}

/// Locks `file`, which nobody else can have locked but another upgrader.
pub(super) fn lock(file: File) -> Result<Held, Errno> {
    let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock);
    locked.map(Held::Locked).map_err(|(_, error)| error)
}

/// Whether `error` is that another process has the lock.
pub(crate) fn is_taken(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    cause.and_then(|cause| cause.downcast_ref()) == Some(&Errno::EWOULDBLOCK)
}

/// Why the binary at `path` was not locked.
pub(super) fn not_locked(path: &Path, error: Errno) -> Error {
    let path = path.display();
    let words = if error == Errno::EWOULDBLOCK {
        format!(
            "another process upgrades {path} already, and this service follows it; give it a copy \
             of the binary of its own to have it upgrade itself. Whoever may read the binary can \
             have its lock: `lslocks` says who has; if that is no service of this binary, end it, \
             or let nobody else read the binary"
        )
    } else {
        format!("{path} cannot be locked; move it to a local file system")
    };
    Error::new(ErrorKind::Swap, words).caused_by(error)
}
