//! How long a start may take whose binary is on trial, until its master supervises.
//!
//! `init`, the config and the binding of the addresses run in this very process, and nothing in it can
//! be relied on once they hang. So an alarm is set before them, and its handler does what is safe in
//! one: it executes the binary again, in the same process, with its arguments, its environment, its
//! signal mask and the sockets that it was given, and with a word that this start took too long. Then
//! nothing of the user's runs yet, and the previous binary is put back as after a third start that
//! failed. What waits for the service then is a signal for nobody, and is forgotten; a stop is not.
//!
//! Who has not the lock of the binary executes what is at the path by then: the previous binary, if
//! who has the lock has put it back, or else the same one again, with another minute.
//!
//! Rejected: a thread that watches, which `init` must not find beside it (it may fork, or change the
//! user); putting back in the handler, which reads and digests files.
//!
//! Limits: a program that sets an alarm of its own in `init` or the config replaces this one. What
//! sleeps in a file system that does not answer is not woken by a signal. What `init` and the config
//! changed of the process stays: its directory, umask and resource limits, what they ignore of the
//! signals, and the processes that they started.

use std::ffi::OsString;
use std::os::fd::RawFd;

use crate::origin::Origin;
use crate::role;
use crate::sys::exit::AtSuccess;
use crate::sys::lifeline::{Lifeline, Successor};

/// In seconds: the config has 5 in its probe, and process managers wait for 90 (`TimeoutStartSec=`).
pub(super) const LONGEST: u32 = 60;

/// What a limit needs beside what is the process's own.
pub(super) struct Terms {
    /// The environment that it was started with.
    pub(super) env: Vec<(OsString, OsString)>,
    /// Called if it exits with status 0.
    pub(super) excuse: Option<Box<dyn FnOnce() + Send>>,
    /// The binary, if its lock is ours.
    pub(super) locked: Option<RawFd>,
}

/// The limit of a start. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Limit {
    /// None without memory for it.
    alarm: Option<Lifeline>,
    _excused: Option<AtSuccess>,
}

impl Limit {
    /// Begins it. Whoever exits with status 0 meanwhile is excused.
    pub(super) fn begin(
        Terms { mut env, excuse, locked }: Terms,
        origin: &Origin,
        keep: Vec<RawFd>,
        discarded: Vec<i32>,
    ) -> Self {
        env.push(role::overdue_variable());
        let again = Successor::new(origin.path(), origin.args(), &env, keep, origin.mask());
        let again = again.map(|again| again.discarding(discarded).unlocking(locked));
        let alarm = again.ok().map(|again| Lifeline::arm_against_hanging(again, LONGEST));
        Self { alarm, _excused: excuse.map(AtSuccess::new) }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            alarm.disarm();
        }
    }
}
