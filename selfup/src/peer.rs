use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use socket2::SockAddr;

/// The other side of a connection, or the address of a listener: an internet address, or a UNIX one.
///
/// A client on a UNIX socket has no address, as a rule: who it is tell its credentials, by
/// [`Stream::as_unix`](crate::Stream::as_unix) and tokio's `peer_cred()`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerAddr(Form);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Form {
    Internet(SocketAddr),
    Path(PathBuf),
    Abstract(Vec<u8>),
    Unnamed,
}

impl PeerAddr {
    /// The internet address that this is.
    #[must_use]
    pub fn as_tcp(&self) -> Option<SocketAddr> {
        match self.0 {
            Form::Internet(address) => Some(address),
            _ => None,
        }
    }

    /// Whether it is the address of a UNIX socket, of whatever form.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        !matches!(self.0, Form::Internet(_))
    }

    /// The path of a UNIX socket, if it has one.
    #[must_use]
    pub fn as_unix_path(&self) -> Option<&Path> {
        match &self.0 {
            Form::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The abstract name of a UNIX socket, if it has one: unix(7).
    #[must_use]
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Abstract(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn of_path(path: &Path) -> Self {
        Self(Form::Path(path.to_owned()))
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(address: SocketAddr) -> Self {
        Self(Form::Internet(address))
    }
}

impl From<&SockAddr> for PeerAddr {
    fn from(address: &SockAddr) -> Self {
        if let Some(address) = address.as_socket() {
            return address.into();
        }
        #[cfg(unix)]
        if let Some(path) = address.as_pathname() {
            return Self::of_path(path);
        }
        #[cfg(unix)]
        if let Some(name) = address.as_abstract_namespace() {
            return Self(Form::Abstract(name.to_owned()));
        }
        Self(Form::Unnamed)
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Internet(address) => address.fmt(f),
            Form::Path(path) => write!(f, "unix:{}", path.display()),
            Form::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            Form::Unnamed => f.write_str("unix:(unnamed)"),
        }
    }
}
