//! The body of an answer as bytes to read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::resume::{Rest, Resume};
use crate::error::{Error, ErrorKind};

/// Reads a body to its end. One that breaks off, or whose server falls silent, is gone on with where
/// that is possible, and fails otherwise.
///
/// What the server sends is held one frame at a time. Its silence is measured while somebody waits
/// for bytes, so a disk that is slow to take them does no harm.
pub(super) struct Body {
    inner: Inner,
    rest: Bytes,
    /// How many bytes came so far.
    at: u64,
    /// How many there are, as a rest of it said.
    length: Option<u64>,
    resume: Option<Resume>,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// For messages; without secrets.
    url: String,
}

enum Inner {
    Reading(reqwest::Body),
    Resuming(Pin<Box<dyn Future<Output = Result<Rest, Error>> + Send>>),
    /// A body that broke off must not end quietly when it is read again.
    Failed,
}

impl Body {
    /// The body of `response`, whose server may be silent for `idle`, and which `resume` goes on
    /// with.
    pub(super) fn new(
        response: reqwest::Response,
        idle: Duration,
        url: String,
        resume: Option<Resume>,
    ) -> Self {
        Self {
            inner: Inner::Reading(response.into()),
            rest: Bytes::new(),
            at: 0,
            length: None,
            resume,
            idle,
            silence: Box::pin(sleep(idle)),
            is_waiting: false,
            url,
        }
    }

    /// The next bytes; none at the end.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        loop {
            let cut = match &mut self.inner {
                Inner::Failed => {
                    return Poll::Ready(Err(self.error("the download has failed already")));
                }
                Inner::Resuming(resuming) => {
                    let Rest { body, length, resume } = ready!(resuming.as_mut().poll(context))?;
                    (self.inner, self.resume) = (Inner::Reading(body), Some(resume));
                    (self.length, self.is_waiting) = (Some(length), false);
                    continue;
                }
                Inner::Reading(_) => match ready!(self.poll_reading(context)) {
                    Ok(bytes) => {
                        self.at += bytes.len() as u64;
                        return Poll::Ready(Ok(bytes));
                    }
                    Err(cut) => cut,
                },
            };
            let Some(resume) = self.resume.take() else { return Poll::Ready(Err(cut)) };
            self.inner = Inner::Resuming(Box::pin(resume.go_on(self.at, cut)));
        }
    }

    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        loop {
            let Inner::Reading(inner) = &mut self.inner else {
                return Poll::Ready(Err(self.error("nothing is read")));
            };
            let Poll::Ready(frame) = Pin::new(inner).poll_frame(context) else {
                ready!(self.poll_silence(context));
                let idle = self.idle;
                return Poll::Ready(Err(self.error(format!(
                    "the server sent nothing for {idle:?} in the middle of the download"
                ))));
            };
            self.is_waiting = false;
            match frame.transpose() {
                Ok(None) if self.length.is_some_and(|length| length != self.at) => {
                    return Poll::Ready(Err(self.error("the download broke off at its end")));
                }
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
                    self.inner = Inner::Failed;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        let wanted = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest.split_to(wanted));
        Poll::Ready(Ok(()))
    }
}
