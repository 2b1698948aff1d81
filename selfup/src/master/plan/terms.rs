//! What the plan is told, what it answers, and the settings that its answers depend on.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::Event;
use crate::identity::Generation;
use crate::sys::pidfd::Status;

/// Something that happened.
#[derive(Debug, Clone)]
pub(in crate::master) enum Input {
    /// The program asks for a restart.
    Restart,
    /// The file on disk was compared with the one that serves.
    Examined(Finding),
    /// The upgrade thread holds a candidate that passed every check.
    Offered,
    /// The candidate was put in place, or could not be.
    Swapped(bool),
    /// What was to stay, stays.
    Kept,
    /// The previous binary was put back, or could not be.
    Restored,
    /// A program can serve.
    Ready(Generation),
    /// A child accepts nothing new any more.
    Paused(Generation),
    /// A child could not be started.
    NotStarted(Generation, String),
    /// A child that lives is not to be the service.
    Unfit(Generation, String),
    /// Somebody asks for the binary that was there before.
    RollBack,
    /// What makes room for the next can only be started again from its path.
    NotHeld,
    /// A candidate that may only be committed when it has said that it lives: not before this time.
    Owes(Generation, Instant),
    /// A child ended.
    Exited(Generation, Status),
    /// The master could not execute the new binary in place.
    NotSucceeded(String),
    /// A signal reached the master. One that the kernel sent went to the whole process group.
    Signal { number: i32, by_kernel: bool },
    /// A deadline may have passed.
    Tick,
}

/// What was found at the path of the binary.
#[derive(Debug, Clone)]
pub(in crate::master) enum Finding {
    /// The file that serves.
    Same,
    /// Another one, which may be started.
    Changed,
    /// A candidate that was swapped in, and waited for a restart.
    Waiting,
    /// The same, and somebody has asked for what was there before.
    Withdrawn,
    /// Another one, which may not.
    Refused(String),
}

/// Why a generation is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::master) enum Cause {
    /// The same binary once more.
    Restart,
    /// A file that somebody put there by hand.
    Deploy,
    /// A candidate that was swapped in.
    Upgrade,
    /// What served before, because what came after it failed.
    Return,
}

/// Something to do.
#[derive(Debug)]
pub(in crate::master) enum Action {
    /// Compare the file on disk with the one that serves.
    Examine,
    Start(Generation, Cause),
    Admit(Generation),
    Pause(Generation),
    Resume(Generation),
    /// Remember what this generation runs: the next one is started when it is gone.
    Yield(Generation),
    /// The probation is over.
    Commit(Generation),
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
    /// Nothing is decided about the swapped binary: it is tried by the next restart, or start.
    Leave,
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
    /// Whether two generations may run at once.
    pub(in crate::master) overlap: bool,
    /// Whether the master follows an upgrade.
    pub(in crate::master) follows: bool,
}

/// What of a plan at rest outlives the master's own code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::master) struct Standing {
    pub(in crate::master) newest: Generation,
    pub(in crate::master) serving: Generation,
    /// Whether a restart waits for its turn.
    pub(in crate::master) restart_waits: bool,
    pub(in crate::master) draining: Vec<Leaving>,
}

/// A generation on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::master) struct Leaving {
    pub(in crate::master) generation: Generation,
    pub(in crate::master) until: Instant,
    pub(in crate::master) is_killed: bool,
}
