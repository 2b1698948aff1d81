//! TLS below HTTP: the handshake, and what records tell of a connection.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::answer::Answers;
use super::connection;
use super::course::{Course, Ear, Open, Server};
use super::traffic::Traffic;
use crate::error::{Error, ErrorKind, Result};

/// How handshakes are made.
#[derive(Clone)]
pub(super) struct Tls {
    acceptor: TlsAcceptor,
    timeout: Duration,
}

/// A connection whose records are noticed.
#[derive(Debug)]
pub(super) struct Sealed<I> {
    inner: I,
    traffic: Arc<Traffic>,
    records: Records,
    is_silent: bool,
}

/// How far the record has come that came last: five bytes, the last two of which tell how many
/// follow (RFC 8446, 5.1).
#[derive(Debug, Default)]
struct Records {
    head: usize,
    left: usize,
}

/// Serves a connection that begins with a handshake.
pub(super) async fn hold<I, S>(io: I, tls: Tls, service: S, open: Open)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Answers,
{
    let traffic = Arc::new(Traffic::new(open.server()));
    let io = Sealed::new(io, traffic.clone());
    // In a box, for the room that it takes is of no use afterwards.
    match Box::pin(tls.shake_hands(io, open.server())).await {
        Ok(io) => connection::serve(io, service, traffic, open).await,
        Err(error) => tracing::debug!(%error, "a handshake has failed"),
    }
}

impl Tls {
    /// Says both HTTPs if `config` names no protocol.
    pub(super) fn new(mut config: Arc<ServerConfig>, timeout: Duration) -> Result<Self> {
        if timeout.is_zero() {
            let message = "a `handshake_timeout` of zero lets nobody in; give it some seconds";
            return Err(Error::new(ErrorKind::Config, message));
        }
        if config.max_early_data_size > 0 {
            let message = "early data is not read; set `max_early_data_size` to 0";
            return Err(Error::new(ErrorKind::Config, message));
        }
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
        }
        Ok(Self { acceptor: config.into(), timeout })
    }

    async fn shake_hands<I>(
        self,
        io: Sealed<I>,
        server: &Server,
    ) -> io::Result<TlsStream<Sealed<I>>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let mut handshake = self.acceptor.accept(io);
        let turned = pin!(server.turned());
        let mut ear = Ear::new(server, turned);
        let mut timeout = pin!(sleep(self.timeout));
        // Runs while it is shed and nothing came.
        let mut linger = None;
        poll_fn(|context| {
            let course = ear.poll_course(context);
            if course == Course::Cut {
                return Poll::Ready(Err(io::Error::other("it was cut")));
            }
            if let done @ Poll::Ready(_) = Pin::new(&mut handshake).poll(context) {
                return done;
            }
            if timeout.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(late("it was not done")));
            }
            let is_silent = handshake.get_ref().is_some_and(|io| io.is_silent);
            if course == Course::Serve || !is_silent {
                linger = None;
                return Poll::Pending;
            }
            let linger = linger.get_or_insert_with(|| Box::pin(sleep(server.linger)));
            ready!(linger.as_mut().poll(context));
            Poll::Ready(Err(late("nothing was said")))
        })
        .await
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} in time"))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl<I> Sealed<I> {
    fn new(inner: I, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic, records: Records::default(), is_silent: true }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.is_silent &= bytes.is_empty();
        self.records.hear(bytes);
        self.traffic.set_in_record(self.records.is_within_one());
    }
}

impl Records {
    fn hear(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.head < HEAD {
                if self.head >= HEAD - LENGTH {
                    self.left = self.left << 8 | usize::from(*first);
                }
                self.head += 1;
                bytes = rest;
            } else {
                let came = self.left.min(bytes.len());
                self.left -= came;
                bytes = &bytes[came..];
            }
            if self.head == HEAD && self.left == 0 {
                self.head = 0;
            }
        }
    }

    fn is_within_one(&self) -> bool {
        self.head > 0
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Sealed<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.hear(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Sealed<I> {
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

const HEAD: usize = 5;
const LENGTH: usize = 2;

#[cfg(test)]
mod tests;
