//! A listener whose `accept` waits while the program is not to accept, and never fails for it.
//!
//! A paused listener leaves epoll; see [`super::readiness`]. A draining one is closed under its
//! number, whoever still borrows it, so that the port is free as soon as the last process lets go.

mod unpausable;

use std::io;
use std::sync::Arc;

use socket2::{Domain, SockAddr, Socket};

pub(super) use self::unpausable::{is_in_runtime, not_registered};
use super::blocking;
use super::drain::GracefulShutdown;
use super::gate::{Gate, Phase};
use super::link::Link;
use super::open::Counted;
use super::readiness::Readiness;
use super::stream::Stream;
use super::stream::blocking::BlockingStream;
#[cfg(feature = "stream")]
use super::stream::connections::Connections;
use crate::config::Address;
use crate::listeners::{Bound, Kind};
use crate::peer::PeerAddr;

/// A listener of the service, shared with the generations before and after this one.
///
/// Cheap to clone; clones accept from the same queue.
#[derive(Debug, Clone)]
pub struct Listener {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    local: PeerAddr,
    domain: Domain,
    readiness: Readiness<Socket>,
    gate: Arc<Gate>,
    link: Arc<Link>,
}

impl Listener {
    pub(super) fn new(bound: Bound, gate: &Arc<Gate>, link: &Arc<Link>) -> io::Result<Self> {
        let Bound { address, local, kind, socket, .. } = bound;
        let domain = if kind == Kind::Unix { Domain::UNIX } else { Domain::IPV6 };
        let (gate, link, readiness) = (gate.clone(), link.clone(), Readiness::new(socket)?);
        Ok(Self { shared: Arc::new(Shared { address, local, domain, readiness, gate, link }) })
    }

    /// The next connection. Waits while the generation is paused or drains; cancel-safe.
    ///
    /// The first poll of it tells the master that this generation is ready.
    ///
    /// # Errors
    ///
    /// What accept(2) fails with, such as `EMFILE` when the process is out of descriptors; never
    /// because of a restart. A connection that its client has given up is skipped.
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddr)> {
        self.shared.link.ready_if_automatic();
        let mut phase = self.shared.gate.subscribe();
        loop {
            // The gate lives as long as this listener, so the watch cannot be closed.
            let _ = phase.wait_for(|phase| *phase == Phase::Serving).await;
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Phase::Serving) => {}
                accepted = self.accept_when_ready() => {
                    // It was closed under this very attempt, which is no error of the program's.
                    if accepted.is_err() && self.is_draining() {
                        continue;
                    }
                    let (socket, peer) = accepted?;
                    let stream = Stream::register(socket, self.shared.domain, self.counted())?;
                    return Ok((stream, PeerAddr::from(&peer)));
                }
            }
        }
    }

    /// [`accept`](Self::accept), for who can do nothing about an error: out of descriptors or memory,
    /// others must finish first.
    #[cfg(any(feature = "axum", feature = "stream"))]
    pub(super) async fn accept_patiently(&self) -> (Stream, PeerAddr) {
        loop {
            match self.accept().await {
                Ok(accepted) => return accepted,
                // This is axum's and hyper's own pace.
                Err(_) => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
            }
        }
    }

    async fn accept_when_ready(&self) -> io::Result<(Socket, SockAddr)> {
        loop {
            match self.shared.readiness.accept().await {
                Err(error) if is_passing(&error) => {}
                accepted => return accepted,
            }
        }
    }

    /// Is not woken for connections until it is resumed.
    pub(super) fn pause(&self) {
        self.shared.readiness.pause();
    }

    pub(super) fn resume(&self) {
        self.shared.readiness.resume();
    }

    /// The next connection, for a program without a runtime: blocks, and pauses as
    /// [`accept`](Self::accept) does.
    ///
    /// It does not return any more once the program is to end: use [`incoming`](Self::incoming) to
    /// learn of that.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_blocking(&self) -> io::Result<(BlockingStream, PeerAddr)> {
        loop {
            match self.accept_until_the_end() {
                Some(accepted) => return accepted,
                None => std::thread::park(),
            }
        }
    }

    /// The connections, for a program without a runtime, until it is to end.
    ///
    /// Whoever has come to its end has seen every connection that this generation was given.
    pub fn incoming(
        &self,
    ) -> impl Iterator<Item = io::Result<(BlockingStream, PeerAddr)>> + use<'_> {
        // SIGTERM ends the wait, rather than the process.
        let _shutdown = GracefulShutdown::new(&self.shared.gate);
        std::iter::from_fn(|| self.accept_until_the_end())
    }

    fn accept_until_the_end(&self) -> Option<io::Result<(BlockingStream, PeerAddr)>> {
        self.shared.link.ready_if_automatic();
        loop {
            if !self.shared.gate.wait_to_accept() {
                return None;
            }
            let socket = self.shared.readiness.socket()?;
            match blocking::has_connection(&socket, &self.shared.gate) {
                Err(error) => return Some(Err(error)),
                Ok(false) => continue,
                Ok(true) => {}
            }
            match socket.accept() {
                Err(error) if is_passing(&error) || error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) if self.is_draining() => {}
                Err(error) => return Some(Err(error)),
                Ok((socket, peer)) => {
                    let counted = self.counted();
                    let stream = BlockingStream::new(socket, self.shared.domain, counted);
                    return Some(stream.map(|stream| (stream, PeerAddr::from(&peer))));
                }
            }
        }
    }

    /// The connections as a [`futures_core::Stream`], for stacks that take one, such as tonic's
    /// `serve_with_incoming_shutdown`. Waits while the generation is paused, and ends when the program
    /// is to end.
    ///
    /// From here on SIGTERM starts a drain, as with
    /// [`graceful_shutdown`](crate::State::graceful_shutdown).
    #[cfg(feature = "stream")]
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections::new(self.clone(), GracefulShutdown::new(&self.shared.gate))
    }

    /// The address that the kernel bound, with its real port where port 0 was asked for.
    ///
    /// # Errors
    ///
    /// None: it was asked for when the listener was bound.
    pub fn local_addr(&self) -> io::Result<PeerAddr> {
        Ok(self.shared.local.clone())
    }

    /// The address as it was configured.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    fn counted(&self) -> Counted {
        Counted::new(self.shared.link.open())
    }

    fn is_draining(&self) -> bool {
        self.shared.gate.phase() == Phase::Draining
    }

    /// Lets go of the socket, whoever still borrows it. It is not accepted from again.
    pub(super) fn close(&self) {
        let _ = self.shared.readiness.close(&self.shared.gate);
    }
}

#[cfg(feature = "axum")]
impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = PeerAddr;

    async fn accept(&mut self) -> (Stream, PeerAddr) {
        self.accept_patiently().await
    }

    fn local_addr(&self) -> io::Result<PeerAddr> {
        Self::local_addr(self)
    }
}

/// Errors of one connection, or of one packet, which say nothing about the next.
pub(super) fn is_passing(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(
        kind,
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    fn listener() -> Listener {
        let address = Address::parse("127.0.0.1:0").unwrap();
        let bound = crate::listeners::bind_all(
            &[address],
            &[],
            &crate::listeners::Given::default(),
            16,
            Duration::ZERO,
        )
        .unwrap()
        .remove(0);
        let gate = Arc::new(Gate::new(Phase::Serving).unwrap());
        Listener::new(bound, &gate, &Arc::new(Link::none())).unwrap()
    }

    /// Connects and drains while `accept` runs on a thread of its own, which then hears of it.
    fn drain_under<T: Send + 'static>(
        accept: impl FnOnce(Listener, oneshot::Receiver<()>) -> T + Send + 'static,
    ) -> T {
        let listener = listener();
        let (tell_drained, drained) = oneshot::channel();
        let accepting = std::thread::spawn({
            let listener = listener.clone();
            || accept(listener, drained)
        });
        let _client =
            std::net::TcpStream::connect(listener.shared.local.as_tcp().unwrap()).unwrap();
        listener.shared.gate.set(Phase::Draining);
        listener.close();
        drop(tell_drained);
        accepting.join().unwrap()
    }

    #[test]
    fn a_drain_under_a_thread_that_accepts_ends_what_comes_without_an_error() {
        for _ in 0..200 {
            let error = drain_under(|listener, _| listener.incoming().find_map(io::Result::err));
            assert!(error.is_none(), "{error:?}");
        }
    }

    #[test]
    fn a_drain_under_a_task_that_accepts_is_no_error() {
        for _ in 0..200 {
            let error = drain_under(|listener, drained| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    let accepting = async {
                        loop {
                            if let Err(error) = listener.accept().await {
                                return error;
                            }
                        }
                    };
                    tokio::select! {
                        biased;
                        error = accepting => Some(error),
                        _ = drained => None,
                    }
                })
            });
            assert!(error.is_none(), "{error:?}");
        }
    }
}
