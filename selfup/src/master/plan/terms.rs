//! What the plan is told, what it answers, and the settings that its answers depend on.

use std::time::Duration;

use crate::error::Error;
use crate::event::Event;
use crate::identity::Generation;
use crate::sys::pidfd::Status;

/// Something that happened.
#[derive(Debug, Clone)]
pub(in crate::master) enum Input {
    /// The program asks for a restart.
    Restart,
    /// The upgrade thread holds a candidate that passed every check.
    Offered,
    /// The candidate was put in place, or could not be.
    Swapped(bool),
    /// The previous binary was put back, or could not be.
    Restored,
    /// A program can serve.
    Ready(Generation),
    /// A child accepts nothing new any more.
    Paused(Generation),
    /// A child could not be started.
    NotStarted(Generation, String),
    /// A child ended.
    Exited(Generation, Status),
    /// A signal reached the master. One that the kernel sent went to the whole process group.
    Signal { number: i32, by_kernel: bool },
    /// A deadline may have passed.
    Tick,
}

/// Something to do.
#[derive(Debug)]
pub(in crate::master) enum Action {
    Start(Generation),
    Admit(Generation),
    Pause(Generation),
    Resume(Generation),
    Drain(Generation),
    Kill(Generation),
    Forward {
        to: Generation,
        signal: i32,
    },
    /// Put the offered candidate in place.
    Swap,
    /// Forget the offered candidate.
    Discard,
    /// The swapped binary passed: it is permanent.
    Keep,
    /// The swapped binary failed, for this reason: put the previous one back.
    Restore(Error),
    /// Close the master's own listeners: nobody new is served any more.
    LetGo,
    /// Stop the master as the terminal stopped the program, until it is continued.
    Suspend,
    Tell(Event),
    /// End the master the way the program ended.
    End(Status),
}

/// The settings that decisions depend on.
#[derive(Debug, Clone, Copy)]
pub(in crate::master) struct Limits {
    pub(in crate::master) restart_signal: Option<i32>,
    pub(in crate::master) restart_after_swap: bool,
    pub(in crate::master) ready: Duration,
    pub(in crate::master) probation: Duration,
    pub(in crate::master) terminate: Duration,
    pub(in crate::master) max_draining: usize,
}
