//! What all connections of a server are told, and how many there are.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// What connections are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// They are kept alive.
    Serve,
    /// Each takes one more request at most, and waits `linger` for it.
    Shed,
    /// They end at once.
    Cut,
}

/// A course, unlike every other that was set before or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(usize);

/// What the connections of one server share.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) protocol: auto::Builder<TokioExecutor>,
    pub(super) linger: Duration,
    /// A [`Turn`].
    turn: AtomicUsize,
    turned: Notify,
    accepted: AtomicUsize,
    open: AtomicUsize,
    ended: Notify,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Server>);

/// Hears of the course, and takes a lock for it only when there is news.
#[derive(Debug)]
pub(super) struct Ear<'server, 'task> {
    server: &'server Server,
    turned: Pin<&'task mut Notified<'server>>,
    heard: Option<(Turn, Waker)>,
}

impl Turn {
    pub(super) fn course(self) -> Course {
        match self.0 % COURSES {
            SERVE => Course::Serve,
            SHED => Course::Shed,
            _ => Course::Cut,
        }
    }
}

impl Server {
    pub(super) fn new(linger: Duration) -> Self {
        let mut protocol = auto::Builder::new(TokioExecutor::new());
        // WebSockets over HTTP/2 (RFC 8441).
        protocol.http2().enable_connect_protocol();
        Self {
            protocol,
            linger,
            turn: AtomicUsize::new(SERVE),
            turned: Notify::new(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            ended: Notify::new(),
        }
    }

    pub(super) fn turn(&self) -> Turn {
        Turn(self.turn.load(Ordering::Acquire))
    }

    /// Completes at the first [`set`](Self::set) after this call, if it is polled before that.
    pub(super) fn turned(&self) -> Notified<'_> {
        self.turned.notified()
    }

    /// Tells every connection of a course, unless they are on it.
    pub(super) fn set(&self, course: Course) {
        let Turn(turn) = self.turn();
        if Turn(turn).course() == course {
            return;
        }
        let number = match course {
            Course::Serve => SERVE,
            Course::Shed => SHED,
            Course::Cut => CUT,
        };
        let next = (turn - turn % COURSES).wrapping_add(COURSES + number);
        self.turn.store(next, Ordering::Release);
        self.turned.notify_waiters();
    }

    /// Counts a connection.
    pub(super) fn open(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// How many connections there were.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits for the end of some connection.
    pub(super) async fn an_end(&self) {
        self.ended.notified().await;
    }

    /// Waits until there is no connection.
    pub(super) async fn all_ended(&self) {
        loop {
            // An end between the look and the wait is heard, too.
            let ended = self.ended.notified();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Open {
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

impl<'server, 'task> Ear<'server, 'task> {
    /// `turned` is the server's.
    pub(super) fn new(server: &'server Server, turned: Pin<&'task mut Notified<'server>>) -> Self {
        Self { server, turned, heard: None }
    }

    pub(super) fn poll_course(&mut self, context: &mut Context<'_>) -> Course {
        let turn = self.server.turn();
        let is_news =
            |(heard, waker): &(Turn, Waker)| *heard != turn || !waker.will_wake(context.waker());
        if self.heard.as_ref().is_none_or(is_news) {
            self.turned.set(self.server.turned());
            // One that is set after this wakes this task; one before is read now.
            let _ = self.turned.as_mut().poll(context);
            self.heard = Some((self.server.turn(), context.waker().clone()));
        }
        self.heard.as_ref().map_or(turn, |(turn, _)| *turn).course()
    }
}

/// More than there are courses, so that a turn is a count and a course.
const COURSES: usize = 4;
const SERVE: usize = 0;
const SHED: usize = 1;
const CUT: usize = 2;
