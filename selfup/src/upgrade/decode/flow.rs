//! Bytes on their way from the published file to the binary, watched at both ends.
//!
//! Decoders wrap the errors of what they read from, and say of a disk that fails, of a bomb and of a
//! garbled file that they could not go on. Who knows better writes it down here.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;

use rawzip::ReaderAt;
use tokio::time::Instant;

use super::format::Format;
use crate::error::{BoxError, Error, ErrorKind, Result};

/// Why nothing was unpacked.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file is not what its format asks for.
    Garbled(BoxError),
    /// It is, and still nothing can be done with it.
    Refused(Error),
}

impl Failure {
    pub(super) fn into_error(self, format: Format) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Garbled(cause) => {
                let words = format!("it cannot be unpacked as {format}; publish the whole file");
                Error::new(ErrorKind::Decode, words).caused_by(cause)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Garbled(error.into())
    }
}

impl From<rawzip::Error> for Failure {
    fn from(error: rawzip::Error) -> Self {
        Self::Garbled(error.into())
    }
}

impl From<&str> for Failure {
    fn from(words: &str) -> Self {
        Self::Garbled(words.into())
    }
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self::Garbled(words.into())
    }
}

/// What is known of a failure beyond what a decoder says.
#[derive(Debug)]
pub(super) struct Watch {
    until: Instant,
    failure: RefCell<Option<Error>>,
}

impl Watch {
    pub(super) fn start() -> Rc<Self> {
        Rc::new(Self { until: Instant::now() + PATIENCE, failure: RefCell::new(None) })
    }

    /// The reason of a failure, if it is known better than by the decoder.
    pub(super) fn reason(&self) -> Option<Error> {
        self.failure.take()
    }

    /// Fails once it has taken too long.
    fn check(&self) -> io::Result<()> {
        if Instant::now() < self.until {
            return Ok(());
        }
        let patience = humantime::format_duration(PATIENCE);
        let words = format!(
            "it was not unpacked in {patience}; see what keeps this host busy, or pack it in another way"
        );
        let late = io::Error::from(io::ErrorKind::TimedOut);
        Err(self.fail(Error::new(ErrorKind::Decode, words).caused_by(late)))
    }

    /// Passes on what the disk says.
    fn checked<T>(&self, read: io::Result<T>) -> io::Result<T> {
        read.map_err(|error| {
            let words = "the published file could not be read back from the disk";
            self.fail(Error::new(ErrorKind::Stage, words).caused_by(error))
        })
    }

    fn fail(&self, error: Error) -> io::Error {
        let words = io::Error::other(error.to_string());
        *self.failure.borrow_mut() = Some(error);
        words
    }
}

/// The published file, of which everything that goes wrong is written down.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    at: u64,
    watch: Rc<Watch>,
}

impl<R> Source<R> {
    pub(super) fn new(inner: R, watch: &Rc<Watch>) -> Self {
        Self { inner, at: 0, watch: Rc::clone(watch) }
    }
}

impl<R: ReaderAt> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl<R: ReaderAt> ReaderAt for Source<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.watch.check()?;
        self.watch.checked(self.inner.read_at(buffer, offset))
    }
}

/// What is unpacked, of which there may be so many bytes.
#[derive(Debug)]
pub(super) struct Capped<R> {
    inner: R,
    most: u64,
    left: u64,
    watch: Rc<Watch>,
}

impl<R> Capped<R> {
    pub(super) fn new(inner: R, most: u64, watch: &Rc<Watch>) -> Self {
        Self { inner, most, left: most, watch: Rc::clone(watch) }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(self.watch.fail(too_long(self.most))),
        }
        Ok(read)
    }
}

/// Where the binary goes.
pub(super) struct Output<'a> {
    most: u64,
    written: u64,
    /// Refuses what there is no room for.
    room: &'a mut dyn FnMut(u64) -> Result<()>,
    to: &'a mut dyn FnMut(&[u8]) -> Result<()>,
}

impl<'a> Output<'a> {
    pub(super) fn new(
        most: u64,
        room: &'a mut dyn FnMut(u64) -> Result<()>,
        to: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Self {
        Self { most, written: 0, room, to }
    }

    /// So many bytes are announced.
    pub(super) fn expect(&mut self, size: u64) -> Result<()> {
        if size > self.most {
            return Err(too_long(self.most));
        }
        (self.room)(size)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.written += bytes.len() as u64;
        if self.written > self.most {
            return Err(too_long(self.most).into());
        }
        Ok((self.to)(bytes)?)
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes there may be.
    pub(super) fn most(&self) -> u64 {
        self.most
    }
}

/// Gives everything in `from` to `to`, and now and then the thread to others: there may be a
/// gibibyte of it, and a master that ends or is replaced meanwhile need not wait for that.
pub(super) async fn pour(
    from: &mut impl Read,
    mut to: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut buffer = vec![0; BUFFER];
    let (mut poured, mut rounds) = (0, 0_u32);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(poured),
            Ok(read) => {
                poured += read as u64;
                to(&buffer[..read])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(ROUNDS) {
            tokio::task::yield_now().await;
        }
    }
}

fn too_long(most: u64) -> Error {
    let words = format!(
        "unpacked it has more than {most} bytes, the most that is taken; see what the source \
         delivers, or raise `max_size`"
    );
    Error::new(ErrorKind::Decode, words)
}

const BUFFER: usize = 64 * 1024;

/// Every 4 MiB.
const ROUNDS: u32 = 64;

/// Unpacking a gibibyte takes some ten seconds; a file that is made to be unpacked slowly may try to
/// take for ever.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
