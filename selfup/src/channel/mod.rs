//! The line between the master and each child: a `SOCK_SEQPACKET` socketpair, one message a packet.
//!
//! Packets need no framing, cannot be torn, and carry descriptors: the listeners come with the
//! welcome, so the channel itself is the only descriptor that a child inherits. The end of the
//! channel is how each side learns that the other is gone; nobody polls, and no signal is used as
//! an acknowledgement.
//!
//! Rejected: a pipe pair (framing, no descriptors), signals (they merge, and carry nothing),
//! listeners inherited by number (each would have to be guarded against leaking to grandchildren).

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys::{fd, seqpacket};

pub(crate) mod message;

/// One end of a channel.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// A message that came, or the end.
#[derive(Debug)]
pub(crate) enum Received<T> {
    Message(T, Vec<OwnedFd>),
    /// The other side is gone.
    End,
}

/// Longer messages are refused. A welcome with 253 long addresses stays well below.
const LONGEST: usize = 64 * 1024;

thread_local! {
    /// One for each thread that reads, whatever channels it reads from.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; LONGEST].into());
}

impl Channel {
    /// Both ends of a new channel.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = seqpacket::pair()?;
        Ok((Self(one), Self(other)))
    }

    /// Whether `message` is short enough to be received.
    pub(crate) fn fits(message: &impl Serialize) -> io::Result<bool> {
        Ok(serde_json::to_vec(message)?.len() <= LONGEST)
    }

    /// The end that this process was started with, if it is open under this number and is the
    /// socket with this inode number.
    pub(crate) fn take_inherited(descriptor: RawFd, inode: u64) -> Option<Self> {
        fd::take_inherited_socket(descriptor, inode).map(Self::from)
    }

    /// What a process that inherits this end takes it by: its number and its inode number.
    pub(crate) fn inheritance(&self) -> io::Result<(RawFd, u64)> {
        Ok((self.as_raw_fd(), fd::inode(self)?))
    }

    pub(crate) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_with(message, &[])
    }

    /// Sends without waiting: `WouldBlock` if the other side reads nothing.
    pub(crate) fn send_with(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let packet = serde_json::to_vec(message)?;
        seqpacket::send(self.0.as_fd(), &packet, descriptors)
    }

    /// Sends what the other side may refuse: `WouldBlock` once what it has not read takes half of the
    /// room. So however often it is asked, there is room for what the two sides owe each other.
    ///
    /// That holds as long as one thread at a time asks.
    pub(crate) fn ask(&self, message: &impl Serialize) -> io::Result<()> {
        if seqpacket::is_half_full(self.0.as_fd())? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.send(message)
    }

    /// Waits for a message.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        self.take(true)
    }

    /// Takes a message that is there, or gives `WouldBlock`.
    pub(crate) fn try_receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        self.take(false)
    }

    fn take<T: DeserializeOwned>(&self, wait: bool) -> io::Result<Received<T>> {
        BUFFER.with_borrow_mut(|buffer| self.take_into(buffer, wait))
    }

    fn take_into<T: DeserializeOwned>(
        &self,
        buffer: &mut [u8],
        wait: bool,
    ) -> io::Result<Received<T>> {
        let packet = loop {
            match seqpacket::receive(self.0.as_fd(), buffer, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other side died with messages of ours unread, which is told once and before
                // what it said itself. The end comes behind that.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                packet => break packet?,
            }
        };
        if packet.length == 0 {
            return Ok(Received::End);
        }
        let message = serde_json::from_slice(&buffer[..packet.length])?;
        Ok(Received::Message(message, packet.descriptors))
    }
}

/// Whether a message came without the descriptors that were attached to it.
pub(crate) fn lost_descriptors(error: &io::Error) -> bool {
    seqpacket::DescriptorsLost::is_why(error)
}

/// Whether the kernel had no memory for what was asked of a channel: both ends are there, and what was
/// said is, too.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOBUFS))
}

/// How long to wait before it is asked again.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::message::FromChild;
    use super::*;

    #[test]
    fn the_end_is_told_apart_from_silence() {
        let (ours, theirs) = Channel::pair().unwrap();
        let silence = theirs.try_receive::<FromChild>().unwrap_err();
        assert_eq!(silence.kind(), io::ErrorKind::WouldBlock);
        ours.send(&FromChild::Ready).unwrap();
        drop(ours);
        let message = theirs.try_receive::<FromChild>().unwrap();
        assert!(matches!(message, Received::Message(FromChild::Ready, _)));
        // A process that another test starts at this moment has a copy of the end.
        assert!(matches!(theirs.receive::<FromChild>().unwrap(), Received::End));
    }

    #[test]
    fn the_last_words_of_a_side_that_listened_to_nothing_are_heard() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send(&FromChild::CheckNow).unwrap();
        theirs.send(&FromChild::Ready).unwrap();
        drop(theirs);
        let message = ours.try_receive::<FromChild>().unwrap();
        assert!(matches!(message, Received::Message(FromChild::Ready, _)));
        assert!(matches!(ours.receive::<FromChild>().unwrap(), Received::End));
    }
}
