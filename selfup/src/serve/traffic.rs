//! Whether a connection is idle, seen from its bytes and its requests.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::course::{Course, Open, Server};

/// What is known of one connection.
///
/// HTTP/1 tells it in one task, and HTTP/2 only counts, so no order between the fields is needed.
#[derive(Debug)]
pub(super) struct Traffic {
    server: Arc<Server>,
    /// Requests that are being answered.
    requests: AtomicUsize,
    /// Whether bytes came that belong to none of them: the beginning of the next one.
    has_begun: AtomicBool,
    /// How much of [`PREFACE`] came; [`IS_HTTP_1`] once it was something else.
    preface: AtomicUsize,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Request(Arc<Traffic>);

/// A connection whose bytes are noticed, counted as long as anybody has it: also one that was
/// upgraded, which hyper gives away.
#[derive(Debug)]
pub(super) struct Wire<I> {
    inner: I,
    traffic: Arc<Traffic>,
    _open: Open,
}

impl Traffic {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        Self {
            server: server.clone(),
            requests: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
            preface: AtomicUsize::new(0),
        }
    }

    /// Notices what came from the client.
    pub(super) fn hear(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.has_begun.store(true, Ordering::Relaxed);
        let before = self.preface.load(Ordering::Relaxed);
        if let Some(expected @ [_, ..]) = PREFACE.get(before..) {
            let came = bytes.len().min(expected.len());
            let is_it = bytes[..came] == expected[..came];
            self.preface.store(if is_it { before + came } else { IS_HTTP_1 }, Ordering::Relaxed);
        }
    }

    /// Notices a request whose head is complete.
    pub(super) fn begin(self: &Arc<Self>) -> Request {
        self.has_begun.store(false, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        Request(self.clone())
    }

    /// Whether the client has sent the whole preface of HTTP/2 (RFC 9113, 3.4).
    pub(super) fn is_http_2(&self) -> bool {
        self.preface.load(Ordering::Relaxed) == PREFACE.len()
    }

    /// Whether a request is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Whether a request is being answered, or has begun to come.
    pub(super) fn is_busy(&self) -> bool {
        self.is_answering() || self.has_begun.load(Ordering::Relaxed)
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
    }
}

impl<I> Wire<I> {
    pub(super) fn new(inner: I, traffic: Arc<Traffic>, open: Open) -> Self {
        Self { inner, traffic, _open: open }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
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

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
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
        Pin::new(&mut self.inner).poll_shutdown(context)
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
