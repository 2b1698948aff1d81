//! What the kernel knows of one process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::eventually;

/// A process, looked at from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched(Pid);

impl Watched {
    /// Looks at this one.
    #[must_use]
    pub fn new(pid: Pid) -> Self {
        Self(pid)
    }

    /// Its state, as ps shows it: `R`, `S`, `T`, `Z`. `None` once it was waited for.
    #[must_use]
    pub fn state(self) -> Option<char> {
        state_in(Path::new(&format!("/proc/{}/stat", self.0)))
    }

    /// Whether it runs no more, waited for or not.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self.state(), None | Some('Z' | 'X'))
    }

    /// Waits until it is stopped, all its threads: they stop one after the other.
    pub fn wait_until_stopped(self) {
        let is_stopped = || {
            let mut tasks = self.tasks();
            tasks.all(|task| matches!(state_in(&task.join("stat")), None | Some('T')))
        };
        eventually("it is stopped", || (self.state() == Some('T') && is_stopped()).then_some(()));
    }

    /// Waits until it is not stopped any more.
    pub fn wait_until_continued(self) {
        eventually("it is continued", || (self.state() != Some('T')).then_some(()));
    }

    /// Whether a signal has reached it that it has not taken.
    #[must_use]
    pub fn has_pending(self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0));
        let status = status.unwrap_or_default();
        let pending = status
            .lines()
            .filter_map(|line| line.strip_prefix("SigPnd:\t").or(line.strip_prefix("ShdPnd:\t")));
        pending.into_iter().any(|set| set.bytes().any(|digit| digit != b'0'))
    }

    /// Its children, those included that nobody has waited for.
    #[must_use]
    pub fn children(self) -> BTreeSet<i32> {
        let children =
            self.tasks().filter_map(|task| std::fs::read_to_string(task.join("children")).ok());
        let ids = children.flat_map(|line| {
            line.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
        });
        ids.collect()
    }

    fn tasks(self) -> impl Iterator<Item = PathBuf> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0));
        tasks.into_iter().flatten().flatten().map(|task| task.path())
    }

    /// How many descriptors it has open.
    #[must_use]
    pub fn descriptors(self) -> usize {
        self.count("fd")
    }

    /// How many threads it has.
    #[must_use]
    pub fn threads(self) -> usize {
        self.count("task")
    }

    fn count(self, what: &str) -> usize {
        let entries = std::fs::read_dir(format!("/proc/{}/{what}", self.0));
        entries.into_iter().flatten().count()
    }
}

fn state_in(stat: &Path) -> Option<char> {
    let stat = std::fs::read_to_string(stat).ok()?;
    // The name, in brackets, may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}
