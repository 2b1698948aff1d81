//! The wait for a connection, where no master pauses it.
//!
//! The listener is registered with tokio under a number of its own, once in each runtime, and every
//! number is closed when the program drains: whoever waits at that moment is woken by the gate, and
//! holds on to its own no longer.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, SockAddr, Socket};
use tokio::runtime::{Handle, Id};

use super::gate::Gate;

/// Says when a socket has something to take.
#[derive(Debug)]
pub(super) struct Readiness<S: Watch>(Mutex<Option<Open<S>>>);

/// What is there until the end.
#[derive(Debug)]
struct Open<S: Watch> {
    socket: Arc<S>,
    /// One that is not driven must not hold up another.
    watched: Vec<(Id, Arc<S::Watched>)>,
}

/// A socket that a runtime can watch.
pub(super) trait Watch: Sized {
    type Watched: std::fmt::Debug;

    fn duplicate(&self) -> io::Result<Self>;

    fn watch(self) -> io::Result<Self::Watched>;
}

/// A listener that a runtime watches.
#[derive(Debug)]
pub(super) enum Watched {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Watch for Socket {
    type Watched = Watched;

    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn watch(self) -> io::Result<Watched> {
        #[cfg(unix)]
        if self.local_addr()?.domain() == Domain::UNIX {
            return tokio::net::UnixListener::from_std(self.into()).map(Watched::Unix);
        }
        tokio::net::TcpListener::from_std(self.into()).map(Watched::Tcp)
    }
}

impl Watch for UdpSocket {
    type Watched = tokio::net::UdpSocket;

    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn watch(self) -> io::Result<Self::Watched> {
        tokio::net::UdpSocket::from_std(self)
    }
}

impl Watched {
    async fn accept(&self) -> io::Result<(Socket, SockAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((stream.into_std()?.into(), peer.into()))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let socket = Socket::from(stream.into_std()?);
                let peer = socket.peer_addr()?;
                Ok((socket, peer))
            }
        }
    }
}

impl Readiness<Socket> {
    /// Waits for a connection. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(Socket, SockAddr)> {
        self.watch()?.accept().await
    }
}

impl Readiness<UdpSocket> {
    /// Waits for a packet. Cancel-safe.
    pub(super) async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.watch()?.recv_from(buffer).await
    }
}

impl<S: Watch> Readiness<S> {
    #[expect(clippy::unnecessary_wraps, reason = "with a master it can fail")]
    pub(super) fn new(socket: S) -> io::Result<Self> {
        let open = Open { socket: Arc::new(socket), watched: Vec::new() };
        Ok(Self(Mutex::new(Some(open))))
    }

    /// The socket, unless it is closed.
    pub(super) fn socket(&self) -> Option<Arc<S>> {
        self.lock().as_ref().map(|open| open.socket.clone())
    }

    fn watch(&self) -> io::Result<Arc<S::Watched>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?.id();
        let mut open = self.lock();
        let open = open.as_mut().ok_or_else(is_closed)?;
        if let Some((_, watched)) = open.watched.iter().find(|(id, _)| *id == runtime) {
            return Ok(watched.clone());
        }
        let new = Arc::new(open.socket.duplicate()?.watch()?);
        open.watched.push((runtime, new.clone()));
        Ok(new)
    }

    /// Does nothing: the gate is never paused.
    #[expect(clippy::unused_self, reason = "with a master there is something to pause")]
    pub(super) fn pause(&self) {}

    /// Does nothing: see [`pause`](Self::pause).
    #[expect(clippy::unused_self, reason = "with a master there is something to resume")]
    pub(super) fn resume(&self) {}

    /// Lets go of the socket.
    #[expect(clippy::unnecessary_wraps, reason = "with a master it can fail")]
    pub(super) fn close(&self, _gate: &Gate) -> io::Result<()> {
        *self.lock() = None;
        Ok(())
    }

    /// The socket under a number of its own, unless it is closed.
    pub(super) fn duplicate(&self) -> io::Result<S> {
        self.socket().ok_or_else(is_closed)?.duplicate()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open<S>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the program is to end")
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::net::{TcpListener, TcpStream};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::super::gate::Phase;
    use super::*;

    fn readiness() -> (Readiness<Socket>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        (Readiness::new(listener.into()).unwrap(), address)
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[tokio::test]
    async fn closing_frees_the_port_once_nobody_waits() {
        let (readiness, address) = readiness();
        {
            let mut waiting = pin!(readiness.accept());
            let mut context = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            readiness.close(&Gate::new(Phase::Draining).unwrap()).unwrap();
        }
        TcpListener::bind(address).unwrap();
        assert!(readiness.socket().is_none() && readiness.duplicate().is_err());
        let error = readiness.accept().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
    }

    #[test]
    fn a_listener_outlives_the_runtime_of_its_first_wait() {
        let (readiness, address) = readiness();
        for _ in 0..2 {
            let _client = TcpStream::connect(address).unwrap();
            runtime().block_on(readiness.accept()).unwrap();
        }
    }

    #[test]
    fn a_runtime_that_is_not_driven_does_not_hold_up_another() {
        let (readiness, address) = readiness();
        let idle = runtime();
        let _entered = idle.enter();
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let _client = TcpStream::connect(address).unwrap();
        runtime().block_on(readiness.accept()).unwrap();
    }

    #[test]
    fn outside_a_runtime_waiting_is_an_error() {
        let (readiness, _) = readiness();
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(waiting.as_mut().poll(&mut context), Poll::Ready(Err(_))));
    }
}
