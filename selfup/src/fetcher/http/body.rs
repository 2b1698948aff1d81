//! The body of an answer as bytes to read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::error::{Error, ErrorKind};

/// Reads a body to its end, and fails if it breaks off or the server falls silent.
///
/// What the server sends is held one frame at a time. Its silence is measured while somebody waits
/// for bytes, so a disk that is slow to take them does no harm.
pub(super) struct Body {
    /// `None` once it failed: a body that broke off must not end quietly when it is read again.
    inner: Option<reqwest::Body>,
    rest: Bytes,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// For messages; without secrets.
    url: String,
}

impl Body {
    /// The body of `response`, whose server may be silent for `idle`.
    pub(super) fn new(response: reqwest::Response, idle: Duration, url: String) -> Self {
        Self {
            inner: Some(response.into()),
            rest: Bytes::new(),
            idle,
            silence: Box::pin(sleep(idle)),
            is_waiting: false,
            url,
        }
    }

    /// The next bytes; none at the end.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Err(self.error("the download has failed already")));
        };
        loop {
            let Poll::Ready(frame) = Pin::new(&mut *inner).poll_frame(context) else {
                ready!(self.poll_silence(context));
                let idle = self.idle;
                return Poll::Ready(Err(self.error(format!(
                    "the server sent nothing for {idle:?} in the middle of the download"
                ))));
            };
            self.is_waiting = false;
            match frame.transpose() {
                Ok(None) => return Poll::Ready(Ok(Bytes::new())),
                // Trailers are no data, and an empty frame is no end.
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Ok(data)),
                    _ => {}
                },
                Err(error) => {
                    let error = self.error("the download broke off").caused_by(error.without_url());
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Ready once nothing came for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.silence.as_mut().reset(Instant::now() + self.idle);
        }
        self.silence.as_mut().poll(context)
    }

    fn error(&self, what: impl AsRef<str>) -> Error {
        Error::new(ErrorKind::Fetch, format!("{}: {}", self.url, what.as_ref()))
    }
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match ready!(self.poll_bytes(context)) {
                Ok(bytes) => self.rest = bytes,
                Err(error) => {
                    self.inner = None;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        let wanted = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(wanted));
        Poll::Ready(Ok(()))
    }
}
