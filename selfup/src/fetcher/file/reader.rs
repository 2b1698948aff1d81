//! The bytes of the file, and at their end the proof that they belong together.
//!
//! A regular file has no readiness to wait for: every way to read one blocks some thread. This
//! reader blocks the one that polls it, for a piece of 64 KiB at most, and lets other tasks run
//! after each megabyte. In a master that is the upgrade's own thread, which exists to do such work
//! and whose end is not waited for when a network file system hangs; `tokio::fs` would add a second
//! thread to a process that wants to be small, and hang there instead.

use std::fs;
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::stamp::Stamp;
use crate::error::{Error, ErrorKind};

/// Reads `file` and fails at its end if it is no longer what was `seen`.
pub(super) struct Reader {
    file: fs::File,
    path: PathBuf,
    seen: Stamp,
    since_pause: usize,
}

impl Reader {
    pub(super) fn new(file: fs::File, path: PathBuf, seen: Stamp) -> Self {
        Self { file, path, seen, since_pause: 0 }
    }

    fn read(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let wanted = buffer.remaining().min(PIECE);
        let piece = buffer.initialize_unfilled_to(wanted);
        loop {
            match self.file.read(piece) {
                Ok(0) if wanted > 0 => return self.check_unchanged(),
                Ok(read) => {
                    buffer.advance(read);
                    self.since_pause += read;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn check_unchanged(&self) -> io::Result<()> {
        if Stamp::of(&self.file.metadata()?) == self.seen {
            return Ok(());
        }
        let path = self.path.display();
        let message =
            format!("file {path} changed while it was read; it is tried again at the next poll");
        Err(io::Error::other(Error::new(ErrorKind::Fetch, message)))
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.since_pause >= PAUSE {
            self.since_pause = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.read(buffer))
    }
}

const PIECE: usize = 64 * 1024;
const PAUSE: usize = 1024 * 1024;
