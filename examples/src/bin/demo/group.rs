//! A process and all that it starts, as one process group that ends with its owner.
//!
//! The group has a terminal's Ctrl-C only through the demo, which then ends it in the right order.
//! Dropped, for instance by a panic, it is killed.

use std::io;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// The leader of a process group, and through it the group.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Child,
    id: Pid,
    has_ended: bool,
}

impl Group {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let leader = command.process_group(0).spawn()?;
        let id = leader.id().and_then(|id| i32::try_from(id).ok());
        let id = Pid::from_raw(id.ok_or(io::ErrorKind::NotFound)?);
        Ok(Self { leader, id, has_ended: false })
    }

    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.leader.stdout.take()
    }

    pub(crate) fn stderr(&mut self) -> Option<ChildStderr> {
        self.leader.stderr.take()
    }

    /// Signals the leader alone.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.has_ended {
            // Its number may be somebody else's by now.
            return Err(Errno::ESRCH.into());
        }
        Ok(kill(self.id, signal)?)
    }

    /// Waits for the end of the leader. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.leader.wait().await?;
        self.has_ended = true;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // The leader was not waited for, so its number is still that of this group.
        let _ = killpg(self.id, Signal::SIGKILL);
        // Left to be waited for by its handle, which is dropped next.
        let _ = waitid(Id::Pid(self.id), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
    }
}
