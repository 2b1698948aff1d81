//! Connections, whatever they came by.

pub(super) mod blocking;
#[cfg(feature = "stream")]
pub(super) mod connections;
#[cfg(feature = "stream")]
mod ending;
#[cfg(feature = "tonic")]
mod tonic;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{Domain, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::open::Counted;

/// An accepted connection: TCP, or a UNIX socket.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    counted: Counted,
    /// For who closes a connection without listening to the end of it.
    #[cfg(feature = "stream")]
    ending: Option<ending::Ending>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Registers what was accepted with the runtime of this thread.
    pub(super) fn register(socket: Socket, domain: Domain, counted: Counted) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        #[cfg(unix)]
        if domain == Domain::UNIX {
            let stream = UnixStream::from_std(socket.into())?;
            return Ok(Self::new(Kind::Unix(stream), counted));
        }
        let _ = domain;
        TcpStream::from_std(socket.into()).map(|stream| Self::new(Kind::Tcp(stream), counted))
    }

    fn new(kind: Kind, counted: Counted) -> Self {
        Self {
            kind,
            counted,
            #[cfg(feature = "stream")]
            ending: None,
        }
    }

    /// Has its shutdown listen until the client has closed it, too, so that what was said last is not
    /// lost; for a protocol that ends with the last word of the server.
    #[cfg(feature = "stream")]
    fn heard_out(mut self) -> Self {
        self.ending = Some(ending::Ending::default());
        self
    }

    /// The TCP connection that this is.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Kind::Unix(_) => None,
        }
    }

    /// The TCP connection that this is.
    ///
    /// # Errors
    ///
    /// The stream itself, if it is no TCP connection.
    pub fn into_tcp(self) -> Result<TcpStream, Self> {
        match self.kind {
            Kind::Tcp(stream) => {
                self.counted.lose();
                Ok(stream)
            }
            #[cfg(unix)]
            Kind::Unix(_) => Err(self),
        }
    }

    /// The connection on a UNIX socket that this is. Its `peer_cred()` tells who the client is.
    #[cfg(unix)]
    #[must_use]
    pub fn as_unix(&self) -> Option<&UnixStream> {
        match &self.kind {
            Kind::Unix(stream) => Some(stream),
            Kind::Tcp(_) => None,
        }
    }

    /// The connection on a UNIX socket that this is.
    ///
    /// # Errors
    ///
    /// The stream itself, if it is something else.
    #[cfg(unix)]
    pub fn into_unix(self) -> Result<UnixStream, Self> {
        match self.kind {
            Kind::Unix(stream) => {
                self.counted.lose();
                Ok(stream)
            }
            Kind::Tcp(_) => Err(self),
        }
    }
}

/// The same, of whichever kind it is.
macro_rules! with {
    ($stream:expr, $name:ident => $value:expr) => {
        match $stream {
            Kind::Tcp($name) => $value,
            #[cfg(unix)]
            Kind::Unix($name) => $value,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with!(&mut self.kind, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.kind, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(&mut self.kind, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(feature = "stream")]
        if let Self { kind, ending: Some(ending), .. } = &mut *self {
            return with!(kind, stream => ending.poll(stream, context));
        }
        with!(&mut self.kind, stream => Pin::new(stream).poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.kind, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        with!(&self.kind, stream => stream.is_write_vectored())
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        with!(&self.kind, stream => stream.as_fd())
    }
}
