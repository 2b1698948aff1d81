//! The signals that a command starts with blocked.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::SigSet;

/// A signal mask, for the command of a user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mask(SigSet);

impl Mask {
    /// The mask that blocks nothing.
    pub(crate) fn empty() -> Self {
        Self(SigSet::empty())
    }

    /// Has the process that `command` starts begin with this mask, where it would inherit that of
    /// the thread which starts it.
    pub(crate) fn apply_to(self, command: &mut Command) {
        // sigprocmask on one thread is pthread_sigmask.
        let set = move || Ok(self.0.thread_set_mask()?);
        // SAFETY: between fork and execve this makes one async-signal-safe call, and allocates
        // nothing.
        unsafe { command.pre_exec(set) };
    }
}

impl From<SigSet> for Mask {
    fn from(set: SigSet) -> Self {
        Self(set)
    }
}
