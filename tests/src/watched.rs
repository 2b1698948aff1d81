//! What the kernel knows of one process.

use std::collections::BTreeSet;

use nix::unistd::Pid;

use crate::eventually;

/// A process, looked at from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched(pub Pid);

impl Watched {
    /// Its state, as ps shows it: `R`, `S`, `T`, `Z`. `None` once it was waited for.
    #[must_use]
    pub fn state(self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // Its name, in brackets, may hold anything.
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// Whether it runs no more, waited for or not.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self.state(), None | Some('Z' | 'X'))
    }

    /// Waits until it is stopped.
    pub fn wait_until_stopped(self) {
        eventually("it is stopped", || (self.state() == Some('T')).then_some(()));
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
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0));
        let children = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        children
            .flat_map(|line| {
                line.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()
            })
            .collect()
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
