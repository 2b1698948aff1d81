//! What clients connect over.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::{Certificate, Service, ServiceBuilder};

/// Where the service is, and over what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Wire {
    /// TCP.
    Tcp(SocketAddr),
    /// A UNIX socket, by its path.
    Unix(PathBuf),
    /// TLS over TCP, for a client that trusts the service.
    Tls(SocketAddr, Arc<ClientConfig>),
}

impl Wire {
    /// The one called `tcp`, `unix` or `tls` to a service that was not started yet, and how to find
    /// it once it is.
    ///
    /// # Panics
    ///
    /// If no wire is called so.
    pub fn prepare(
        name: &str,
        protocol: Protocol,
        builder: ServiceBuilder,
    ) -> (ServiceBuilder, impl FnOnce(&Service) -> Self + use<>) {
        let directory = builder.directory().to_owned();
        let socket = directory.join("socket");
        let mut config = None;
        let builder = match name {
            "tcp" => builder,
            "unix" => builder.set("ADDRESS", format!("unix:{}", socket.display())),
            "tls" => {
                let alpn = if protocol == Protocol::Http2 { "h2" } else { "http/1.1" };
                config = Some(Certificate::made_in(&directory).client(alpn));
                builder.set("TLS", directory)
            }
            other => panic!("{other} is no wire; use tcp, unix or tls"),
        };
        let is_unix = name == "unix";
        let wire = move |service: &Service| match config {
            _ if is_unix => Self::Unix(socket),
            Some(config) => Self::Tls(service.address(), config),
            None => Self::Tcp(service.address()),
        };
        (builder, wire)
    }
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
            Self::Tcp(address) | Self::Tls(address, _) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    /// What comes before the protocol, if anything.
    pub(super) async fn shake_hands(&self, wire: Opened) -> io::Result<Ready> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(wire),
            Self::Tls(address, config) => {
                let connector = TlsConnector::from(config.clone());
                Ok(Box::new(connector.connect(address.ip().into(), wire).await?))
            }
        }
    }
}
