//! The socket itself, for stacks that accept by their own means.

use std::net::TcpListener;

use socket2::Socket;

use super::Listener;
use crate::error::{Context as _, Error, ErrorKind, Result};

impl Listener {
    /// The socket itself, non-blocking, for a stack that accepts by its own means.
    ///
    /// This generation is *unpausable* from here on: until it drains, it accepts beside its
    /// successor, and its port is not free before it lets go of the socket.
    ///
    /// Leave it non-blocking: that is a property of the one open socket that every generation
    /// shares, and `set_nonblocking(false)` here would hang the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Handoff`] if the process is out of descriptors, or is to end already;
    /// [`ErrorKind::Config`] if it is no TCP listener.
    pub fn into_std_tcp(self) -> Result<TcpListener> {
        if self.shared.local.is_unix() {
            return Err(self.is_other("TCP", "into_std_unix"));
        }
        self.duplicate().map(Into::into)
    }

    /// [`into_std_tcp`](Self::into_std_tcp), for tokio.
    ///
    /// # Errors
    ///
    /// As [`into_std_tcp`](Self::into_std_tcp); [`ErrorKind::Handoff`] also outside a runtime.
    pub fn into_tokio_tcp(self) -> Result<tokio::net::TcpListener> {
        is_in_runtime()?;
        let socket = self.into_std_tcp()?;
        tokio::net::TcpListener::from_std(socket).context(ErrorKind::Handoff, not_registered)
    }

    /// The socket itself, as with [`into_std_tcp`](Self::into_std_tcp), if it is a UNIX one.
    ///
    /// Its own `local_addr()` is the name that it was bound by before it was put at its path.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Handoff`] if the process is out of descriptors, or is to end already;
    /// [`ErrorKind::Config`] if it is no UNIX listener.
    #[cfg(unix)]
    pub fn into_std_unix(self) -> Result<std::os::unix::net::UnixListener> {
        if !self.shared.local.is_unix() {
            return Err(self.is_other("UNIX", "into_std_tcp"));
        }
        self.duplicate().map(Into::into)
    }

    /// [`into_std_unix`](Self::into_std_unix), for tokio.
    ///
    /// # Errors
    ///
    /// As [`into_std_unix`](Self::into_std_unix); [`ErrorKind::Handoff`] also outside a runtime.
    #[cfg(unix)]
    pub fn into_tokio_unix(self) -> Result<tokio::net::UnixListener> {
        is_in_runtime()?;
        let socket = self.into_std_unix()?;
        tokio::net::UnixListener::from_std(socket).context(ErrorKind::Handoff, not_registered)
    }

    fn duplicate(&self) -> Result<Socket> {
        self.shared.link.open().lose();
        self.shared.link.ready_if_automatic();
        self.shared.readiness.duplicate().context(
            ErrorKind::Handoff,
            || "the socket was not duplicated; raise the limit of open files",
        )
    }

    fn is_other(&self, kind: &str, method: &str) -> Error {
        let address = self.address().as_str();
        let message = format!("the listener of {address:?} is no {kind} listener; use `{method}`");
        Error::new(ErrorKind::Config, message)
    }
}

pub(in crate::state) fn is_in_runtime() -> Result<()> {
    let outside = || "the socket is registered within a tokio runtime only; call it there";
    tokio::runtime::Handle::try_current().map(drop).context(ErrorKind::Handoff, outside)
}

pub(in crate::state) fn not_registered() -> &'static str {
    "the socket was not registered with the runtime"
}
