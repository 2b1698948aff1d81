//! A port of this machine that is ours, whether anybody listens there or not.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, setsockopt,
    socket, sockopt,
};

/// A TCP port of the loopback interface, kept from everybody who lets the kernel choose one.
///
/// Several sockets may have a port as long as only one of them listens, and each allows for it by
/// `SO_REUSEADDR`, as all servers do.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _holder: OwnedFd,
}

impl Port {
    /// One that nobody has.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn of_the_kernels_choice() -> Self {
        let (holder, number) = bound(0);
        Self { number, _holder: holder }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Listens there; until then, and when the listener is gone, connections are refused.
    ///
    /// # Panics
    ///
    /// If somebody listens there already.
    #[must_use]
    pub fn listen(&self) -> TcpListener {
        let (socket, _) = bound(self.number);
        listen(&socket, Backlog::MAXCONN).expect("nobody else listens there");
        socket.into()
    }
}

fn bound(port: u16) -> (OwnedFd, u16) {
    let (family, kind) = (AddressFamily::Inet, SockType::Stream);
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    setsockopt(&socket, sockopt::ReuseAddr, &true).expect("it is a socket");
    let address = SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    bind(socket.as_raw_fd(), &address).expect("a port");
    let name = getsockname::<SockaddrIn>(socket.as_raw_fd());
    (socket, name.expect("it is bound").port())
}
