//! Orphans: processes whose parent died, and that the kernel made children of this one.
//!
//! They come to the first process of a container, and to one that asked for them
//! (`PR_SET_CHILD_SUBREAPER`). Nobody else waits for them, so their zombies would pile up until no
//! process can be started. There and only there a thread of its own sleeps until SIGCHLD, looks at
//! the children of this process, and reaps a zombie that has been one for ten seconds.
//!
//! The ten seconds are for code of the user in this process, a hook's `Command`, which waits for
//! its own child and wants the status: an orphan looks like any other child. What this crate holds
//! itself is left alone for ever.
//!
//! Rejected: `waitpid(-1)`, which takes whatever comes; blocking SIGCHLD for a signalfd, which would
//! take it from a runtime of the user's that waits for children by it. A handler beside theirs takes
//! nothing from anybody. The loop has no part in this: reading /proc may take its time.
//!
//! Limits: a child of the user's own that has ended and is waited for only after more than ten
//! seconds has lost its status. The kernel lists children only if it was built with
//! `CONFIG_PROC_CHILDREN`, as those of the distributions are.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd as _;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::sys::pidfd::{is_held, reap_if};
use crate::sys::signal::{Noticed, unblock};

/// So long a zombie that nobody here holds is left to whoever may have started it.
const GRACE: Duration = Duration::from_secs(10);

/// So long after SIGCHLD the children are looked at: those that end together are seen together.
const GATHER: Duration = Duration::from_millis(500);

/// So many zombies are remembered. The others' ten seconds begin when there is room.
const MOST: usize = 10_000;

/// Orphans are reaped until this is dropped, if this process gets any.
#[derive(Debug)]
pub(super) struct Orphans(Option<(PipeWriter, JoinHandle<()>)>);

impl Orphans {
    /// Begins, where the kernel makes orphans children of this process.
    pub(super) fn reap(observer: &Observer) -> Self {
        if !gets_orphans() {
            return Self(None);
        }
        let begun = begin().inspect_err(|error| {
            let text = "orphans are not reaped; start it under an init such as tini, or raise the \
                        limits of processes and open files";
            observer.warn(Error::new(ErrorKind::Unsupported, text).caused_by(error.to_string()));
        });
        Self(begun.ok())
    }
}

impl Drop for Orphans {
    fn drop(&mut self) {
        if let Some((alive, thread)) = self.0.take() {
            drop(alive);
            // A panic in it was told on stderr.
            let _ = thread.join();
        }
    }
}

fn gets_orphans() -> bool {
    std::process::id() == 1 || nix::sys::prctl::get_child_subreaper().unwrap_or(false)
}

fn begin() -> io::Result<(PipeWriter, JoinHandle<()>)> {
    fs::read("/proc/thread-self/children")?;
    let noticed = Noticed::new(Signal::SIGCHLD)?;
    let (end, alive) = io::pipe()?;
    let watch = Watch { noticed, end, seen: Seen::default(), next: None, once_more: false };
    let thread = std::thread::Builder::new().name("selfup-orphans".into());
    Ok((alive, thread.spawn(|| watch.run())?))
}

struct Watch {
    noticed: Noticed,
    end: PipeReader,
    seen: Seen,
    /// When to look.
    next: Option<Instant>,
    /// Whether to look once more if there is nothing to see: the kernel's list of children may lack
    /// one whose neighbour goes while it is read.
    once_more: bool,
}

impl Watch {
    fn run(mut self) {
        // Whoever started this process may have blocked it.
        unblock(libc::SIGCHLD);
        // Some may have ended before anybody looked.
        self.next = Some(Instant::now());
        while self.wait() {
            let now = Instant::now();
            if self.noticed.clear() {
                self.once_more = true;
                let soon = now + GATHER;
                self.next = Some(self.next.map_or(soon, |next| next.min(soon)));
            }
            if self.next.is_some_and(|next| next <= now) {
                self.look(now);
            }
        }
    }

    /// Waits for news or the time to look; `false` at the end.
    fn wait(&self) -> bool {
        let sources = [self.end.as_fd(), self.noticed.as_fd()];
        let mut polled = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let limit = self.next.map_or(PollTimeout::NONE, |next| {
            // Never early: a poll of 0 ms for the last fraction would spin.
            let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        let _ = poll(&mut polled, limit);
        !polled[0].any().unwrap_or(true)
    }

    fn look(&mut self, now: Instant) {
        let zombies: Vec<_> = children().into_iter().filter_map(Zombie::at).collect();
        let judged = self.seen.judge(&zombies, is_held, now);
        for zombie in judged.reap {
            reap_if(zombie.pid, || Zombie::at(zombie.pid) == Some(zombie));
        }
        let later = std::mem::take(&mut self.once_more).then(|| now + GRACE);
        self.next = judged.again.or(later);
    }
}

/// A process that has ended, and was not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Zombie {
    pid: i32,
    /// By which a later process of the same number is told apart, in ticks since boot.
    started: u64,
}

impl Zombie {
    /// The process `pid`, if that is what it is.
    fn at(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it may contain anything.
        let (_, stat) = stat.rsplit_once(") ")?;
        let mut fields = stat.split(' ');
        let is_zombie = fields.next() == Some("Z");
        let started = fields.nth(STARTED)?.parse().ok()?;
        is_zombie.then_some(Self { pid, started })
    }
}

/// The field `starttime` of /proc/PID/stat, counted from behind the one of the state: see
/// `proc_pid_stat(5)`.
const STARTED: usize = 22 - 3 - 1;

/// The children of every thread.
fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let lists: Vec<_> = lists.collect();
    let numbers = lists.iter().flat_map(|list| list.split_whitespace());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// The zombies that nobody here holds, and when each was seen first.
#[derive(Debug, Default)]
struct Seen(BTreeMap<Zombie, Instant>);

/// What is to be done about zombies.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    reap: Vec<Zombie>,
    /// When to look again, even if no other child ends.
    again: Option<Instant>,
}

impl Seen {
    /// Decides about `zombies`, which are all that there are.
    fn judge(&mut self, zombies: &[Zombie], is_held: impl Fn(i32) -> bool, now: Instant) -> Judged {
        let unknown: Vec<_> = zombies.iter().filter(|zombie| !is_held(zombie.pid)).collect();
        let known = std::mem::take(&mut self.0);
        let mut reap = Vec::new();
        for &&zombie in &unknown {
            match known.get(&zombie) {
                Some(&first) if now.saturating_duration_since(first) >= GRACE => reap.push(zombie),
                Some(&first) => drop(self.0.insert(zombie, first)),
                None => {}
            }
        }
        for &&zombie in &unknown {
            if self.0.len() < MOST && !known.contains_key(&zombie) {
                self.0.insert(zombie, now);
            }
        }
        // One that is held may be let go without having been waited for.
        let later = (!zombies.is_empty()).then(|| now + GRACE);
        let again = self.0.values().min().map(|&first| first + GRACE).or(later);
        Judged { reap, again }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Zombie = Zombie { pid: 10, started: 1 };
    const B: Zombie = Zombie { pid: 11, started: 1 };

    fn nobody(_: i32) -> bool {
        false
    }

    #[test]
    fn a_zombie_that_nobody_holds_is_reaped_ten_seconds_after_it_was_seen_first() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let judged = seen.judge(&[A], nobody, start);
        assert_eq!(judged, Judged { reap: vec![], again: Some(start + GRACE) });
        let later = start + Duration::from_secs(4);
        let judged = seen.judge(&[A, B], nobody, later);
        assert_eq!(judged, Judged { reap: vec![], again: Some(start + GRACE) });
        let judged = seen.judge(&[A, B], nobody, start + GRACE);
        assert_eq!(judged, Judged { reap: vec![A], again: Some(later + GRACE) });
    }

    #[test]
    fn a_zombie_that_is_held_is_never_reaped() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        for seconds in 0..100 {
            let now = start + Duration::from_secs(seconds);
            let judged = seen.judge(&[A], |pid| pid == A.pid, now);
            assert_eq!(judged.reap, []);
        }
        let now = start + Duration::from_secs(100);
        assert_eq!(seen.judge(&[A], nobody, now).reap, [], "it has its time once it is let go");
        assert_eq!(seen.judge(&[A], nobody, now + GRACE).reap, [A]);
    }

    #[test]
    fn another_of_the_same_number_has_a_time_of_its_own() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        seen.judge(&[A], nobody, start);
        let other = Zombie { started: 2, ..A };
        let judged = seen.judge(&[other], nobody, start + GRACE);
        assert_eq!(judged.reap, []);
        assert_eq!(seen.judge(&[other], nobody, start + GRACE * 2).reap, [other]);
    }

    #[test]
    fn without_zombies_nothing_is_remembered_and_nobody_looks_again() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        seen.judge(&[A], nobody, start);
        assert_eq!(seen.judge(&[], nobody, start), Judged { reap: vec![], again: None });
        assert!(seen.0.is_empty());
    }

    #[test]
    fn more_than_can_be_remembered_have_their_turn_later() {
        let (mut seen, mut now) = (Seen::default(), Instant::now());
        let number = i32::try_from(MOST).unwrap() + 5;
        let mut zombies: Vec<_> = (1..=number).map(|pid| Zombie { pid, started: 1 }).collect();
        while !zombies.is_empty() {
            let judged = seen.judge(&zombies, nobody, now);
            assert!(seen.0.len() <= MOST);
            zombies.retain(|zombie| !judged.reap.contains(zombie));
            now = judged.again.unwrap();
        }
    }

    #[test]
    fn a_child_that_has_ended_is_a_zombie_until_it_is_waited_for() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        let mut info = Zombie::at(pid);
        while info.is_none() {
            std::thread::yield_now();
            info = Zombie::at(pid);
        }
        assert!(children().contains(&pid));
        assert!(child.wait().unwrap().success());
        assert_eq!(Zombie::at(pid), None);
    }

    #[test]
    fn what_is_reaped_by_number_is_only_what_was_meant() {
        let mut child = std::process::Command::new("false").spawn().unwrap();
        let pid = child.id().cast_signed();
        while Zombie::at(pid).is_none() {
            std::thread::yield_now();
        }
        reap_if(pid, || false);
        assert!(Zombie::at(pid).is_some());
        reap_if(pid, || true);
        assert_eq!(Zombie::at(pid), None);
        child.wait().unwrap_err();
    }
}
