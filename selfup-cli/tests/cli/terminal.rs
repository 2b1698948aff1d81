//! A terminal in front of which the test sits.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use nix::pty::openpty;

pub(crate) struct Terminal {
    screen: File,
    line: File,
    seen: String,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let pair = openpty(None, None).unwrap();
        Self { screen: pair.master.into(), line: pair.slave.into(), seen: String::new() }
    }

    /// What a program writes to.
    pub(crate) fn line(&self) -> Stdio {
        self.line.try_clone().unwrap().into()
    }

    /// All that was shown, once it holds `words`.
    pub(crate) fn wait_for(&mut self, words: &str) -> &str {
        let mut bytes = [0; 4096];
        while !self.seen.contains(words) {
            let read = self.screen.read(&mut bytes).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        &self.seen
    }

    /// All that was shown, once nobody writes any more.
    pub(crate) fn rest(mut self) -> String {
        drop(self.line);
        let mut bytes = [0; 4096];
        // A terminal without a program behind it is an error.
        while let Ok(read @ 1..) = self.screen.read(&mut bytes) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        self.seen
    }
}
