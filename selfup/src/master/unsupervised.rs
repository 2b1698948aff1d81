//! The master, where there can be none: its birth fails, and the reason says why.

use std::convert::Infallible;

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
use crate::listeners::Bound;
use crate::sys::Status;

/// How a master's life went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Ended(Status),
    Unsupervised { error: Error, bound: Vec<Bound> },
    Failed(Error),
}

/// A process that has just become a master: there is none.
#[derive(Debug)]
pub(crate) struct Birth(Infallible);

impl Birth {
    pub(crate) fn begin() -> Result<Self> {
        let text = "this system has no pidfds, which a master needs; run the program on Linux";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    pub(crate) fn prepare<T>(&self, _wait: impl FnOnce() -> T) -> T {
        match self.0 {}
    }

    pub(crate) fn end(&self) {
        match self.0 {}
    }

    pub(crate) fn run(&self, _config: Config, _bound: Vec<Bound>, _observer: Observer) -> Outcome {
        match self.0 {}
    }
}
