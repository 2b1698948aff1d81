//! One message a packet, with descriptors attached.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, getsockopt,
    recvmsg, sendmsg, socketpair, sockopt,
};

use super::fd::adopt;

/// As many descriptors fit in one message (`SCM_MAX_FD` of the kernel).
pub(crate) const MAX_DESCRIPTORS: usize = 253;

/// Two connected ends, both close-on-exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// Sends one packet. `WouldBlock` if the other end's buffer is full.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    packet: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let attached = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &attached[..0] } else { &attached[..] };
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(packet)], control, flags, None)?;
    if sent == packet.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Whether what the other end has yet to read takes half of the room for it, or more.
pub(crate) fn is_half_full(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let mut unread = 0;
    // SAFETY: the request writes an int to where it is told to, and that is one.
    let asked = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut unread) };
    Errno::result(asked)?;
    let unread: libc::c_int = unread;
    let room = getsockopt(&socket, sockopt::SndBuf)?;
    Ok(usize::try_from(unread).is_ok_and(|unread| unread >= room / 2))
}

/// A packet that came, and the descriptors that came with it, close-on-exec.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) length: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Descriptors came with a packet that this process has no numbers for.
#[derive(Debug, thiserror::Error)]
#[error("the limit of open files leaves no room for what came with a message")]
pub(crate) struct DescriptorsLost;

impl DescriptorsLost {
    pub(crate) fn is_why(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

/// Receives one packet into `buffer`. A packet of length 0 is the end: nobody sends empty ones.
///
/// Without `wait`, `WouldBlock` if none is there.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], wait: bool) -> io::Result<Packet> {
    let mut control = nix::cmsg_space!([RawFd; MAX_DESCRIPTORS]);
    let mut slices = [IoSliceMut::new(buffer)];
    let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    // There is room for as many as one message can have: what is missing met the process's limit.
    if message.flags.contains(MsgFlags::MSG_CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, DescriptorsLost));
    }
    let mut descriptors = Vec::new();
    for attached in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = attached {
            descriptors.extend(raw.into_iter().map(adopt));
        }
    }
    if message.flags.contains(MsgFlags::MSG_TRUNC) {
        let text = "a message on the channel is longer than its buffer";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Packet { length: message.bytes, descriptors })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn packets_keep_their_borders_and_their_descriptors() {
        let (ours, theirs) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        send(ours.as_fd(), b"one", &[file.as_fd()]).unwrap();
        send(ours.as_fd(), b"three", &[]).unwrap();
        drop(ours);
        let mut buffer = [0; 16];
        let first = receive(theirs.as_fd(), &mut buffer, true).unwrap();
        assert_eq!((first.length, first.descriptors.len()), (3, 1));
        let second = receive(theirs.as_fd(), &mut buffer, true).unwrap();
        assert_eq!((&buffer[..second.length], second.descriptors.len()), (&b"three"[..], 0));
        assert_eq!(receive(theirs.as_fd(), &mut buffer, true).unwrap().length, 0, "the end");
    }

    #[test]
    fn a_packet_that_does_not_fit_is_an_error() {
        let (ours, theirs) = pair().unwrap();
        send(ours.as_fd(), &[7; 32], &[]).unwrap();
        let error = receive(theirs.as_fd(), &mut [0; 16], true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
