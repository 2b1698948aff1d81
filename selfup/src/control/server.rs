//! The thread of the socket: accepts, and ends when it is told to.

use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::access::{Access, Caller};
use super::ask::Asked;
use super::clerk::Clerk;
use super::limits::{Limits, MOST_HEAD, MOST_HEADERS, MOST_OPEN};
use super::wire::Wire;
use crate::event::Observer;

/// The thread that answers clients. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
    /// Nothing is ever sent.
    ends: Receiver<Infallible>,
}

impl Server {
    /// Answers whoever connects to `listener`, which is a copy of the master's own: its queue keeps who
    /// connects behind the [stop](Self::stop).
    ///
    /// `socket` is where it is bound, with its device and inode number. What the loop is to answer goes to
    /// `ask`.
    ///
    /// # Errors
    ///
    /// What a runtime, or a thread, cannot be had for.
    pub(crate) fn start(
        listener: StdListener,
        socket: (&Path, (u64, u64)),
        ask: mpsc::Sender<Asked>,
        observer: &Observer,
    ) -> io::Result<Self> {
        Self::start_with(listener, socket, ask, observer, Limits::USUAL)
    }

    pub(super) fn start_with(
        listener: StdListener,
        (path, inode): (&Path, (u64, u64)),
        ask: mpsc::Sender<Asked>,
        observer: &Observer,
        limits: Limits,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _entered = runtime.enter();
            UnixListener::from_std(listener)?
        };
        let (stop, stopped) = watch::channel(false);
        let stopped = Stopped(stopped);
        let access = Access::by_socket(path, inode);
        let clerk = Clerk::new(ask, observer.clone(), access, limits, stopped.clone());
        let (over, ends) = sync_channel(0);
        let thread = std::thread::Builder::new().name("selfup-control".into());
        let thread = thread.spawn(move || {
            let _over: SyncSender<Infallible> = over;
            runtime.block_on(serve(listener, clerk.into(), stopped));
            // Nothing blocks in it; should a library have begun something, it is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { stop, thread, ends })
    }

    /// Has it finish what it can answer, and tell the others to come back: within a second. Does not
    /// wait for that.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether the thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// [Stops](Self::stop) it, and waits for its end for a second at most; says whether it came.
    pub(crate) fn finish(self) -> bool {
        self.stop();
        self.ends.recv_timeout(LAST) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Ends when the server is to stop.
#[derive(Debug, Clone)]
pub(super) struct Stopped(watch::Receiver<bool>);

impl Stopped {
    pub(super) async fn wait(&self) {
        // Whose sender is gone is stopped, too.
        let _ = self.0.clone().wait_for(|is_stopped| *is_stopped).await;
    }
}

async fn serve(listener: UnixListener, clerk: Arc<Clerk>, stopped: Stopped) {
    let mut open = JoinSet::new();
    accept(&listener, &mut open, &clerk, stopped).await;
    drop(listener);
    let rest = async { while open.join_next().await.is_some() {} };
    // Who has said nothing yet is cut.
    let _ = timeout(clerk.limits().grace, rest).await;
}

/// Accepts until the server is to stop.
async fn accept(
    listener: &UnixListener,
    open: &mut JoinSet<()>,
    clerk: &Arc<Clerk>,
    stopped: Stopped,
) {
    let mut stopped = pin!(stopped.wait());
    loop {
        let has_room = open.len() < MOST_OPEN;
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => return,
            accepted = listener.accept(), if has_room => accepted,
            Some(_) = open.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => drop(open.spawn(hold(stream, clerk.clone()))),
            // For want of a descriptor: the kernel has no event for when there is one again.
            Err(_) => {
                if timeout(BACK_OFF, &mut stopped).await.is_ok() {
                    return;
                }
            }
        }
    }
}

/// One connection, which is one request: a client that waits for its next one would only take the place of
/// another.
async fn hold(stream: UnixStream, clerk: Arc<Clerk>) {
    let Ok(caller) = Caller::of(&stream) else { return };
    let (caller, limits) = (Arc::new(caller), clerk.limits());
    let service = service_fn(move |request| {
        let (clerk, caller) = (clerk.clone(), caller.clone());
        async move { Ok::<_, Infallible>(clerk.answer(&caller, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).keep_alive(false);
    http.max_header_size(MOST_HEAD).max_headers(MOST_HEADERS).max_buf_size(2 * MOST_HEAD);
    let mut wire = Wire::new(stream, limits.stall);
    // What is wrong with a connection is its client's to know.
    let _ = http.serve_connection(TokioIo::new(&mut wire), service).await;
    let _ = timeout(limits.linger, wire.linger()).await;
}

const BACK_OFF: Duration = Duration::from_millis(100);

const LAST: Duration = Duration::from_secs(1);
