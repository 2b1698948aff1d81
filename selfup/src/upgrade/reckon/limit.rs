//! How long a start may take whose binary is on trial, until its master supervises.
//!
//! `init`, the config and the binding of the addresses run in this very process, and nothing in it can
//! be relied on once they hang. So an alarm is set before them, and its handler does what is safe in
//! one: it executes the binary again, in the same process and with all that it was started with, and
//! with a word that this start took too long. Then nothing of the user's runs yet, and the previous
//! binary is put back as after a third start that failed.
//!
//! Rejected: a thread that watches, which `init` must not find beside it (it may fork, or change the
//! user); putting back in the handler, which reads and digests files.
//!
//! Limits: a program that sets an alarm of its own in `init` or the config replaces this one. What
//! sleeps in a file system that does not answer is not woken by a signal.

use std::ffi::OsString;
use std::os::fd::RawFd;

use crate::origin::Origin;
use crate::role;
use crate::sys::exit::AtSuccess;
use crate::sys::lifeline::{Lifeline, Successor};

/// In seconds: the config has 5 in its probe, and process managers wait for 90 (`TimeoutStartSec=`).
pub(super) const LONGEST: u32 = 60;

/// The limit of a start. It is over when this is dropped.
#[derive(Debug)]
pub(super) struct Limit {
    /// None without memory for it.
    alarm: Option<Lifeline>,
    _excused: AtSuccess,
}

impl Limit {
    /// Begins it. Whoever exits with status 0 meanwhile is excused.
    pub(super) fn begin(
        origin: &Origin,
        mut env: Vec<(OsString, OsString)>,
        keep: Vec<RawFd>,
        excuse: impl FnOnce() + Send + 'static,
    ) -> Self {
        env.push(role::overdue_variable());
        let again = Successor::new(origin.path(), origin.args(), &env, keep, origin.mask());
        let alarm = again.ok().map(|again| Lifeline::arm_against_hanging(again, LONGEST));
        Self { alarm, _excused: AtSuccess::new(excuse) }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            alarm.disarm();
        }
    }
}
