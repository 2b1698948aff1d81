use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket};

use crate::state::open::Counted;

/// An accepted connection of a program without a runtime: TCP, or a UNIX socket. It blocks.
#[derive(Debug)]
pub struct BlockingStream(Kind, Arc<Counted>);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
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

impl BlockingStream {
    pub(in crate::state) fn new(
        socket: Socket,
        domain: Domain,
        counted: Counted,
    ) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        #[cfg(unix)]
        if domain == Domain::UNIX {
            return Ok(Self(Kind::Unix(socket.into()), counted.into()));
        }
        let _ = domain;
        Ok(Self(Kind::Tcp(socket.into()), counted.into()))
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
            Kind::Tcp(stream) => {
                self.1.lose();
                Ok(stream)
            }
            #[cfg(unix)]
            Kind::Unix(_) => Err(self),
        }
    }

    /// The connection on a UNIX socket that this is.
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
            Kind::Unix(stream) => {
                self.1.lose();
                Ok(stream)
            }
            Kind::Tcp(_) => Err(self),
        }
    }

    /// The same connection under another number, to read and write it from two threads.
    ///
    /// # Errors
    ///
    /// What fcntl(2) fails with: `EMFILE` when the process is out of descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        let kind = match &self.0 {
            Kind::Tcp(stream) => Kind::Tcp(stream.try_clone()?),
            #[cfg(unix)]
            Kind::Unix(stream) => Kind::Unix(stream.try_clone()?),
        };
        Ok(Self(kind, self.1.clone()))
    }

    /// How long a read waits, before it fails with `WouldBlock`. Default: for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        with!(&self.0, stream => stream.set_read_timeout(timeout))
    }

    /// How long a write waits, before it fails with `WouldBlock`. Default: for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        with!(&self.0, stream => stream.set_write_timeout(timeout))
    }

    /// Ends reading, writing or both, for every clone.
    ///
    /// # Errors
    ///
    /// What shutdown(2) fails with: `ENOTCONN` when the client is gone.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        with!(&self.0, stream => stream.shutdown(how))
    }
}

impl Read for BlockingStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        with!(&mut self.0, stream => stream.read(buffer))
    }

    fn read_vectored(&mut self, slices: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        with!(&mut self.0, stream => stream.read_vectored(slices))
    }
}

impl Write for BlockingStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        with!(&mut self.0, stream => stream.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        with!(&mut self.0, stream => stream.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        with!(&mut self.0, stream => stream.flush())
    }
}

impl Read for &BlockingStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        with!(&self.0, stream => (&mut &*stream).read(buffer))
    }
}

impl Write for &BlockingStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        with!(&self.0, stream => (&mut &*stream).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        with!(&self.0, stream => (&mut &*stream).flush())
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for BlockingStream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        with!(&self.0, stream => stream.as_fd())
    }
}
