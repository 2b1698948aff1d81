//! A terminal, typed on from outside.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use nix::pty::openpty;

/// A terminal of its own, with nobody in front of it.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    line: OwnedFd,
}

impl Terminal {
    /// Opens one.
    ///
    /// # Panics
    ///
    /// If the system has none left.
    #[must_use]
    pub fn open() -> Self {
        let pair = openpty(None, None).expect("a terminal");
        Self { keyboard: pair.master.into(), line: pair.slave }
    }

    /// Types `keys`.
    ///
    /// # Panics
    ///
    /// If nobody can read them.
    pub fn type_in(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("the terminal is open");
    }

    /// Hangs up, as a connection that breaks does.
    pub fn hang_up(self) {
        drop(self.keyboard);
    }

    /// The side that a program reads.
    pub(crate) fn line(&self) -> OwnedFd {
        self.line.try_clone().expect("a descriptor")
    }
}
