//! Connections, whatever they came by.

pub(super) mod blocking;
#[cfg(feature = "stream")]
pub(super) mod connections;
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

/// An accepted connection: TCP, or a UNIX socket.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Registers what was accepted with the runtime of this thread.
    pub(super) fn register(socket: Socket, domain: Domain) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        #[cfg(unix)]
        if domain == Domain::UNIX {
            return UnixStream::from_std(socket.into()).map(|stream| Self(Kind::Unix(stream)));
        }
        let _ = domain;
        TcpStream::from_std(socket.into()).map(|stream| Self(Kind::Tcp(stream)))
    }

    /// The TCP connection that this is.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
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
        match self.0 {
            Kind::Tcp(stream) => Ok(stream),
            #[cfg(unix)]
            Kind::Unix(_) => Err(self),
        }
    }

    /// The connection on a UNIX socket that this is. Its `peer_cred()` tells who the client is.
    #[cfg(unix)]
    #[must_use]
    pub fn as_unix(&self) -> Option<&UnixStream> {
        match &self.0 {
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
        match self.0 {
            Kind::Unix(stream) => Ok(stream),
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
        with!(&mut self.0, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.0, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(&mut self.0, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(&mut self.0, stream => Pin::new(stream).poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.0, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        with!(&self.0, stream => stream.is_write_vectored())
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Stream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        with!(&self.0, stream => stream.as_fd())
    }
}
