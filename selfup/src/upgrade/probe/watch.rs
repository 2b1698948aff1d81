//! One probe on its way: whatever happens to it, in the order in which it happens.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::strays;
use crate::channel::message::ProbeAnswer;
use crate::channel::{Channel, Received};
use crate::sys::keeper::Kept;
use crate::sys::pidfd::Status;
use crate::sys::process::failure_from;

/// A candidate that runs. What has ended is `None`, and no longer waited for.
#[derive(Debug)]
pub(super) struct Watch {
    kept: Kept,
    failure: Option<File>,
    channel: Option<Channel>,
    output: Option<File>,
    answer: Option<ProbeAnswer>,
    printed: Vec<u8>,
    printed_length: u64,
    status: Option<Status>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) course: Course,
    pub(super) answer: Option<ProbeAnswer>,
    /// The beginning of what it printed.
    pub(super) printed: Vec<u8>,
    /// How it ended, unless it cannot be killed.
    pub(super) status: Option<Status>,
}

/// How far it came by itself.
#[derive(Debug)]
pub(super) enum Course {
    /// Its file was never executed.
    Unexecuted(io::Error),
    /// It ended.
    Ended,
    /// It had not ended when its time was over.
    Overdue,
    /// It printed too much.
    Flooded,
    /// It said what is no answer.
    Garbled(io::Error),
    /// It said more than one thing.
    Repeated,
    /// We could not wait for it.
    Unwatched(io::Error),
    /// What it runs below was killed, and it with that.
    Killed,
    /// Nobody wants its answer any more.
    Unwanted,
}

impl Watch {
    pub(super) fn new(mut kept: Kept, channel: Channel, output: OwnedFd) -> Self {
        let failure = kept.failure.take().map(File::from);
        Self {
            kept,
            failure,
            channel: Some(channel),
            output: Some(output.into()),
            answer: None,
            printed: Vec::new(),
            printed_length: 0,
            status: None,
        }
    }

    /// Waits for its end until the deadline, or until the other end of `wanted` is closed; then ends
    /// whatever of it is left.
    pub(super) fn follow(
        mut self,
        until: Instant,
        most_output: u64,
        wanted: Option<BorrowedFd<'_>>,
    ) -> Report {
        let course = self.run(until, most_output, wanted).unwrap_or_else(|course| course);
        strays::end(&self.kept);
        let status = self.status.or_else(|| self.kept.status().ok().flatten());
        Report { course, answer: self.answer, printed: self.printed, status }
    }

    fn run(
        &mut self,
        until: Instant,
        most_output: u64,
        wanted: Option<BorrowedFd<'_>>,
    ) -> Result<Course, Course> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Course::Overdue);
            }
            let news = self.wait(left, wanted).map_err(Course::Unwatched)?;
            let [failed, said, printed, ended, unwanted] = news;
            if failed {
                self.check_execution()?;
            }
            // What it did before it ended is there when its end is.
            if printed || ended {
                self.drain(most_output)?;
            }
            if said || ended {
                self.listen()?;
            }
            if ended {
                self.status = self.kept.status().map_err(Course::Unwatched)?;
                return Ok(self.status.map_or(Course::Killed, |_| Course::Ended));
            }
            if unwanted {
                return Ok(Course::Unwanted);
            }
        }
    }

    /// Which of failure, channel, output, end and `wanted` there is news of, at the latest after
    /// `limit`.
    fn wait(&self, limit: Duration, wanted: Option<BorrowedFd<'_>>) -> io::Result<[bool; 5]> {
        let sources = [
            self.failure.as_ref().map(|failure| failure.as_fd()),
            self.channel.as_ref().map(|channel| channel.as_fd()),
            self.output.as_ref().map(|output| output.as_fd()),
            Some(self.kept.ended()),
            wanted,
        ];
        let open = sources.iter().flatten();
        let mut polled: Vec<_> = open.map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        // Never early: a poll of 0 ms for the last fraction would spin.
        let limit = limit + Duration::from_millis(1);
        match poll(&mut polled, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut polled = polled.iter();
        Ok(sources.map(|source| {
            source.is_some() && polled.next().is_some_and(|fd| fd.any().unwrap_or(true))
        }))
    }

    fn check_execution(&mut self) -> Result<(), Course> {
        let Some(failure) = self.failure.take() else { return Ok(()) };
        let mut number = Vec::new();
        failure.take(4).read_to_end(&mut number).map_err(Course::Unwatched)?;
        failure_from(&number).map_or(Ok(()), |error| Err(Course::Unexecuted(error)))
    }

    fn drain(&mut self, most_output: u64) -> Result<(), Course> {
        let mut buffer = [0; 8192];
        while let Some(output) = &mut self.output {
            let read = match output.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => 0,
            };
            if read == 0 {
                self.output = None;
            }
            let room = KEPT.saturating_sub(self.printed.len());
            self.printed.extend_from_slice(&buffer[..read.min(room)]);
            self.printed_length += read as u64;
            if self.printed_length > most_output {
                return Err(Course::Flooded);
            }
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<(), Course> {
        while let Some(channel) = &self.channel {
            match channel.try_receive() {
                // A second one would leave it to chance which counts, and without end.
                Ok(Received::Message(..)) if self.answer.is_some() => {
                    return Err(Course::Repeated);
                }
                Ok(Received::Message(_, descriptors)) if !descriptors.is_empty() => {
                    let words = "descriptors came with it";
                    return Err(Course::Garbled(io::Error::new(io::ErrorKind::InvalidData, words)));
                }
                Ok(Received::Message(answer, _)) => self.answer = Some(answer),
                Ok(Received::End) => self.channel = None,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(Course::Garbled(error)),
            }
        }
        Ok(())
    }
}

/// As many bytes of output are kept for the error.
const KEPT: usize = 4096;
