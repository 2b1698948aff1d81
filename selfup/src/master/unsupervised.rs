//! The master, where there can be none: its birth fails, and the reason says why.

use std::convert::Infallible;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
use crate::listeners::{Bound, Given};
use crate::sys::Status;

/// How a master's life went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Ended(Status),
    Unsupervised { error: Error, bound: Vec<Bound> },
    Failed(Error),
}

/// What a master before this one left: there was none.
#[derive(Debug)]
pub(crate) struct Handed(Infallible);

impl Handed {
    pub(crate) fn take(_descriptor: i32, _inode: u64, _previous: Option<i32>) -> Option<Self> {
        None
    }
}

/// A binary that was executed in place of a master: there is none.
#[derive(Debug)]
pub(crate) struct Succession(Infallible);

impl Succession {
    pub(crate) fn begin(Handed(never): Handed) -> Result<Self> {
        match never {}
    }

    pub(crate) fn run(
        self,
        _config: impl FnOnce() -> Result<Config>,
    ) -> Result<(Outcome, Observer, Birth)> {
        match self.0 {}
    }
}

#[expect(clippy::unnecessary_wraps, reason = "where there is a master it may fail")]
/// Nobody asks: there is no state of a master to be taken over.
pub(crate) fn rehearse(_text: &str) -> Result<()> {
    Ok(())
}

/// A process that has just become a master: there is none.
#[derive(Debug)]
pub(crate) struct Birth(Infallible);

impl Birth {
    pub(crate) fn begin() -> Result<Self> {
        let text = "this system has no pidfds, which a master needs; run the program on Linux";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    pub(crate) fn limit(&self, _unfinished: &mut crate::upgrade::Unfinished, _given: &Given) {
        match self.0 {}
    }

    pub(crate) fn prepare<T>(
        &self,
        _unfinished: Option<&crate::upgrade::Unfinished>,
        _wait: impl FnOnce() -> T,
    ) -> T {
        match self.0 {}
    }

    pub(crate) fn end(&self) {
        match self.0 {}
    }

    pub(crate) fn run(
        &self,
        _config: Config,
        _sockets: (Vec<Bound>, Given),
        _observer: &Observer,
        _unfinished: Option<crate::upgrade::Unfinished>,
    ) -> Outcome {
        match self.0 {}
    }
}
