//! The wait for a connection, where no master pauses it.
//!
//! The listener is registered with tokio under a number of its own, once in each runtime, and every
//! number is closed when the program drains: whoever waits at that moment is woken by the gate, and
//! holds on to its own no longer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use socket2::{Domain, SockAddr, Socket};
use tokio::runtime::{Handle, Id};

use super::gate::Gate;

/// Says when a listener has a connection.
#[derive(Debug)]
pub(super) struct Readiness(Mutex<Option<Open>>);

/// What is there until the end.
#[derive(Debug)]
struct Open {
    socket: Arc<Socket>,
    /// One that is not driven must not hold up another.
    watched: Vec<(Id, Arc<Watched>)>,
}

/// A listener that a runtime watches.
#[derive(Debug)]
enum Watched {
    Tcp(tokio::net::TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Watched {
    fn new(socket: Socket) -> io::Result<Self> {
        #[cfg(unix)]
        if socket.local_addr()?.domain() == Domain::UNIX {
            return tokio::net::UnixListener::from_std(socket.into()).map(Self::Unix);
        }
        tokio::net::TcpListener::from_std(socket.into()).map(Self::Tcp)
    }

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

impl Readiness {
    #[expect(clippy::unnecessary_wraps, reason = "with a master it can fail")]
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        let open = Open { socket: Arc::new(socket), watched: Vec::new() };
        Ok(Self(Mutex::new(Some(open))))
    }

    /// The socket, unless it is closed.
    pub(super) fn socket(&self) -> Option<Arc<Socket>> {
        self.lock().as_ref().map(|open| open.socket.clone())
    }

    /// Waits for a connection. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(Socket, SockAddr)> {
        self.watch()?.accept().await
    }

    fn watch(&self) -> io::Result<Arc<Watched>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?.id();
        let mut open = self.lock();
        let open = open.as_mut().ok_or_else(is_closed)?;
        if let Some((_, watched)) = open.watched.iter().find(|(id, _)| *id == runtime) {
            return Ok(watched.clone());
        }
        let new = Arc::new(Watched::new(open.socket.try_clone()?)?);
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
    pub(super) fn duplicate(&self) -> io::Result<Socket> {
        self.socket().ok_or_else(is_closed)?.try_clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the program is to end")
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::super::gate::Phase;
    use super::*;

    fn readiness() -> (Readiness, SocketAddr) {
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
