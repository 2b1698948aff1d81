//! The wait for a connection, which any thread can call off at any moment.
//!
//! The listener is registered with an epoll instance of its own, and that instance with tokio.
//! Pausing takes the listener out of the inner one, at once and from any thread, whatever tasks
//! hold a pending accept. Registered with tokio directly, it would stay in epoll until the last of
//! those tasks had been polled, be woken for every connection that another process takes, and must
//! not be closed under its number meanwhile.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys;

/// Says when a listener has a connection, while it is switched on.
#[derive(Debug)]
pub(super) struct Readiness {
    epoll: Epoll,
    switch: Mutex<Switch>,
    /// The epoll instance in tokio, from the first wait on.
    watched: Mutex<Option<Arc<AsyncFd<OwnedFd>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    Off,
    On,
    /// Off for ever: the number belongs to something else now.
    Closed,
}

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, switch: Mutex::new(Switch::Off), watched: Mutex::new(None) })
    }

    /// Waits until `attempt` does not fail with `WouldBlock`. Cancel-safe.
    pub(super) async fn wait<T>(
        &self,
        socket: &TcpListener,
        mut attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            self.switch_on(socket)?;
            let watched = self.watch()?;
            match watched.async_io(Interest::READABLE, |_| attempt()).await {
                // The runtime of the first wait has ended; this one runs on another.
                Err(error) if error.kind() == io::ErrorKind::Other && !is_of_kernel(&error) => {
                    *lock(&self.watched) = None;
                }
                done => return done,
            }
        }
    }

    fn switch_on(&self, socket: &TcpListener) -> io::Result<()> {
        let mut switch = lock(&self.switch);
        if *switch == Switch::Off {
            self.epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
            *switch = Switch::On;
        }
        Ok(())
    }

    pub(super) fn switch_off(&self, socket: &TcpListener) {
        let mut switch = lock(&self.switch);
        if *switch == Switch::On {
            // It was added, and nothing else takes it out.
            let _ = self.epoll.delete(socket);
            *switch = Switch::Off;
        }
    }

    /// Switches off for ever, and makes the socket's number refer to what `stand_in` does.
    pub(super) fn close(&self, socket: &TcpListener, stand_in: impl AsFd) -> io::Result<()> {
        self.switch_off(socket);
        let mut switch = lock(&self.switch);
        *switch = Switch::Closed;
        sys::fd::replace(socket.as_fd(), stand_in.as_fd())
    }

    fn watch(&self) -> io::Result<Arc<AsyncFd<OwnedFd>>> {
        let mut watched = lock(&self.watched);
        if let Some(watched) = &*watched {
            return Ok(watched.clone());
        }
        let new = Arc::new(sys::fd::watch(self.epoll.0.try_clone()?)?);
        *watched = Some(new.clone());
        Ok(new)
    }
}

fn is_of_kernel(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
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

    #[tokio::test]
    async fn a_connection_that_came_while_it_was_off_is_taken_when_it_is_on_again() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        {
            let mut waiting = pin!(readiness.wait(&socket, || socket.accept()));
            let mut context = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            readiness.switch_off(&socket);
        }
        let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        readiness.wait(&socket, || socket.accept()).await.unwrap();
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
    }

    #[test]
    fn a_listener_outlives_the_runtime_of_its_first_wait() {
        let (socket, readiness) = (listener(), Readiness::new().unwrap());
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _client = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
            runtime.unwrap().block_on(readiness.wait(&socket, || socket.accept())).unwrap();
        }
    }
}
