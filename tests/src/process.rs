//! Looking at processes from outside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nix::unistd::Pid;

use crate::{PATIENCE, Watched};

/// Asks `look` until it finds something.
///
/// For what the system has no event for, such as the end of a process that is not ours.
///
/// # Panics
///
/// If it has found nothing when the patience is over.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "this has not come true: {what}");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

/// Sends `pid` a signal by number, for nix has no names for the real-time ones.
///
/// # Panics
///
/// If the process is gone.
pub fn send(pid: Pid, signal: i32) {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
    assert!(status.expect("there is a `kill`").success(), "{pid} is there to be signalled");
}

/// What `/proc/PID/status` says of a process under `name`.
///
/// # Panics
///
/// If the process is gone.
#[must_use]
pub fn status_of(pid: Pid, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
    let mut fields = status.lines().filter_map(|line| line.split_once(":\t"));
    let (_, value) = fields.find(|(field, _)| *field == name).expect("the kernel tells it");
    value.to_owned()
}

/// The children of a process, zombies included.
#[must_use]
pub fn children_of(pid: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.flat_map(|thread| std::fs::read_to_string(thread.path().join("children")));
    let numbers = lists.flat_map(|list| {
        list.split_whitespace().filter_map(|number| number.parse().ok()).collect::<Vec<_>>()
    });
    numbers.map(Pid::from_raw).collect()
}

/// The processes that run a binary of one directory.
#[derive(Debug, Clone)]
pub struct Processes(PathBuf);

impl Processes {
    /// Those whose binary lies, or lay, in `directory`.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Their ids.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<u32> {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| self.is_one(*id)).collect()
    }

    fn is_one(&self, id: u32) -> bool {
        std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|path| path.starts_with(&self.0))
    }

    /// Waits until there is none left.
    pub fn wait_until_gone(&self) {
        // One that ends has no binary any more a while before its files are closed.
        let mut seen = BTreeSet::new();
        eventually("every process is gone", || {
            seen.extend(self.ids());
            seen.retain(|id: &u32| !Watched::new(Pid::from_raw(id.cast_signed())).is_gone());
            seen.is_empty().then_some(())
        });
    }
}
