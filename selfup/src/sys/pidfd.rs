//! Processes held by descriptor: no number is reused under us.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

pub(crate) use super::Status;
use super::fd::adopt;

/// A child process of this one.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Process {
    /// Holds the child `pid`, which nobody has waited for yet.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        let raw = Errno::result(raw)?;
        let raw = i32::try_from(raw).map_err(io::Error::other)?;
        Ok(Self { pid, pidfd: adopt(raw) })
    }

    /// Holds the child `pid` by a descriptor that was opened for it before.
    pub(crate) fn from_parts(pid: Pid, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends `signal`, a number so that real-time signals can be sent too. A process that has
    /// ended is no error.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        let fd = self.pidfd.as_raw_fd();
        let info = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open, and a null siginfo asks the kernel to fill in its own.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, 0) };
        match Errno::result(sent) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The status of a process that has ended, which is reaped by this; `None` while it runs.
    pub(crate) fn try_wait(&self) -> io::Result<Option<Status>> {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        let id = self.pidfd.as_raw_fd().cast_unsigned();
        let options = libc::WEXITED | libc::WNOHANG;
        // SAFETY: `info` is writable and large enough, and lives longer than the call.
        let waited = unsafe { libc::waitid(libc::P_PIDFD, id, info.as_mut_ptr(), options) };
        Errno::result(waited)?;
        // SAFETY: zeroed is a valid siginfo_t, and the kernel only overwrote it with another.
        let info = unsafe { info.assume_init() };
        // SAFETY: after waitid the SIGCHLD fields are the ones that are set, or all are zero.
        let pid = unsafe { info.si_pid() };
        if pid == 0 {
            return Ok(None);
        }
        // SAFETY: as above.
        let status = unsafe { info.si_status() };
        Ok(Some(match info.si_code {
            libc::CLD_EXITED => Status::Exited(status),
            _ => Status::Signaled(status),
        }))
    }
}

impl AsFd for Process {
    /// Readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl AsRawFd for Process {
    fn as_raw_fd(&self) -> i32 {
        self.pidfd.as_raw_fd()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit status {code}"),
            Self::Signaled(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal {signal}"),
                Err(_) => write!(f, "signal {number}"),
            },
        }
    }
}
