//! A terminal, typed on from outside.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;

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
        // Closed in what is started: a terminal hangs up when nobody has its keyboard any more.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let keyboard = posix_openpt(flags).expect("a terminal");
        grantpt(&keyboard).expect("it is ours");
        unlockpt(&keyboard).expect("it is ours");
        let line = ptsname_r(&keyboard).expect("it has a name");
        let line = open(line.as_str(), flags, Mode::empty()).expect("it can be opened");
        Self { keyboard: File::from(OwnedFd::from(keyboard)), line }
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
