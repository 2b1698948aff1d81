//! What the service manager is told: `sd_notify(3)`, which systemd and some others understand.
//!
//! One datagram a message, to the socket that `NOTIFY_SOCKET` names. The master alone speaks, for its
//! PID is that of the service; what tells of the socket is kept from everybody else, and goes on to
//! the next master with the rest of the environment.
//!
//! Nothing is ever waited for: a manager that does not read has its messages kept for it, in their
//! order, and tried again. The kernel has no event for that: whether there is room is told of
//! connected sockets only, and one that is connected loses a manager that binds its socket anew.
//! A socket that is gone loses what is said to it, which is told once.
//!
//! - [`told`]: what is to be said, from what was said before.
//! - [`alone`]: a program without a master, which is heard all the same.
//! - [`kept`]: the sockets that the manager keeps while the service has no process.
//!
//! Rejected: the crate `sd-notify`, which reads the environment and makes a socket for each message,
//! and waits for a manager that does not read.
//!
//! Limits: a manager that reads nothing for long loses the oldest messages. `NOTIFY_SOCKET` by VSOCK,
//! which a virtual machine's host may listen on, is refused with a warning.

pub(crate) mod alone;
mod kept;
mod told;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socket,
};
use nix::time::{ClockId, clock_gettime};

pub(crate) use self::kept::Kept;
pub(crate) use self::told::{Situation, State, Told};
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::sys;

/// What tells of the manager. It is for the master alone.
pub(crate) const TOLD_BY: [&str; 4] = [SOCKET, WATCHDOG_USEC, WATCHDOG_PID, "FDSTORE"];

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// A manager that hears.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: OwnedFd,
    address: UnixAddr,
    /// It wants to hear that the service lives, at least so often.
    watchdog: Option<Duration>,
    unsent: VecDeque<Message>,
    /// When to try again, and how long that is from the last time.
    retry: Option<(Instant, Duration)>,
    /// Whether it was told that nobody hears.
    is_lost: bool,
    observer: Observer,
}

#[derive(Debug)]
struct Message {
    text: String,
    attached: Option<OwnedFd>,
}

/// So many messages wait; the oldest go first.
const MOST: usize = 512;

/// The time until the next try, at first and at most.
const RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

/// Removes what tells of the manager from the environment of this process.
pub(crate) fn leave_environment() {
    for name in TOLD_BY {
        if std::env::var_os(name).is_some() {
            sys::env::remove_if_alone(OsStr::new(name));
        }
    }
}

/// The time after which the manager gives the service up if it hears nothing of it, as the environment
/// tells; nothing, if it is not waiting.
pub(crate) fn watchdog_of(env: &[(OsString, OsString)]) -> Option<Duration> {
    let number = |name| variable(env, name)?.to_str()?.parse::<u64>().ok();
    variable(env, SOCKET).filter(|name| !name.is_empty())?;
    let is_ours = variable(env, WATCHDOG_PID).is_none()
        || number(WATCHDOG_PID) == Some(std::process::id().into());
    number(WATCHDOG_USEC).filter(|usec| *usec > 0 && is_ours).map(Duration::from_micros)
}

fn variable<'a>(env: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsString> {
    env.iter().find(|(it, _)| it == name).map(|(_, value)| value)
}

impl Manager {
    /// The one that started this process, as the environment tells, if it wants to hear anything.
    pub(crate) fn of(env: &[(OsString, OsString)], observer: &Observer) -> Option<Self> {
        let name = variable(env, SOCKET).filter(|name| !name.is_empty())?;
        let made = address_of(name).and_then(|address| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            Ok((address, socket(AddressFamily::Unix, SockType::Datagram, flags, None)?))
        });
        match made {
            Ok((address, socket)) => Some(Self {
                socket,
                address,
                watchdog: watchdog_of(env),
                unsent: VecDeque::new(),
                retry: None,
                is_lost: false,
                observer: observer.clone(),
            }),
            Err(error) => {
                let text = format!("the service manager is told nothing at {}", name.display());
                observer.warn(Error::new(ErrorKind::Unsupported, text).caused_by(error));
                None
            }
        }
    }

    /// How often it is to hear that the service lives: twice in the time after which it gives it up.
    pub(crate) fn beat_every(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// Says `text`, lines of `NAME=value`.
    pub(crate) fn say(&mut self, text: String) {
        self.send(Message { text, attached: None });
    }

    /// Says that the service lives. Unheard, it is not said again: it is true of this moment.
    pub(crate) fn say_alive(&mut self) {
        if self.unsent.is_empty() {
            let alive = Message { text: "WATCHDOG=1".into(), attached: None };
            let _ = self.try_send(&alive);
        }
    }

    /// Gives it a copy of `socket` to keep.
    pub(crate) fn keep(&mut self, name: &str, socket: BorrowedFd<'_>) {
        let text = format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0");
        match socket.try_clone_to_owned() {
            Ok(copy) => self.send(Message { text, attached: Some(copy) }),
            Err(error) => self.lose(error),
        }
    }

    /// When [`try_again`](Self::try_again) is due.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry.map(|(at, _)| at)
    }

    /// Sends what waits, as far as there is room for it now.
    pub(crate) fn try_again(&mut self, now: Instant) {
        if self.retry.is_some_and(|(at, _)| at <= now) {
            self.flush(now);
        }
    }

    fn send(&mut self, message: Message) {
        if self.unsent.len() == MOST {
            self.unsent.pop_front();
        }
        self.unsent.push_back(message);
        // Behind what waits: the last word counts.
        if self.retry.is_none() {
            self.flush(Instant::now());
        }
    }

    fn flush(&mut self, now: Instant) {
        while let Some(message) = self.unsent.front() {
            match self.try_send(message) {
                Ok(()) => self.is_lost = false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let pause = self.retry.map_or(RETRY, |(_, pause)| LONGEST_RETRY.min(pause * 2));
                    self.retry = Some((now + pause, pause));
                    return;
                }
                Err(error) => self.lose(error),
            }
            self.unsent.pop_front();
        }
        self.retry = None;
    }

    fn try_send(&self, message: &Message) -> io::Result<()> {
        let raw: Vec<RawFd> = message.attached.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
        let attached = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &attached[..0] } else { &attached[..] };
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let bytes = [IoSlice::new(message.text.as_bytes())];
        loop {
            match sendmsg(self.socket.as_raw_fd(), &bytes, control, flags, Some(&self.address)) {
                Err(nix::errno::Errno::EINTR) => {}
                // Without memory, or with too many descriptors on their way, it is as with a full one.
                Err(nix::errno::Errno::ENOBUFS | nix::errno::Errno::ETOOMANYREFS) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                sent => return sent.map(drop).map_err(io::Error::from),
            }
        }
    }

    fn lose(&mut self, error: io::Error) {
        if !std::mem::replace(&mut self.is_lost, true) {
            let text = "the service manager is not told how the service is; restart the service if \
                        that goes on";
            self.observer.warn(Error::new(ErrorKind::Unsupported, text).caused_by(error));
        }
    }
}

/// A path, or an abstract name behind an `@`.
fn address_of(name: &OsStr) -> io::Result<UnixAddr> {
    let bytes = name.as_bytes();
    Ok(match bytes {
        [b'@', name @ ..] => UnixAddr::new_abstract(name)?,
        [b'/', ..] => UnixAddr::new(bytes)?,
        _ => {
            let text = "it is neither an absolute path nor an abstract name; see `NotifyAccess=`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    })
}

/// Microseconds of `CLOCK_MONOTONIC`, by which the manager orders what it hears.
pub(crate) fn monotonic_usec() -> u128 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |at| Duration::from(at).as_micros())
}

#[cfg(test)]
mod tests;
