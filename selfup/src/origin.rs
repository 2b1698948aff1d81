//! How this process was started, kept so that others can be started the same way.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::SigSet;

use crate::{listeners, role, sys};

/// Path, arguments, environment and signal mask, as they were at start.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The binary's path as it was started, absolute: a symlink stays one, so that a deploy that
    /// switches it is followed.
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    /// What the process manager told the master alone.
    private: Vec<(OsString, OsString)>,
    mask: SigSet,
}

impl Origin {
    /// Reads it off this process. Called at start, before the working directory can change.
    pub(crate) fn capture() -> io::Result<Self> {
        let real = std::env::current_exe()?;
        let args: Vec<_> = std::env::args_os().collect();
        let path = started_as(&real).unwrap_or(real);
        let is_kept = |(name, _): &(OsString, OsString)| {
            name != role::VARIABLE && !listeners::GIVEN_BY.iter().any(|given| name == given)
        };
        let env = std::env::vars_os().filter(is_kept).collect();
        Ok(Self::taken_over(path, args, env, SigSet::thread_get_mask()?))
    }

    /// As a master before this one, in the same process, captured it.
    pub(crate) fn taken_over(
        path: PathBuf,
        args: Vec<OsString>,
        env: Vec<(OsString, OsString)>,
        mask: SigSet,
    ) -> Self {
        let is_private = |(name, _): &(OsString, OsString)| PRIVATE.iter().any(|it| name == it);
        let (private, env) = env.into_iter().partition(is_private);
        Self { path, args, env, private, mask }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file behind the path now: what a swap replaces.
    pub(crate) fn real_path(&self) -> io::Result<PathBuf> {
        std::fs::canonicalize(&self.path)
    }

    pub(crate) fn args(&self) -> &[OsString] {
        &self.args
    }

    /// The environment without the role, and without what is meant for the master alone.
    pub(crate) fn env(&self) -> &[(OsString, OsString)] {
        &self.env
    }

    /// What the process manager told the master alone.
    pub(crate) fn private(&self) -> &[(OsString, OsString)] {
        &self.private
    }

    /// The time after which the process manager gives this process up if it hears nothing of it.
    #[cfg(feature = "systemd")]
    pub(crate) fn watchdog(&self) -> Option<std::time::Duration> {
        crate::notify::watchdog_of(&self.private)
    }

    /// Whoever speaks with the process manager, it is the program.
    #[cfg(not(feature = "systemd"))]
    #[expect(clippy::unused_self, reason = "with the feature it is read off the environment")]
    pub(crate) fn watchdog(&self) -> Option<std::time::Duration> {
        None
    }

    pub(crate) fn mask(&self) -> SigSet {
        self.mask
    }
}

/// The variables that are meant for the master alone.
#[cfg(feature = "systemd")]
const PRIVATE: [&str; 4] = crate::notify::TOLD_BY;

/// Whoever speaks with the process manager, it is the program.
#[cfg(not(feature = "systemd"))]
const PRIVATE: [&str; 0] = [];

#[cfg(test)]
impl Origin {
    /// As if a process had been started as `path` with these arguments and this environment.
    pub(crate) fn of_test(path: PathBuf, args: &[&str], env: &[(&str, &str)]) -> Self {
        let variable = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        let args = args.iter().map(OsString::from).collect();
        Self::taken_over(path, args, env.iter().map(variable).collect(), SigSet::empty())
    }
}

/// The path that was executed, made absolute, if it leads to the file that runs: an interpreter or
/// a descriptor under /proc does not.
fn started_as(real: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(sys::env::executed_path()?).ok()?;
    let leads_here = std::fs::canonicalize(&path).is_ok_and(|found| found == real);
    (leads_here && !path.starts_with("/proc")).then_some(path)
}
