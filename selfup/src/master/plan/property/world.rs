//! What is true of processes and files, as far as the rules ask.

use std::time::{Duration, Instant};

use super::{Cause, Limits, Status};

/// What is true of one living child.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a process has them")]
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) number: u64,
    pub(super) cause: Cause,
    pub(super) started: Instant,
    pub(super) said_ready: bool,
    pub(super) admitted: Option<Instant>,
    /// It is not to be committed before that.
    pub(super) owes_until: Option<Instant>,
    pub(super) was_paused: bool,
    pub(super) is_paused: bool,
    pub(super) has_yielded: bool,
    /// The first is committed, and so is who comes back: nothing came before that could.
    pub(super) is_committed: bool,
    pub(super) is_draining: bool,
    /// It was told to end, and has its time until then.
    pub(super) leaves_by: Option<Instant>,
    /// It was killed, and its end is waited for until then.
    pub(super) killed: Option<Instant>,
    /// A master with other settings let it go.
    pub(super) is_inherited: bool,
    /// Not even that ended it, and nobody waits for it any more.
    pub(super) is_abandoned: bool,
}

impl Child {
    pub(super) fn new(number: u64, cause: Cause, started: Instant) -> Self {
        Self {
            number,
            cause,
            started,
            said_ready: false,
            admitted: None,
            owes_until: None,
            was_paused: false,
            is_paused: false,
            has_yielded: false,
            is_committed: cause == Cause::Return,
            is_draining: false,
            leaves_by: None,
            killed: None,
            is_inherited: false,
            is_abandoned: false,
        }
    }

    pub(super) fn accepts(&self) -> bool {
        self.admitted.is_some() && !self.is_paused && !self.is_leaving()
    }

    /// Whether it was drained or killed.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_draining || self.killed.is_some()
    }

    pub(super) fn is_candidate(&self) -> bool {
        !self.is_committed && !self.is_leaving()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Swap,
    Keep,
    Leave,
    Restore,
}

/// Something that a thread beside the loop does, and until when it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<W> {
    pub(super) work: W,
    pub(super) until: Instant,
    pub(super) is_given_up: bool,
}

/// What one step was about, and what it has brought so far.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a step has them")]
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) actions: usize,
    pub(super) unfit: Option<u64>,
    pub(super) is_roll_back: bool,
    pub(super) signal: Option<(i32, bool)>,
    pub(super) is_tick: bool,
    /// Somebody came back, after what this step was about.
    pub(super) has_returned: bool,
    pub(super) has_yielded: bool,
    /// Who was committed, and in whose place.
    pub(super) committed: Option<(u64, u64)>,
    pub(super) forwarded: Vec<(u64, i32)>,
    pub(super) suspends: usize,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts, as a world has them")]
#[derive(Debug)]
pub(super) struct World {
    pub(super) limits: Limits,
    pub(super) now: Instant,
    /// The living, in the order of their start.
    pub(super) children: Vec<Child>,
    pub(super) newest: u64,
    /// Who was committed last.
    pub(super) serving: u64,
    /// Nobody accepts, for two must not run at once.
    pub(super) is_between: bool,
    pub(super) is_offered: bool,
    pub(super) file: Option<Job<Work>>,
    /// The binary in place was swapped in, and nobody has kept it or put it back yet.
    pub(super) is_on_trial: bool,
    /// What was swapped in waits for a restart.
    pub(super) waits: bool,
    /// What is on trial waited before, and the upgrade thread does other things meanwhile.
    pub(super) has_waited: bool,
    pub(super) look: Option<Job<()>>,
    /// What may be started.
    pub(super) cleared: Option<Cause>,
    pub(super) asked_to_restart: bool,
    pub(super) must_succeed: bool,
    pub(super) fails_to_succeed: bool,
    /// Whether what made room is held by a descriptor; and whether the next will not be.
    pub(super) is_held: bool,
    pub(super) loses_binary: bool,
    /// Whether what is being swapped in goes back at once.
    pub(super) is_withdrawn: bool,
    /// The last signal that reached a program, and which.
    pub(super) told: Option<(u64, i32)>,
    /// The first signal that told the master to end.
    pub(super) stop: Option<i32>,
    pub(super) program_ended: bool,
    /// What the master has to end with, if it ends.
    pub(super) outcome: Option<Status>,
    pub(super) has_let_go: bool,
    pub(super) has_ended: bool,
    pub(super) batch: Batch,
}

/// So long work on the file is waited for; and so long, before a gap is filled without it.
pub(super) const WORK: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_secs(1);

/// So long the end of a killed child is waited for.
pub(super) const KILL: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            now,
            children: Vec::new(),
            newest: 0,
            serving: 0,
            is_between: !limits.overlap,
            is_offered: false,
            file: None,
            is_on_trial: false,
            waits: false,
            has_waited: false,
            look: None,
            cleared: None,
            asked_to_restart: false,
            must_succeed: false,
            fails_to_succeed: false,
            is_held: false,
            loses_binary: false,
            is_withdrawn: false,
            told: None,
            stop: None,
            program_ended: false,
            outcome: None,
            has_let_go: false,
            has_ended: false,
            batch: Batch::default(),
        }
    }

    /// Whether what has just made room cannot be held.
    pub(super) fn has_lost_binary(&mut self) -> bool {
        let is_lost = self.batch.has_yielded && std::mem::take(&mut self.loses_binary);
        self.is_held &= !is_lost;
        is_lost
    }

    pub(super) fn candidate(&self) -> Option<&Child> {
        self.children.iter().find(|child| child.is_candidate())
    }

    /// Everybody who is still waited for.
    pub(super) fn present(&self) -> impl Iterator<Item = &Child> {
        self.children.iter().filter(|child| !child.is_abandoned)
    }

    pub(super) fn leaving(&self) -> usize {
        self.present().filter(|child| child.is_leaving()).count()
    }

    pub(super) fn serves(&self) -> bool {
        self.present().any(|child| child.number == self.serving)
    }

    /// Whether the end of the master has begun. A candidate may still save a service that ended.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_some() || (self.program_ended && self.candidate().is_none())
    }

    pub(super) fn waits_for_file(&self) -> bool {
        self.file.is_some_and(|job| !job.is_given_up)
    }

    /// Whether the file has had its moment to get back to its path.
    pub(super) fn has_waited_for_file(&self) -> bool {
        self.file.is_none_or(|job| job.is_given_up || job.until + MOMENT <= self.now + WORK)
    }

    pub(super) fn waits_for_look(&self) -> bool {
        self.look.is_some_and(|job| !job.is_given_up) && !self.is_stopping()
    }

    /// Another master, of other code, takes over.
    pub(super) fn change_masters(&mut self, limits: Limits) {
        self.limits = limits;
        // The candidate that waited is gone with the thread that held it.
        self.is_offered = false;
        (self.look, self.cleared, self.told) = (None, None, None);
        for child in &mut self.children {
            child.is_inherited = child.is_leaving();
        }
    }
}
