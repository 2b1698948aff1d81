//! The listening sockets: bound once by the master, shared by every generation.
//!
//! All generations hold the *same* open socket, so its accept queue belongs to none of them: a
//! connection that waits there while one generation ends is accepted by the next. Copies with
//! `SO_REUSEPORT` have a queue each, and closing one resets what waits in it. For the same reason
//! nobody here ever calls `shutdown` on a listener, or takes `O_NONBLOCK` off it: both would reach
//! into every other process.

mod bind;
#[cfg_attr(not(selfup_supervised), path = "handoff_unsupervised.rs")]
mod handoff;

use socket2::Socket;

pub(crate) use self::bind::bind_all;
pub(crate) use self::handoff::receive;
use crate::config::Address;
use crate::peer::PeerAddr;

/// A listener, and the setting it was bound for.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: Address,
    pub(crate) local: PeerAddr,
    pub(crate) socket: Socket,
}
