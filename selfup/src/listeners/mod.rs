//! The sockets of the service: bound once by the master, shared by every generation.
//!
//! All generations hold the *same* open socket, so its queue belongs to none of them: a connection
//! or a packet that waits there while one generation ends is taken by the next. Copies with
//! `SO_REUSEPORT` have a queue each, and closing one resets what waits in it. For the same reason
//! nobody here ever calls `shutdown` on a listener, or takes `O_NONBLOCK` off it: both would reach
//! into every other process. Two names for one address are two numbers for one socket, too.
//!
//! - [`bind`]: TCP and UDP, the wait for what is in use, and errors in words that help.
//! - [`path`]: UNIX sockets in the file system, which somebody has to remove.
//! - [`given`]: sockets that the process manager bound, and handed to the first master.
//! - [`store`]: those that the process manager keeps while the service has no process.
//! - [`handoff`]: what a child, or the next master, makes of the descriptors that it is handed.

mod bind;
#[cfg_attr(not(selfup_supervised), path = "given_unsupervised.rs")]
mod given;
#[cfg_attr(not(selfup_supervised), path = "handoff_unsupervised.rs")]
mod handoff;
#[cfg_attr(not(unix), path = "path_elsewhere.rs")]
mod path;
#[cfg(selfup_supervised)]
pub(crate) mod store;

use std::io;
use std::sync::Arc;

#[cfg(selfup_supervised)]
use socket2::{Domain, Type};
use socket2::{Socket, TcpKeepalive};

pub(crate) use self::bind::bind_all;
pub(crate) use self::given::Given;
#[cfg(selfup_supervised)]
pub(crate) use self::given::{GIVEN_BY, GivenSocket};
pub(crate) use self::handoff::receive;
pub(crate) use self::path::Placed;
use crate::config::{Address, Place};
use crate::peer::PeerAddr;

/// A socket, and the setting it was bound for.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) address: Address,
    pub(crate) local: PeerAddr,
    pub(crate) kind: Kind,
    /// What is removed with the last holder. Before the socket: whoever finds the path until then
    /// finds somebody who listens, and leaves it alone.
    pub(crate) placed: Option<Arc<Placed>>,
    pub(crate) socket: Socket,
}

/// What comes in by a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Connections by TCP.
    Tcp,
    /// Connections by a UNIX socket.
    Unix,
    /// Packets.
    Udp,
}

impl Kind {
    /// What `socket` is, if it is of any use here.
    #[cfg(selfup_supervised)]
    fn of(socket: &Socket) -> io::Result<Option<Self>> {
        let (family, kind) = (socket.local_addr()?.domain(), socket.r#type()?);
        let is_inet = family == Domain::IPV4 || family == Domain::IPV6;
        let listens = kind == Type::STREAM && socket.is_listener()?;
        Ok(match () {
            () if listens && is_inet => Some(Self::Tcp),
            () if listens && family == Domain::UNIX => Some(Self::Unix),
            () if kind == Type::DGRAM && is_inet => Some(Self::Udp),
            () => None,
        })
    }

    /// What a socket for `place` has to be, if that says it.
    fn expected(place: &Place) -> Option<Self> {
        match place {
            Place::Tcp(_) => Some(Self::Tcp),
            Place::Udp(_) => Some(Self::Udp),
            Place::Path(_) | Place::Abstract(_) => Some(Self::Unix),
            Place::Number(_) | Place::Name(_) => None,
        }
    }
}

impl Bound {
    fn new(address: Address, kind: Kind, socket: Socket) -> io::Result<Self> {
        let local = match address.place() {
            // The kernel remembers the name that it was bound by, before it was put there.
            Place::Path(path) => PeerAddr::of_path(path.as_ref()),
            _ => PeerAddr::from(&socket.local_addr()?),
        };
        Ok(Self { address, local, kind, placed: None, socket })
    }

    /// The same socket under another number, for another name.
    fn share(&self, address: Address) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Self { placed: self.placed.clone(), ..Self::new(address, self.kind, socket)? })
    }

    /// Has the socket be as `address` says from now on, which is the same place with other options.
    #[cfg(selfup_supervised)]
    pub(crate) fn become_as(&mut self, address: &Address, backlog: i32) -> io::Result<()> {
        let before = std::mem::replace(&mut self.address, address.clone());
        let options = address.options();
        match address.place() {
            Place::Tcp(_) => {
                self.socket.set_tcp_nodelay(options.nodelay.unwrap_or(false))?;
                self.socket.set_keepalive(options.keepalive.is_some())?;
            }
            Place::Path(_) | Place::Abstract(_) => {}
            Place::Udp(_) | Place::Number(_) | Place::Name(_) => return Ok(()),
        }
        tune(&self.socket, address)?;
        self.socket.listen(options.backlog.unwrap_or(backlog))?;
        self.placed.as_ref().map_or(Ok(()), |placed| placed.set_rights(options, before.options()))
    }
}

/// What a listener for TCP passes on to every connection that it accepts.
fn tune(socket: &Socket, address: &Address) -> io::Result<()> {
    let options = address.options();
    if options.nodelay == Some(true) {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(time) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time))?;
    }
    Ok(())
}
