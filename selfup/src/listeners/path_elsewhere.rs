use std::convert::Infallible;
use std::io;
use std::path::Path;

use socket2::Socket;

use crate::config::Options;

/// A socket at a path: there is none.
#[derive(Debug)]
pub(crate) struct Placed(Infallible);

pub(super) fn bind(_: &Path, _: &Options, _: i32) -> io::Result<(Socket, Placed)> {
    Err(unsupported())
}

pub(super) fn bind_abstract(_: &str, _: i32) -> io::Result<Socket> {
    Err(unsupported())
}

fn unsupported() -> io::Error {
    let text = "this system has no UNIX sockets for us; use TCP";
    io::Error::new(io::ErrorKind::Unsupported, text)
}
