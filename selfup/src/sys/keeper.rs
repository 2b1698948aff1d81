//! Starting a process below one that keeps whatever it leaves behind.
//!
//! What a process starts need not end with it, and can leave its process group and its session.
//! Once its parent has ended, the kernel gives it to the nearest ancestor that takes orphans. The
//! keeper is such an ancestor: a fork of this process that executes nothing, between this one and
//! the one that is kept. So everything that descends from the kept process is found below the
//! keeper for as long as it lives, nothing else is, and the keeper ends when all of it has.
//!
//! Rejected: taking orphans in this process, which would be given those of everything else that it
//! started and that ends meanwhile, and had nothing to tell them apart by: a mark in the
//! environment is as easily cleared as a group is left.
//!
//! The keeper holds three descriptors and no more, so that nobody waits for the end of one that it
//! has a copy of, and it ends with the thread that started it.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::pidfd::{self, Process, Status};
use super::process::{Image, Start, die_with, fork, reset_handlers};
use super::signal;

/// A process that was started below a keeper.
#[derive(Debug)]
pub(crate) struct Kept {
    keeper: Process,
    /// As [`Started::failure`](super::process::Started::failure).
    pub(crate) failure: Option<OwnedFd>,
    ended: OwnedFd,
    release: EventFd,
}

impl Start<'_> {
    /// Forks a keeper, which forks and executes. The process leads a group of its own, where no
    /// signal for this one's reaches it.
    pub(crate) fn start_kept(&self) -> io::Result<Kept> {
        let image = Image::new(self)?;
        let (failure, report) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (ended, end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let release = EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?;
        let (parent, report) = (Pid::this(), report.as_raw_fd());
        let keeper = fork(|| {
            let ends = Ends { release: release.as_fd().as_raw_fd(), end: end.as_raw_fd() };
            keep(ends, parent, |keeper| image.become_it(self, report, keeper))
        })?;
        Ok(Kept { keeper, failure: Some(failure), ended, release })
    }
}

impl Kept {
    /// Has the process and its group killed. If it has ended already, nothing happens.
    pub(crate) fn release(&self) {
        // It cannot fail: this is the only writing, and the number is small.
        let _ = self.release.write(1);
    }

    /// Readable once the process has ended, whatever it has left behind.
    pub(crate) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// How the process ended, once that can be read; `None` if the keeper was killed before it could
    /// tell, and the process with it. An error says why it was never kept.
    pub(crate) fn status(&self) -> io::Result<Option<Status>> {
        let mut words = [0; 8];
        if nix::unistd::read(&self.ended, &mut words)? < words.len() {
            return Ok(None);
        }
        let [code, status] = [0, 4]
            .map(|at| i32::from_ne_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]));
        if code == UNKEPT {
            return Err(io::Error::from_raw_os_error(status));
        }
        Ok(Some(pidfd::status_of(code, status)))
    }

    /// What everything that descends from the process is below of, and which ends when it has.
    pub(crate) fn keeper(&self) -> &Process {
        &self.keeper
    }
}

/// The keeper's ends of what it shares with who started it.
#[derive(Clone, Copy)]
struct Ends {
    release: RawFd,
    end: RawFd,
}

/// In place of a code of waitid(2), which are not 0: the process could not be kept, and the status
/// is the number of the error.
const UNKEPT: i32 = 0;

/// In the fork of `parent`: starts what becomes `child`, and keeps it. Async-signal-safe throughout.
fn keep(ends: Ends, parent: Pid, child: impl FnOnce(Pid) -> Infallible) -> Infallible {
    if let Err(error) = begin(parent).and_then(|()| start_and_keep(ends, child)) {
        tell(ends.end, UNKEPT, error as i32);
    }
    // SAFETY: ends this process without running anything of the parent's.
    unsafe { libc::_exit(0) }
}

fn begin(parent: Pid) -> Result<(), Errno> {
    // Those of the parent lead back into its own life.
    reset_handlers();
    // Ignored, it would have the kernel reap what is waited for here.
    signal::reset(libc::SIGCHLD);
    die_with(parent)?;
    nix::sys::prctl::set_child_subreaper(true)
}

fn start_and_keep(ends: Ends, child: impl FnOnce(Pid) -> Infallible) -> Result<(), Errno> {
    let keeper = Pid::this();
    // SAFETY: this process has one thread, and the C library made its locks anew when it was forked;
    // the child only makes async-signal-safe calls.
    let forked = Errno::result(unsafe { libc::fork() })?;
    let kept = Pid::from_raw(forked);
    if forked == 0 {
        let _ = nix::unistd::setpgid(kept, kept);
        child(keeper);
    }
    // Whoever of the two is first spares the other the race.
    let _ = nix::unistd::setpgid(kept, kept);
    let prepared = hold_only(ends, kept);
    if prepared.is_ok() {
        wait_for_end_or_release();
    }
    // It is not reaped yet, so both numbers are still its own.
    let _ = killpg(kept, Signal::SIGKILL);
    let _ = kill(kept, Signal::SIGKILL);
    let ended = wait_until(|| pidfd::wait(libc::P_PID, forked.cast_unsigned(), libc::WEXITED));
    prepared?;
    if let Some((code, status)) = ended? {
        tell(HELD_END, code, status);
    }
    // Its orphans come to this process, and none of them is missed: an error means that there is
    // nobody left.
    while wait_until(|| pidfd::wait(libc::P_ALL, 0, libc::WEXITED)).is_ok() {}
    Ok(())
}

/// Holds the three descriptors that are needed as the lowest numbers, and closes all others.
fn hold_only(ends: Ends, kept: Pid) -> Result<(), Errno> {
    let pidfd = pidfd::raw_open(kept)?;
    // First out of the way of each other.
    let copies = [ends.release, ends.end, pidfd].map(duplicate_above);
    for (number, copy) in (0..).zip(copies) {
        // SAFETY: the copy is open; the number is one that nothing in this process uses any more.
        Errno::result(unsafe { libc::dup2(copy?, number) })?;
    }
    // SAFETY: close_range takes three integers, and nothing in this process uses what it closes.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
    if closed == -1 {
        close_each();
    }
    Ok(())
}

/// The numbers under which it holds them.
const HELD_RELEASE: RawFd = 0;
const HELD_END: RawFd = 1;
const HELD_PIDFD: RawFd = 2;

fn duplicate_above(fd: RawFd) -> Result<RawFd, Errno> {
    // SAFETY: fcntl(F_DUPFD) takes integers.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_DUPFD, HELD_PIDFD + 1) })
}

/// For a kernel before 5.9.
fn close_each() {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    let limit = RawFd::try_from(limit).unwrap_or(RawFd::MAX).min(HIGHEST);
    for number in HELD_PIDFD + 1..limit {
        // SAFETY: nothing in this process uses the number.
        unsafe { libc::close(number) };
    }
}

/// So many numbers are closed one by one: in a few milliseconds, and few processes have more.
const HIGHEST: RawFd = 1 << 16;

fn wait_for_end_or_release() {
    let asked = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut polled = [asked(HELD_RELEASE), asked(HELD_PIDFD)];
    loop {
        // SAFETY: the array has two elements, and is writable.
        let found = unsafe { libc::poll(polled.as_mut_ptr(), 2, -1) };
        // Nothing interrupts it but being stopped and continued.
        if found != -1 || Errno::last() != Errno::EINTR {
            return;
        }
    }
}

fn wait_until<T>(mut wait: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match wait() {
            Err(Errno::EINTR) => {}
            waited => return waited,
        }
    }
}

fn tell(end: RawFd, code: i32, status: i32) {
    let [code, status] = [code, status].map(i32::to_ne_bytes);
    let words = [code[0], code[1], code[2], code[3], status[0], status[1], status[2], status[3]];
    // SAFETY: the pipe is open, and the eight bytes are readable.
    unsafe { libc::write(end, words.as_ptr().cast(), words.len()) };
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use nix::poll::{PollFd, PollFlags, poll};
    use nix::sys::signal::SigSet;

    use super::*;

    fn start(script: &str) -> io::Result<Kept> {
        let args = ["sh", "-c", script].map(OsString::from);
        let start = Start {
            path: Path::new("/bin/sh"),
            args: &args,
            env: &[],
            keep: &[],
            stdio: [None; 3],
            mask: SigSet::empty(),
            core: true,
        };
        start.start_kept()
    }

    fn wait_for(fd: BorrowedFd<'_>) {
        assert_eq!(poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], 30_000u16), Ok(1));
    }

    #[test]
    fn the_status_is_that_of_what_is_kept() {
        for (script, status) in [
            ("exit 7", Status::Exited(7)),
            ("kill -TERM $$", Status::Signaled(libc::SIGTERM)),
            ("kill -40 $$", Status::Signaled(40)),
        ] {
            let kept = start(script).unwrap();
            wait_for(kept.ended());
            assert_eq!(kept.status().unwrap(), Some(status), "{script}");
            wait_for(kept.keeper().as_fd());
            kept.keeper().discard();
        }
    }

    #[test]
    fn what_is_released_is_killed_with_its_group() {
        let kept = start("sleep 600 & wait").unwrap();
        assert!(poll(&mut [PollFd::new(kept.ended(), PollFlags::POLLIN)], 0u16) == Ok(0));
        kept.release();
        wait_for(kept.keeper().as_fd());
        assert_eq!(kept.status().unwrap(), Some(Status::Signaled(libc::SIGKILL)));
        kept.keeper().discard();
    }

    #[test]
    fn it_holds_nothing_that_others_wait_for_the_end_of() {
        let (mut end, held) = io::pipe().unwrap();
        let kept = start("exec sleep 600").unwrap();
        drop(held);
        assert_eq!(io::Read::read(&mut end, &mut [0]).unwrap(), 0);
        let held = format!("/proc/{}/fd", kept.keeper().pid());
        let until = Instant::now() + Duration::from_secs(60);
        while std::fs::read_dir(&held).unwrap().count() != 3 {
            assert!(Instant::now() < until, "{held} has more");
            std::thread::yield_now();
        }
        kept.release();
        kept.keeper().discard();
    }

    #[test]
    fn it_ends_with_the_thread_that_started_it_and_the_kept_with_it() {
        let thread = std::thread::spawn(|| {
            let mut kept = start("exec sleep 600").unwrap();
            // Its end is the execution.
            wait_for(kept.failure.take().unwrap().as_fd());
            kept
        });
        let kept = thread.join().unwrap();
        wait_for(kept.keeper().as_fd());
        wait_for(kept.ended());
        assert_eq!(kept.status().unwrap(), None);
        kept.keeper().discard();
    }
}
