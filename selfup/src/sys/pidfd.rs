//! Processes held by descriptor: no number is reused under us.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

pub(crate) use super::Status;
use super::fd::adopt;
use super::signal::Queued;

/// A child process of this one. For as long as this lives, it [is held](is_held): nobody else here
/// waits for it.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
}

/// The numbers of the processes that a [`Process`] stands for.
static HELD: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A process that not even SIGKILL ends is left behind after this time.
const PATIENCE: Duration = Duration::from_secs(1);

impl Process {
    /// Holds the child `pid`, which nobody has waited for yet.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        let pidfd = open(pid)?;
        held().insert(pid.as_raw());
        Ok(Self { pid, pidfd })
    }

    /// Holds the child `pid` by a descriptor that was opened for it before.
    pub(crate) fn from_parts(pid: Pid, pidfd: OwnedFd) -> Self {
        held().insert(pid.as_raw());
        Self { pid, pidfd }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends `signal`, a number so that real-time signals can be sent too. A process that has
    /// ended is no error.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        self.send(signal, std::ptr::null())
    }

    /// Sends `signal` as it was queued for this process by another, its value included.
    pub(crate) fn queue(&self, signal: i32, queued: Queued) -> io::Result<()> {
        let info = QueuedInfo::new(signal, queued);
        self.send(signal, &raw const info.padded)
    }

    fn send(&self, signal: i32, info: *const libc::siginfo_t) -> io::Result<()> {
        let fd = self.pidfd.as_raw_fd();
        // SAFETY: the descriptor is open; `info` is null, for the kernel to fill in its own, or
        // points to a siginfo of the caller's.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, 0) };
        match Errno::result(sent) {
            Ok(_) | Err(Errno::ESRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The status of a process that has ended, which is reaped by this; `None` while it runs.
    pub(crate) fn try_wait(&self) -> io::Result<Option<Status>> {
        try_wait(self.pidfd.as_fd())
    }

    /// Kills it and reaps it, for a caller that cannot go on to hold it. Waits for a second at the
    /// most: only the kernel can keep a killed process from ending.
    pub(crate) fn discard(&self) {
        let _ = self.signal(libc::SIGKILL);
        let until = Instant::now() + PATIENCE;
        while let Ok(None) = self.try_wait() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let mut polled = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            let limit = left + Duration::from_millis(1);
            let _ = poll(&mut polled, PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        held().remove(&self.pid.as_raw());
    }
}

/// Whether a [`Process`] stands for the child `pid`.
pub(crate) fn is_held(pid: i32) -> bool {
    held().contains(&pid)
}

/// Reaps the child `pid`, if it is a zombie and `is_meant` says of it what was known of the one that
/// is to go: asked once the number cannot come to mean another.
pub(crate) fn reap_if(pid: i32, is_meant: impl FnOnce() -> bool) {
    if let Ok(pidfd) = open(Pid::from_raw(pid))
        && is_meant()
    {
        // An error means that whoever started it has waited for it meanwhile.
        let _ = try_wait(pidfd.as_fd());
    }
}

fn held() -> MutexGuard<'static, BTreeSet<i32>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(pid: Pid) -> io::Result<OwnedFd> {
    Ok(adopt(raw_open(pid)?))
}

/// The number of a new descriptor of `pid`, close-on-exec. Async-signal-safe.
pub(super) fn raw_open(pid: Pid) -> Result<RawFd, Errno> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    // No descriptor has a number that does not fit.
    RawFd::try_from(Errno::result(raw)?).map_err(|_| Errno::EBADF)
}

fn try_wait(pidfd: BorrowedFd<'_>) -> io::Result<Option<Status>> {
    let id = pidfd.as_raw_fd().cast_unsigned();
    let ended = wait(libc::P_PIDFD, id, libc::WEXITED | libc::WNOHANG)?;
    Ok(ended.map(|(code, status)| status_of(code, status)))
}

/// How a process ended of which waitid(2) gave this code and this status.
pub(super) fn status_of(code: i32, status: i32) -> Status {
    match code {
        libc::CLD_EXITED => Status::Exited(status),
        _ => Status::Signaled(status),
    }
}

/// Whether a child of this process was stopped and then continued, since this was last asked.
pub(crate) fn was_a_child_continued() -> bool {
    let mut was_one = false;
    // Each is told of once.
    while let Ok(Some(_)) = wait(libc::P_ALL, 0, libc::WCONTINUED | libc::WNOHANG) {
        was_one = true;
    }
    was_one
}

/// The code and the status of a child that there is news of. Async-signal-safe.
pub(super) fn wait(
    kind: libc::idtype_t,
    id: u32,
    options: i32,
) -> Result<Option<(i32, i32)>, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: `info` is writable and large enough, and lives longer than the call.
    let waited = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), options) };
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
    Ok(Some((info.si_code, status)))
}

/// What sigqueue(3) sends. libc has no names for its fields in a `siginfo_t`; the kernel aligns
/// them, behind the three numbers that each begins with, as the widest of them needs it.
#[repr(C)]
#[derive(Clone, Copy)]
struct QueuedFields {
    numbers: [libc::c_int; 3],
    sender: QueuedBy,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct QueuedBy {
    pid: libc::pid_t,
    uid: libc::uid_t,
    value: usize,
}

#[repr(C)]
union QueuedInfo {
    padded: libc::siginfo_t,
    fields: QueuedFields,
}

impl QueuedInfo {
    fn new(signal: i32, Queued { pid, uid, value }: Queued) -> Self {
        const { assert!(offset_of!(QueuedFields, sender).is_multiple_of(align_of::<usize>())) };
        // SAFETY: zeroed is a valid siginfo_t.
        let mut padded: libc::siginfo_t = unsafe { std::mem::zeroed() };
        padded.si_signo = signal;
        padded.si_code = libc::SI_QUEUE;
        let mut info = Self { padded };
        info.fields.sender = QueuedBy { pid, uid, value };
        info
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
