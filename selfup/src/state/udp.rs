//! UDP: packets, which whoever serves reads.
//!
//! Two processes that read one socket take each other's packets, so a paused generation reads
//! nothing: what comes waits in the queue of the socket, for whichever generation reads next. It may
//! always send, for what it has read it has to answer, and from the same port. So a draining one does
//! not close the socket either, as it closes its listeners: the port is free when its program has let
//! go of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::blocking;
use super::drain::GracefulShutdown;
use super::gate::{Gate, Phase};
use super::link::Link;
use super::listener::{is_in_runtime, is_passing, not_registered};
use super::readiness::Readiness;
use crate::config::Address;
use crate::error::{Context as _, ErrorKind, Result};
use crate::listeners::Bound;

/// A UDP socket of the service, shared with the generations before and after this one.
///
/// Cheap to clone; clones read from the same queue.
///
/// Reading waits while the generation is paused, and what comes meanwhile waits in the queue of the
/// kernel (`net.core.rmem_default` bytes long), for the generation that reads next. Sending always
/// works, so that what was read before is answered. The port is free once every process has ended, or
/// has dropped all clones behind [`State::graceful_shutdown`](crate::State::graceful_shutdown).
///
/// A program that reads in a task of its own waits for that task before it returns: its end is the
/// end of the process, and a packet that was read by then and not answered is lost.
///
/// ```no_run
/// #[selfup::main(address = "udp::5353")]
/// async fn prog(state: selfup::State) -> selfup::Result<()> {
///     let socket = state.udp_socket()?;
///     let mut packet = [0; 1500];
///     let mut shutdown = state.graceful_shutdown();
///     loop {
///         tokio::select! {
///             received = socket.recv_from(&mut packet) => if let Ok((length, peer)) = received {
///                 let _ = socket.send_to(&packet[..length], peer).await;
///             },
///             () = &mut shutdown => return Ok(()),
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct UdpSocket {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    local: SocketAddr,
    readiness: Readiness<std::net::UdpSocket>,
    gate: Arc<Gate>,
    link: Arc<Link>,
}

impl UdpSocket {
    pub(super) fn new(bound: Bound, gate: &Arc<Gate>, link: &Arc<Link>) -> io::Result<Self> {
        let Bound { address, socket, .. } = bound;
        let socket = std::net::UdpSocket::from(socket);
        let (local, readiness) = (socket.local_addr()?, Readiness::new(socket)?);
        let (gate, link) = (gate.clone(), link.clone());
        Ok(Self { shared: Arc::new(Shared { address, local, readiness, gate, link }) })
    }

    /// The next packet: how many bytes of `buffer` it fills, and who sent it. What is longer is cut.
    /// Waits while the generation is paused or drains; cancel-safe.
    ///
    /// The first poll of it tells the master that this generation is ready.
    ///
    /// # Errors
    ///
    /// What recvfrom(2) fails with; never because of a restart, or because of a client that is gone.
    pub async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.shared.link.ready_if_automatic();
        let mut phase = self.shared.gate.subscribe();
        loop {
            // The gate lives as long as this socket, so the watch cannot be closed.
            let _ = phase.wait_for(|phase| *phase == Phase::Serving).await;
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
                received = self.shared.readiness.recv_from(buffer) => match received {
                    Err(error) if is_passing(&error) => {}
                    received => return received,
                },
            }
        }
    }

    /// Sends one packet, in every phase. Waits while the buffer for what is to be sent is full.
    ///
    /// # Errors
    ///
    /// What sendto(2) fails with: `EMSGSIZE` for a packet that is too long, for one.
    pub async fn send_to(&self, packet: &[u8], peer: SocketAddr) -> io::Result<usize> {
        loop {
            match self.try_send_to(packet, peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                sent => return sent,
            }
            // Registered for this wait alone: it is rare, and there is nothing to be read by it.
            let socket = tokio::net::UdpSocket::from_std(self.shared.readiness.duplicate()?)?;
            socket.writable().await?;
        }
    }

    /// Sends one packet, or fails with `WouldBlock` if the buffer for what is to be sent is full.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn try_send_to(&self, packet: &[u8], peer: SocketAddr) -> io::Result<usize> {
        let socket = self.shared.readiness.socket().ok_or(io::ErrorKind::NotConnected)?;
        socket.send_to(packet, peer)
    }

    /// The next packet, for a program without a runtime: blocks, and pauses as
    /// [`recv_from`](Self::recv_from) does. `None` once the program is to end.
    ///
    /// From the first call on SIGTERM starts a drain, as with
    /// [`graceful_shutdown`](crate::State::graceful_shutdown).
    ///
    /// # Errors
    ///
    /// As [`recv_from`](Self::recv_from).
    pub fn recv_from_blocking(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        // SIGTERM ends the wait, rather than the process.
        let _shutdown = GracefulShutdown::new(&self.shared.gate);
        self.shared.link.ready_if_automatic();
        loop {
            if !self.shared.gate.wait_to_accept() {
                return Ok(None);
            }
            let Some(socket) = self.shared.readiness.socket() else { return Ok(None) };
            if !blocking::has_connection(&socket, &self.shared.gate)? {
                continue;
            }
            match socket.recv_from(buffer) {
                Err(error) if is_passing(&error) || error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received.map(Some),
            }
        }
    }

    /// Sends one packet, for a program without a runtime: blocks while the buffer for what is to be
    /// sent is full.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to).
    pub fn send_to_blocking(&self, packet: &[u8], peer: SocketAddr) -> io::Result<usize> {
        loop {
            match self.try_send_to(packet, peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent,
            }
            let socket = self.shared.readiness.socket().ok_or(io::ErrorKind::NotConnected)?;
            blocking::wait_to_send(&socket)?;
        }
    }

    /// The address that the kernel bound, with its real port where port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// The address as it was configured.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// The socket itself, non-blocking, for a stack that reads by its own means.
    ///
    /// This generation is *unpausable* from here on: for as long as it reads, it reads beside its
    /// successor, and each packet comes to one of them. So it should stop at
    /// [`State::graceful_shutdown`](crate::State::graceful_shutdown). What only ever sends by it takes
    /// nothing from anybody.
    ///
    /// Leave it non-blocking: that is a property of the one open socket that every generation shares.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Handoff`] if the process is out of descriptors.
    pub fn into_std_udp(self) -> Result<std::net::UdpSocket> {
        self.shared.link.ready_if_automatic();
        self.shared.readiness.duplicate().context(
            ErrorKind::Handoff,
            || "the socket was not duplicated; raise the limit of open files",
        )
    }

    /// [`into_std_udp`](Self::into_std_udp), for tokio.
    ///
    /// # Errors
    ///
    /// As [`into_std_udp`](Self::into_std_udp); [`ErrorKind::Handoff`] also outside a runtime.
    pub fn into_tokio_udp(self) -> Result<tokio::net::UdpSocket> {
        is_in_runtime()?;
        let socket = self.into_std_udp()?;
        tokio::net::UdpSocket::from_std(socket).context(ErrorKind::Handoff, not_registered)
    }

    /// Is not woken for packets until it is resumed.
    pub(super) fn pause(&self) {
        self.shared.readiness.pause();
    }

    pub(super) fn resume(&self) {
        self.shared.readiness.resume();
    }
}
