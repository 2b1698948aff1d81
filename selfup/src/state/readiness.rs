//! The wait for a connection, or a packet, which any thread can call off at any moment.
//!
//! The listener is registered with an epoll instance of its own, and that instance with tokio.
//! Pausing takes the listener out of the inner one, at once and from any thread, whatever tasks
//! hold a pending accept, and resuming puts it back under them. Registered with tokio directly, it
//! would stay in epoll until the last of those tasks had been polled, be woken for every connection
//! that another process takes, and must not be closed under its number meanwhile.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use socket2::{SockAddr, Socket};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};

use super::gate::Gate;
use crate::sys;

/// Says when a listener has a connection, while it is not paused.
#[derive(Debug)]
pub(super) struct Readiness<S> {
    socket: S,
    epoll: Epoll,
    switch: Mutex<Switch>,
    /// The epoll instance in each runtime that has waited: one that is not driven must not hold up
    /// another.
    watched: Mutex<Vec<(Id, Arc<AsyncFd<OwnedFd>>)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// Nobody has waited yet.
    Off,
    On,
    /// Off until it is resumed; `is_wanted` if somebody waits for that.
    Paused {
        is_wanted: bool,
    },
    /// Off for ever: the number belongs to something else now.
    Closed,
}

impl<S: AsFd + From<OwnedFd>> Readiness<S> {
    pub(super) fn new(socket: S) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let (switch, watched) = (Mutex::new(Switch::Off), Mutex::new(Vec::new()));
        Ok(Self { socket, epoll, switch, watched })
    }

    /// The socket, whose number refers to something else once it is closed.
    #[expect(clippy::unnecessary_wraps, reason = "without a master none is left at the end")]
    pub(super) fn socket(&self) -> Option<&S> {
        Some(&self.socket)
    }

    /// Waits until `take` has something to take. Cancel-safe.
    async fn take<T>(&self, mut take: impl FnMut(&S) -> io::Result<T>) -> io::Result<T> {
        self.want()?;
        self.watch()?.async_io(Interest::READABLE, |_| take(&self.socket)).await
    }

    fn want(&self) -> io::Result<()> {
        let mut switch = lock(&self.switch);
        match *switch {
            Switch::Off => *switch = self.switch_on()?,
            Switch::Paused { .. } => *switch = Switch::Paused { is_wanted: true },
            Switch::On | Switch::Closed => {}
        }
        Ok(())
    }

    fn switch_on(&self) -> io::Result<Switch> {
        self.epoll.add(&self.socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(Switch::On)
    }

    fn switch_off(&self, switch: Switch) {
        if switch == Switch::On {
            // It was added, and nothing else takes it out.
            let _ = self.epoll.delete(&self.socket);
        }
    }

    /// Is not woken for connections until it is resumed.
    pub(super) fn pause(&self) {
        let mut switch = lock(&self.switch);
        if matches!(*switch, Switch::Off | Switch::On) {
            self.switch_off(*switch);
            *switch = Switch::Paused { is_wanted: *switch == Switch::On };
        }
    }

    /// Wakes who waits, if there is a connection.
    pub(super) fn resume(&self) {
        let mut switch = lock(&self.switch);
        if let Switch::Paused { is_wanted } = *switch {
            // What fails here is tried again at the next wait.
            let on = if is_wanted { self.switch_on().ok() } else { None };
            *switch = on.unwrap_or(Switch::Off);
        }
    }

    /// Switches off for ever, and makes the socket's number refer to what the gate's does, which is
    /// as good as any descriptor that never is a listener.
    pub(super) fn close(&self, gate: &Gate) -> io::Result<()> {
        let mut switch = lock(&self.switch);
        if *switch == Switch::Closed {
            return Ok(());
        }
        self.switch_off(*switch);
        *switch = Switch::Closed;
        sys::fd::replace(self.socket.as_fd(), gate.closed())
    }

    /// The socket under a number of its own, unless it is closed.
    pub(super) fn duplicate(&self) -> io::Result<S> {
        let switch = lock(&self.switch);
        if *switch == Switch::Closed {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the program is to end"));
        }
        self.socket.as_fd().try_clone_to_owned().map(S::from)
    }

    fn watch(&self) -> io::Result<Arc<AsyncFd<OwnedFd>>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?.id();
        let mut watched = lock(&self.watched);
        if let Some((_, watched)) = watched.iter().find(|(id, _)| *id == runtime) {
            return Ok(watched.clone());
        }
        let new = Arc::new(sys::fd::watch(self.epoll.0.try_clone()?)?);
        watched.push((runtime, new.clone()));
        Ok(new)
    }
}

impl Readiness<Socket> {
    /// Waits for a connection. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(Socket, SockAddr)> {
        self.take(Socket::accept).await
    }
}

impl Readiness<UdpSocket> {
    /// Waits for a packet. Cancel-safe.
    pub(super) async fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.take(|socket| socket.recv_from(buffer)).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::net::{TcpListener, TcpStream};
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::super::gate::Phase;
    use super::*;
    use crate::testing::eventually;

    fn readiness() -> Readiness<Socket> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Readiness::new(listener.into()).unwrap()
    }

    fn address(readiness: &Readiness<Socket>) -> SocketAddr {
        readiness.socket.local_addr().unwrap().as_socket().unwrap()
    }

    fn connect(readiness: &Readiness<Socket>) -> TcpStream {
        TcpStream::connect(address(readiness)).unwrap()
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[tokio::test]
    async fn a_wait_that_was_paused_and_resumed_before_it_was_polled_again_is_not_forgotten() {
        let readiness = readiness();
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        readiness.pause();
        let _client = connect(&readiness);
        readiness.resume();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_that_began_during_a_pause_is_woken_by_the_resume() {
        let readiness = readiness();
        readiness.pause();
        let _client = connect(&readiness);
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        readiness.resume();
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn closing_frees_the_port_under_a_pending_wait() {
        let readiness = readiness();
        let address = address(&readiness);
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        readiness.close(&Gate::new(Phase::Draining).unwrap()).unwrap();
        eventually("the port is free", || TcpListener::bind(address).ok());
        assert!(readiness.duplicate().is_err(), "the number is no listener any more");
    }

    #[test]
    fn a_listener_outlives_the_runtime_of_its_first_wait() {
        let readiness = readiness();
        for _ in 0..2 {
            let _client = connect(&readiness);
            runtime().block_on(readiness.accept()).unwrap();
        }
    }

    #[test]
    fn a_runtime_that_is_not_driven_does_not_hold_up_another() {
        let readiness = readiness();
        let idle = runtime();
        let _entered = idle.enter();
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let _client = connect(&readiness);
        runtime().block_on(readiness.accept()).unwrap();
    }

    #[test]
    fn outside_a_runtime_waiting_is_an_error() {
        let readiness = readiness();
        let mut waiting = pin!(readiness.accept());
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(waiting.as_mut().poll(&mut context), std::task::Poll::Ready(Err(_))));
    }
}
