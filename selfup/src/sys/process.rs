//! Starting a process by fork and `execve`, and nothing in between.
//!
//! libc's `execvp`, and so std's `Command` with `pre_exec`, hands a file that is no executable
//! format to /bin/sh: a text file published as an upgrade would run as a script. `execve` refuses
//! it with ENOEXEC, which is what the master wants to hear.
//!
//! Between fork and `execve` the child of a process with threads may only make async-signal-safe
//! calls, so everything that allocates happens before the fork.

use std::convert::Infallible;
use std::ffi::{CString, OsString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::pidfd::Process;
use super::signal;

/// What to start, and what it gets.
///
/// So that nobody forgets it, it is killed when the thread that started it ends, unless it says
/// that it [outlives](super::signal::outlive_parent) its parent.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    /// The file; no search path is consulted.
    pub(crate) path: &'a Path,
    /// All arguments, the zeroth included.
    pub(crate) args: &'a [OsString],
    /// The whole environment.
    pub(crate) env: &'a [(OsString, OsString)],
    /// Descriptors that stay open under their own numbers; all else of ours is close-on-exec.
    pub(crate) keep: &'a [BorrowedFd<'a>],
    /// What becomes stdin, stdout and stderr, where they are not this process's own.
    pub(crate) stdio: [Option<BorrowedFd<'a>>; 3],
    /// The signal mask.
    pub(crate) mask: SigSet,
    /// Whether it may leave a core file.
    pub(crate) core: bool,
}

/// A process that was forked, and may not have executed its file yet.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Process,
    /// Gives the error number if the file could not be executed, and ends without one if it was.
    pub(crate) failure: OwnedFd,
}

impl Start<'_> {
    /// Forks and executes.
    ///
    /// Returns once the fork is made: a file system that hangs must not hang the caller. Whether
    /// the file was executed is read from [`Started::failure`].
    pub(crate) fn start(&self) -> io::Result<Started> {
        let image = Image::new(self)?;
        let (failure, report) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let parent = Pid::this();
        let process = fork(|| image.become_it(self, report.as_raw_fd(), parent))?;
        Ok(Started { process, failure })
    }
}

/// Forks. `child` runs in the fork, and calls only async-signal-safe functions.
pub(super) fn fork(child: impl FnOnce() -> Infallible) -> io::Result<Process> {
    // The mask is blocked over the fork, so that no handler of ours can run in the child.
    let mut previous = SigSet::empty();
    nix::sys::signal::pthread_sigmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut previous),
    )?;
    // SAFETY: the child calls only async-signal-safe functions until it executes or exits: see the
    // callers.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        child();
    }
    let forked = Errno::result(forked);
    nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&previous), None)?;
    let pid = Pid::from_raw(forked?);
    Process::open(pid).inspect_err(|_| discard(pid))
}

/// Ends a child that cannot be held.
fn discard(pid: Pid) {
    // It is ours and was not waited for, so the number is still its own.
    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
    for _ in 0..DISCARD_TRIES {
        // There was no descriptor to wait for its end with.
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => std::thread::sleep(DISCARD_PAUSE),
            _ => return,
        }
    }
}

/// A child that was killed and does not end in the time of all these tries hangs in the kernel.
const DISCARD_TRIES: usize = 1000;

const DISCARD_PAUSE: Duration = Duration::from_millis(1);

/// The error in what [`Started::failure`] gave, if it gave one.
pub(crate) fn failure_from(bytes: &[u8]) -> Option<io::Error> {
    let number = <[u8; 4]>::try_from(bytes).ok().map(i32::from_ne_bytes)?;
    Some(io::Error::from_raw_os_error(number))
}

/// What `execve` takes, allocated before the fork.
pub(super) struct Image {
    path: CString,
    args: CStrings,
    env: CStrings,
    keep: Vec<RawFd>,
    stdio: [RawFd; 3],
}

/// Strings of C and the null-terminated array of pointers to them.
#[derive(Debug)]
pub(super) struct CStrings {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl CStrings {
    fn new(
        strings: impl IntoIterator<Item = Result<CString, std::ffi::NulError>>,
    ) -> io::Result<Self> {
        let strings = strings.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Ok(Self { pointers, _strings: strings })
    }

    pub(super) fn of_texts(texts: &[OsString]) -> io::Result<Self> {
        Self::new(texts.iter().map(|text| CString::new(text.as_bytes())))
    }

    pub(super) fn of_variables(variables: &[(OsString, OsString)]) -> io::Result<Self> {
        Self::new(variables.iter().map(|(name, value)| {
            let mut line = name.clone().into_encoded_bytes();
            line.push(b'=');
            line.extend_from_slice(value.as_bytes());
            CString::new(line)
        }))
    }

    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

impl Image {
    pub(super) fn new(start: &Start<'_>) -> io::Result<Self> {
        Ok(Self {
            path: CString::new(start.path.as_os_str().as_bytes())?,
            args: CStrings::of_texts(start.args)?,
            env: CStrings::of_variables(start.env)?,
            keep: start.keep.iter().map(AsRawFd::as_raw_fd).collect(),
            stdio: start.stdio.map(|fd| fd.map_or(-1, |fd| fd.as_raw_fd())),
        })
    }

    /// In the forked child of `parent`: sets up what was asked for and executes. Async-signal-safe
    /// throughout.
    pub(super) fn become_it(&self, start: &Start<'_>, report: RawFd, parent: Pid) -> Infallible {
        let error = self.try_become(start, parent);
        let bytes = (error as i32).to_ne_bytes();
        // SAFETY: the pipe is open, and the four bytes are readable.
        unsafe { libc::write(report, bytes.as_ptr().cast(), bytes.len()) };
        // SAFETY: ends this process without running anything of the parent's.
        unsafe { libc::_exit(127) }
    }

    fn try_become(&self, start: &Start<'_>, parent: Pid) -> Errno {
        if let Err(error) = self.prepare(start, parent) {
            return error;
        }
        for _ in 0..BUSY_TRIES {
            let error = self.execute();
            if error != Errno::ETXTBSY {
                return error;
            }
            // SAFETY: without descriptors poll touches no memory; it only waits.
            unsafe { libc::poll(std::ptr::null_mut(), 0, BUSY_PAUSE) };
            if Pid::parent() != parent {
                // The next master needs the ports that this copy of the last one holds.
                return Errno::ESRCH;
            }
        }
        Errno::ETXTBSY
    }

    fn execute(&self) -> Errno {
        let (args, env) = (self.args.as_ptr(), self.env.as_ptr());
        // SAFETY: path, arguments and environment are null-terminated as execve wants them, and
        // live until it replaces this process.
        unsafe { libc::execve(self.path.as_ptr(), args, env) };
        Errno::last()
    }

    fn prepare(&self, start: &Start<'_>, parent: Pid) -> Result<(), Errno> {
        die_with(parent)?;
        if !start.core {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: `none` is readable for the length of the call.
            Errno::result(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) })?;
        }
        for (target, source) in (0..).zip(self.stdio) {
            if source == target {
                keep_over_exec(source)?;
            } else if source != -1 {
                // SAFETY: the source is open; the target is one of the three standard numbers.
                Errno::result(unsafe { libc::dup2(source, target) })?;
            }
        }
        for &fd in &self.keep {
            keep_over_exec(fd)?;
        }
        reset_handlers();
        // std ignores SIGPIPE in every program; what this one starts should not inherit that.
        signal::reset(libc::SIGPIPE);
        // sigprocmask on one thread is pthread_sigmask.
        start.mask.thread_set_mask()
    }
}

/// A file that somebody holds open for writing is tried again for two seconds: it is being copied,
/// or a process that was forked a moment ago has yet to let go of it.
const BUSY_TRIES: usize = 100;

/// The time between two tries, in milliseconds.
const BUSY_PAUSE: i32 = 20;

/// Has the kernel kill this process when the thread of `parent` that forked it ends.
pub(super) fn die_with(parent: Pid) -> Result<(), Errno> {
    // SAFETY: PR_SET_PDEATHSIG takes an integer.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })?;
    // It may have ended before this was asked for.
    if Pid::parent() == parent { Ok(()) } else { Err(Errno::ESRCH) }
}

/// Handlers go at the `execve` anyway, but none may run before it: it would be the parent's, and
/// would write to what the two still share. What is ignored stays so.
pub(super) fn reset_handlers() {
    for number in 1..=libc::SIGRTMAX() {
        if signal::handler(number).is_some_and(|now| now != libc::SIG_IGN && now != libc::SIG_DFL) {
            signal::reset(number);
        }
    }
}

fn keep_over_exec(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: fcntl(F_SETFD) takes integers; the number is open in this process.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;
    use crate::sys::pidfd::{Status, is_held};

    fn start(path: &Path, args: &[&str]) -> io::Result<Process> {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        let start = Start {
            path,
            args: &args,
            env: &[],
            keep: &[],
            stdio: [None; 3],
            mask: SigSet::empty(),
            core: true,
        };
        let Started { process, failure } = start.start()?;
        let mut number = Vec::new();
        std::fs::File::from(failure).read_to_end(&mut number)?;
        failure_from(&number).map_or(Ok(process), Err)
    }

    fn wait(process: &Process) -> Status {
        let pollfd = PollFd::new(std::os::fd::AsFd::as_fd(process), PollFlags::POLLIN);
        poll(&mut [pollfd], PollTimeout::NONE).unwrap();
        process.try_wait().unwrap().unwrap()
    }

    #[test]
    fn the_status_is_the_one_that_the_process_ended_with() {
        let shell = Path::new("/bin/sh");
        let exited = start(shell, &["sh", "-c", "exit 7"]).unwrap();
        assert_eq!(wait(&exited), Status::Exited(7));
        let killed = start(shell, &["sh", "-c", "kill -40 $$"]).unwrap();
        assert_eq!(wait(&killed), Status::Signaled(40), "real-time signals have no name in nix");
        let broken = start(shell, &["sh", "-c", "kill -PIPE $$"]).unwrap();
        assert_eq!(wait(&broken), Status::Signaled(libc::SIGPIPE), "std ignores it, others do not");
        assert_eq!(wait_code(Status::Signaled(15)), 143);
    }

    fn wait_code(status: Status) -> u8 {
        status.code()
    }

    #[test]
    fn one_that_is_discarded_has_ended_and_was_waited_for() {
        let process = start(Path::new("/bin/sh"), &["sh", "-c", "while :; do :; done"]).unwrap();
        process.discard();
        assert_eq!(process.try_wait().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    }

    #[test]
    fn who_is_held_is_known_until_it_is_let_go() {
        let process = start(Path::new("/bin/sh"), &["sh", "-c", "exit 0"]).unwrap();
        let pid = process.pid().as_raw();
        assert!(is_held(pid));
        drop(process);
        assert!(!is_held(pid));
    }

    #[test]
    fn a_text_file_is_refused_and_never_run_by_a_shell() {
        let directory = tempfile::tempdir().unwrap();
        let (path, ran) = (directory.path().join("text"), directory.path().join("ran"));
        std::fs::write(&path, format!("touch {}\n", ran.display())).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        let error = start(&path, &["text"]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC));
        assert!(!ran.exists());
    }
}
