//! Whether a connection is idle, seen from its bytes and its requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::course::{Course, Open, Server};

/// What is known of one connection.
///
/// HTTP/1 tells it in one task, and HTTP/2 counts, and wakes the task by a lock, so no order between
/// the fields is needed.
#[derive(Debug)]
pub(super) struct Traffic {
    server: Arc<Server>,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Whether there ever was one.
    was_asked: AtomicBool,
    /// Whether bytes came that belong to none of them: the beginning of the next one.
    has_begun: AtomicBool,
    /// Whether a part of a record of TLS came, which cannot be read before the rest does.
    is_in_record: AtomicBool,
    /// Whether anything came since GOAWAY was said.
    is_heard: AtomicBool,
    /// Whether all that was to be sent was, and the sending side is closed.
    is_shut_down: AtomicBool,
    /// Whether it is closed although nothing is wrong with it.
    is_let_go: AtomicBool,
    /// How much of [`PREFACE`] came; [`IS_HTTP_1`] once it was something else.
    preface: AtomicUsize,
    /// The task of a connection that waits for its answers. Those of HTTP/2 have tasks of their own,
    /// and may wake it before they are gone.
    waiting: Mutex<Option<Waker>>,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Request(Arc<Traffic>);

/// A connection whose bytes are noticed, counted as long as anybody has it: also one that was
/// upgraded, which hyper gives away.
#[derive(Debug)]
pub(super) struct Wire<I: AsyncRead + AsyncWrite + Unpin> {
    inner: I,
    traffic: Arc<Traffic>,
    /// Whether its client sends all the same.
    is_sent_to: bool,
    _open: Open,
}

impl Traffic {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        Self {
            server: server.clone(),
            requests: AtomicUsize::new(0),
            was_asked: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            is_in_record: AtomicBool::new(false),
            is_heard: AtomicBool::new(false),
            is_shut_down: AtomicBool::new(false),
            is_let_go: AtomicBool::new(false),
            preface: AtomicUsize::new(0),
            waiting: Mutex::new(None),
        }
    }

    /// Notices what came from the client.
    pub(super) fn hear(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.has_begun.store(true, Ordering::Relaxed);
        self.is_heard.store(true, Ordering::Relaxed);
        let before = self.preface.load(Ordering::Relaxed);
        if let Some(expected @ [_, ..]) = PREFACE.get(before..) {
            let came = bytes.len().min(expected.len());
            let is_it = bytes[..came] == expected[..came];
            self.preface.store(if is_it { before + came } else { IS_HTTP_1 }, Ordering::Relaxed);
        }
    }

    /// Notices whether what came from the client ended within a record of TLS.
    #[cfg(feature = "tls")]
    pub(super) fn set_in_record(&self, is_in_record: bool) {
        self.is_in_record.store(is_in_record, Ordering::Relaxed);
    }

    /// Notices that GOAWAY is said now.
    pub(super) fn go_away(&self) {
        self.is_heard.store(false, Ordering::Relaxed);
    }

    /// Whether a client that was told GOAWAY has streams still, as far as can be seen: it has said
    /// something since, if only that it got the PING that came with it, and hyper has not come to
    /// the end. So it is with an answer that waits for the client to make room, and with a tunnel.
    pub(super) fn goes_on(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed) && !self.is_shut_down.load(Ordering::Relaxed)
    }

    /// Notices that an idle connection is closed, so that its client is told as far as it can be.
    pub(super) fn let_go(&self) {
        self.is_let_go.store(true, Ordering::Relaxed);
    }

    /// Notices a request whose head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        self.was_asked.store(true, Ordering::Relaxed);
        self.has_begun.store(false, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Request(self.clone())
    }

    /// Whether the client has sent the whole preface of HTTP/2 (RFC 9113, 3.4).
    pub(super) fn is_http_2(&self) -> bool {
        self.preface.load(Ordering::Relaxed) == PREFACE.len()
    }

    /// Whether the client has sent a request.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// Whether a request is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// [`is_answering`](Self::is_answering); if it is, `context` is woken by the end of each answer.
    pub(super) fn waits_for_answers(&self, context: &Context<'_>) -> bool {
        if self.is_answering() {
            *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(context.waker().clone());
        }
        // One that ended meanwhile saw no waker, and is seen here.
        self.is_answering()
    }

    /// Whether a request is being answered, or has begun to come.
    pub(super) fn is_busy(&self) -> bool {
        self.is_answering()
            || self.has_begun.load(Ordering::Relaxed)
            || self.is_in_record.load(Ordering::Relaxed)
    }
}

impl Request {
    /// Whether the connection is to take no other one.
    pub(super) fn is_last(&self) -> bool {
        self.0.server.turn().course() != Course::Serve
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // What came meanwhile was its body.
        self.0.has_begun.store(false, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
        // The one answer of HTTP/1 ends in the task that would be woken.
        if self.0.is_http_2() {
            let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Wire<I> {
    pub(super) fn new(inner: I, traffic: Arc<Traffic>, open: Open) -> Self {
        Self { inner, traffic, is_sent_to: false, _open: open }
    }

    /// Whether its client may be sending, and was told that this is in vain.
    fn is_sent_away(&self) -> bool {
        let is_shed = self.traffic.server.turn().course() == Course::Shed;
        is_shed && !self.traffic.is_let_go.load(Ordering::Relaxed)
    }

    /// Reads what still comes, until the client closes.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 2048];
        loop {
            let mut buffer = ReadBuf::new(&mut waste);
            let read = ready!(Pin::new(&mut self.inner).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
            self.is_sent_to = true;
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Drop for Wire<I> {
    fn drop(&mut self) {
        if self.traffic.is_let_go.load(Ordering::Relaxed) {
            // hyper drops one of which nothing was read. Whatever cannot be sent at once is not
            // waited for.
            let mut context = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut self.inner).poll_shutdown(&mut context);
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.traffic.hear(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.traffic.is_shut_down.load(Ordering::Relaxed) {
            ready!(Pin::new(&mut self.inner).poll_shutdown(context))?;
            self.traffic.is_shut_down.store(true, Ordering::Relaxed);
        }
        // Closed with something unread, it would be reset, and its client might never see the last
        // answer, or the GOAWAY by which it knows what to send again. With HTTP/2 that is to be
        // expected, with HTTP/1 only of who did not wait for the answer. `Shedding` bounds the wait.
        if self.is_sent_away()
            && self.poll_end(context).is_pending()
            && (self.traffic.is_http_2() || self.is_sent_to)
        {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const IS_HTTP_1: usize = usize::MAX;
