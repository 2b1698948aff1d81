//! Ends what a probe has left behind.
//!
//! Its [keeper](crate::sys::keeper) kills its process group, at one instant. What has left the group
//! is found below the keeper, and nothing else is there. Whoever starts processes faster than they
//! are killed has to be stopped first: a stopped process keeps its place, and starts no more. So all
//! are stopped, until nobody new is found, and then killed.
//!
//! Limits: a process that hangs in the kernel, or that runs as another user, survives; it is left
//! to the system after a while. The kernel lists children only if it was built with
//! `CONFIG_PROC_CHILDREN`, as those of the distributions are; without it only the group is killed. A
//! master that is killed takes keeper and candidate with it, and nobody is left to end the rest.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use crate::sys::keeper::Kept;
use crate::sys::pidfd::Process;

/// Has the kept process end, and everything that descends from it.
pub(super) fn end(kept: &Kept) {
    kept.release();
    let until = Instant::now() + PATIENCE;
    let mut stopped = BTreeSet::new();
    let mut pause = PAUSE;
    while !has_ended(kept.keeper(), pause) && Instant::now() < until {
        let below = below(kept.keeper().pid());
        let is_anybody_new = below.iter().any(|stray| !stopped.contains(stray));
        let (signal, next) =
            if is_anybody_new { (libc::SIGSTOP, Duration::ZERO) } else { (libc::SIGKILL, PAUSE) };
        for stray in &below {
            stray.signal(signal);
        }
        stopped = if is_anybody_new { below } else { BTreeSet::new() };
        pause = next;
    }
    // Reaps it; one that has to wait for what cannot be killed goes, too.
    kept.keeper().discard();
}

/// A process that descends from the kept one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stray {
    pid: i32,
    parent: i32,
    /// By which a later process of the same number is told apart, in ticks since boot.
    started: u64,
}

impl Stray {
    fn at(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may contain anything.
        let (_, stat) = stat.rsplit_once(") ")?;
        let mut fields = stat.split(' ').skip(PARENT);
        let parent = fields.next()?.parse().ok()?;
        let started = fields.nth(STARTED - PARENT - 1)?.parse().ok()?;
        Some(Self { pid, parent, started })
    }

    /// Sends `signal` to this process, and to no later one of its number.
    fn signal(self, signal: i32) {
        let Ok(process) = Process::open(Pid::from_raw(self.pid)) else { return };
        // It may have a new parent, but a process that began at that time is this one.
        if Self::at(self.pid).is_some_and(|found| found.started == self.started) {
            // Nothing can be done about what may not be signalled.
            let _ = process.signal(signal);
        }
    }
}

/// Every process below `keeper`, up to so many that their parents have to be stopped first.
fn below(keeper: Pid) -> BTreeSet<Stray> {
    let mut parents = vec![keeper.as_raw()];
    let mut found = BTreeSet::new();
    while let Some(parent) = parents.pop() {
        for stray in children(parent).into_iter().filter_map(Stray::at) {
            if found.len() == MOST {
                return found;
            }
            // One that is listed and has another parent by now is found below that one.
            if stray.parent == parent && found.insert(stray) {
                parents.push(stray.pid);
            }
        }
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.flat_map(|thread| fs::read_to_string(thread.path().join("children")));
    let lists: Vec<_> = lists.collect();
    let numbers = lists.iter().flat_map(|list| list.split_whitespace());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

fn has_ended(keeper: &Process, within: Duration) -> bool {
    let mut polled = [PollFd::new(keeper.as_fd(), PollFlags::POLLIN)];
    let limit = PollTimeout::try_from(within).unwrap_or(PollTimeout::ZERO);
    matches!(poll(&mut polled, limit), Ok(1..))
}

/// The fields of /proc/PID/stat, counted from behind the name: see `proc_pid_stat(5)`.
const PARENT: usize = 4 - 3;
const STARTED: usize = 22 - 3;

/// So long everything is given to end: on a machine where processes wait for seconds to run, too, and the
/// killed ones have to.
const PATIENCE: Duration = Duration::from_secs(10);

/// So long what was killed has before it is looked for again.
const PAUSE: Duration = Duration::from_millis(10);

const MOST: usize = 10_000;
