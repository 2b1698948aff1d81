//! What clients connect over.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Where the service is, and over what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Wire {
    /// TCP.
    Tcp(SocketAddr),
    /// A UNIX socket, by its path.
    Unix(PathBuf),
}

/// What is spoken over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1, by hand: what a client sends and when is known to the byte.
    Http1,
    /// HTTP/2, by hyper's client.
    Http2,
}

/// A connection on which nothing was said yet.
pub(super) type Opened = Box<dyn Io>;

/// A connection that is ready for the protocol.
pub(super) type Ready = Box<dyn Io>;

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Wire {
    pub(super) async fn open(&self) -> io::Result<Opened> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    /// What comes before the protocol, if anything.
    #[expect(clippy::unused_async, reason = "TLS has a handshake")]
    pub(super) async fn shake_hands(&self, wire: Opened) -> io::Result<Ready> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(wire),
        }
    }
}
