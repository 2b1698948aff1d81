//! The wait of a thread for a connection, which the gate ends.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::gate::Gate;

/// Blocks until `socket` can send.
pub(super) fn wait_to_send(socket: &impl AsFd) -> io::Result<()> {
    let mut descriptors = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut descriptors, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Blocks until `socket` has a connection, or a packet, which is `true`, or `gate` is closed.
pub(super) fn has_connection(socket: &impl AsFd, gate: &Gate) -> io::Result<bool> {
    let closed = PollFd::new(gate.closed(), PollFlags::POLLIN);
    let mut descriptors = [closed, PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, PollTimeout::NONE) {
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(descriptors[0].any() != Some(true)),
    }
}
