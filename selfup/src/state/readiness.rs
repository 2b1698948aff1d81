//! The wait for a connection, which any thread can call off at any moment.
//!
//! The listener is registered with an epoll instance of its own, and that instance with tokio.
//! Pausing takes the listener out of the inner one, at once and from any thread, whatever tasks
//! hold a pending accept, and resuming puts it back under them. Registered with tokio directly, it
//! would stay in epoll until the last of those tasks had been polled, be woken for every connection
//! that another process takes, and must not be closed under its number meanwhile.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Handle, Id};

use crate::sys;

/// Says when a listener has a connection, while it is not paused.
#[derive(Debug)]
pub(super) struct Readiness {
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

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, switch: Mutex::new(Switch::Off), watched: Mutex::new(Vec::new()) })
    }

    /// Waits until `attempt` does not fail with `WouldBlock`. Cancel-safe.
    pub(super) async fn wait<T>(
        &self,
        socket: &TcpListener,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        self.want(socket)?;
        self.watch()?.async_io(Interest::READABLE, |_| attempt()).await
    }

    fn want(&self, socket: &TcpListener) -> io::Result<()> {
        let mut switch = lock(&self.switch);
        match *switch {
            Switch::Off => *switch = self.switch_on(socket)?,
            Switch::Paused { .. } => *switch = Switch::Paused { is_wanted: true },
            Switch::On | Switch::Closed => {}
        }
        Ok(())
    }

    fn switch_on(&self, socket: &TcpListener) -> io::Result<Switch> {
        self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(Switch::On)
    }

    fn switch_off(&self, socket: &TcpListener, switch: Switch) {
        if switch == Switch::On {
            // It was added, and nothing else takes it out.
            let _ = self.epoll.delete(socket);
        }
    }

    /// Is not woken for connections until it is resumed.
    pub(super) fn pause(&self, socket: &TcpListener) {
        let mut switch = lock(&self.switch);
        if matches!(*switch, Switch::Off | Switch::On) {
            self.switch_off(socket, *switch);
            *switch = Switch::Paused { is_wanted: *switch == Switch::On };
        }
    }

    /// Wakes who waits, if there is a connection.
    pub(super) fn resume(&self, socket: &TcpListener) {
        let mut switch = lock(&self.switch);
        if let Switch::Paused { is_wanted } = *switch {
            // What fails here is tried again at the next wait.
            let on = if is_wanted { self.switch_on(socket).ok() } else { None };
            *switch = on.unwrap_or(Switch::Off);
        }
    }

    /// Switches off for ever, and makes the socket's number refer to what `stand_in` does.
    pub(super) fn close(&self, socket: &TcpListener, stand_in: impl AsFd) -> io::Result<()> {
        let mut switch = lock(&self.switch);
        if *switch == Switch::Closed {
            return Ok(());
        }
        self.switch_off(socket, *switch);
        *switch = Switch::Closed;
        sys::fd::replace(socket.as_fd(), stand_in.as_fd())
    }

    /// The socket under a number of its own, unless it is closed.
    pub(super) fn duplicate(&self, socket: &TcpListener) -> io::Result<TcpListener> {
        let switch = lock(&self.switch);
        if *switch == Switch::Closed {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the program is to end"));
        }
        socket.try_clone()
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::net::TcpStream;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn listener() -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[tokio::test]
    async fn a_wait_that_was_paused_and_resumed_before_it_was_polled_again_is_not_forgotten() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        let mut waiting = pin!(readiness.wait(&socket, || socket.accept()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        readiness.pause(&socket);
        let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        readiness.resume(&socket);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_that_began_during_a_pause_is_woken_by_the_resume() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        readiness.pause(&socket);
        let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        let mut waiting = pin!(readiness.wait(&socket, || socket.accept()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        readiness.resume(&socket);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn closing_frees_the_port_under_a_pending_wait() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        let address = socket.local_addr().unwrap();
        let mut waiting = pin!(readiness.wait(&socket, || socket.accept()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let null = std::fs::File::open("/dev/null").unwrap();
        readiness.close(&socket, &null).unwrap();
        TcpListener::bind(address).unwrap();
        assert!(readiness.duplicate(&socket).is_err(), "the number is no listener any more");
    }

    #[test]
    fn a_listener_outlives_the_runtime_of_its_first_wait() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        for _ in 0..2 {
            let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
            runtime().block_on(readiness.wait(&socket, || socket.accept())).unwrap();
        }
    }

    #[test]
    fn a_runtime_that_is_not_driven_does_not_hold_up_another() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        let idle = runtime();
        let _entered = idle.enter();
        let mut waiting = pin!(readiness.wait(&socket, || socket.accept()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        runtime().block_on(readiness.wait(&socket, || socket.accept())).unwrap();
    }

    #[test]
    fn outside_a_runtime_waiting_is_an_error() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        let mut waiting = pin!(readiness.wait(&socket, || socket.accept()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(waiting.as_mut().poll(&mut context), std::task::Poll::Ready(Err(_))));
    }
}
