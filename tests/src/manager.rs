//! A service manager that only listens: the socket of `sd_notify(3)`.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tempfile::TempDir;

use crate::PATIENCE;

/// Where a service says how it is.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

/// What was said at once.
#[derive(Debug)]
#[non_exhaustive]
pub struct Told {
    /// Lines of `NAME=value`.
    pub text: String,
    /// The numbers of what came with it, open as long as this is there.
    pub attached: Vec<RawFd>,
}

impl Told {
    /// The value of `name`, if it was said.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(it, _)| *it == name).map(|(_, value)| value)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        for number in self.attached.drain(..) {
            let _ = nix::unistd::close(number);
        }
    }
}

impl Manager {
    /// One that listens.
    ///
    /// # Panics
    ///
    /// If there is no place for its socket.
    #[must_use]
    pub fn listen() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("it can be bound");
        Self { socket, directory }
    }

    /// What `NOTIFY_SOCKET` is to be.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("notify")
    }

    /// What is said next, within `time`.
    ///
    /// # Panics
    ///
    /// If it cannot be heard.
    #[must_use]
    pub fn hear_within(&self, time: Duration) -> Option<Told> {
        self.socket.set_read_timeout(Some(time)).expect("it can be set");
        let (mut buffer, mut control) = ([0; 4096], nix::cmsg_space!([RawFd; 16]));
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let heard =
            recvmsg::<()>(self.socket.as_raw_fd(), &mut slices, Some(&mut control), flags).ok()?;
        let mut attached = Vec::new();
        for message in heard.cmsgs().expect("there is room for all of it") {
            if let ControlMessageOwned::ScmRights(numbers) = message {
                attached.extend(numbers);
            }
        }
        let length = heard.bytes;
        let text = String::from_utf8(buffer[..length].to_vec()).expect("it is text");
        Some(Told { text, attached })
    }

    /// Waits until `line` is said.
    ///
    /// # Panics
    ///
    /// If it is not, with everything that was.
    #[expect(clippy::must_use_candidate, reason = "often it is only waited for")]
    pub fn wait_for(&self, line: &str) -> Told {
        self.wait_until(line, |said| said.text.lines().any(|said| said == line))
    }

    /// Waits for what `is_it`.
    ///
    /// # Panics
    ///
    /// If it is not said, with everything that was.
    pub fn wait_until(&self, what: &str, is_it: impl Fn(&Told) -> bool) -> Told {
        let until = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left =
                until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let Some(said) = self.hear_within(left) else {
                panic!("{what} was not said, but {before:#?}")
            };
            if is_it(&said) {
                return said;
            }
            before.push(said.text.clone());
            assert!(Instant::now() < until, "{what} was not said, but {before:#?}");
        }
    }

    /// Waits for a status that contains `text`.
    #[expect(clippy::must_use_candidate, reason = "often it is only waited for")]
    pub fn wait_for_status(&self, text: &str) -> Told {
        let has = |said: &Told| said.value("STATUS").is_some_and(|status| status.contains(text));
        self.wait_until(text, has)
    }
}
