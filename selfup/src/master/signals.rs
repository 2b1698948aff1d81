//! The signals of the master, read one at a time, with what sent them.
//!
//! They are blocked and read from a signalfd, for only that tells who sent them. A terminal sends
//! its signals to the whole process group, the program included: those are not forwarded again.
//!
//! What was ignored when the process was started, as `nohup` ignores SIGHUP and a script's `cmd &`
//! SIGINT, stays so: it is not read here, and children inherit it. Two are read all the same:
//! SIGTERM, or nobody could stop the service, and the signal that is configured to restart it.
//!
//! Limits: whoever continues the whole group by hand (`kill -CONT -PGID`) brings SIGCONT to the
//! program twice, for who else was meant by a signal is nowhere to be read; `fg` does so to a
//! program that does not stop at SIGTSTP. As PID 1 the master cannot be stopped by SIGTSTP; the
//! program can. While `init` runs, before there may be a thread to watch for them, signals wait.

use std::io::{self, PipeWriter};
use std::os::fd::AsFd as _;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getsid};
use tokio::io::unix::AsyncFd;

use super::plan::Input;
use crate::config::RestartSignal;
use crate::sys;
use crate::sys::pidfd::was_a_child_continued;
use crate::sys::signal::{Queued, is_ignored, real_time, set_of};

/// The signals that the master takes over, beside the real-time ones. Never among them: those that
/// report a fault of its own (SEGV, BUS, ILL, FPE, ABRT, TRAP), those that concern its own children
/// and descriptors (CHLD, PIPE, URG), and those that stop a background process (TTIN, TTOU).
const NAMED: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// What ends a start that waits.
const FATAL: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

/// The master's signals, blocked in this thread and in those that it starts from here on.
///
/// They stay blocked to the end: one that is pending when the program has ended must not decide how
/// the master ends.
#[derive(Debug)]
pub(super) struct Blocked {
    /// Those that are read.
    taken: Vec<i32>,
    previous: SigSet,
}

impl Blocked {
    /// Blocks them. In a thread that was started earlier they would do what they do by default.
    pub(super) fn begin() -> io::Result<Self> {
        let all = || NAMED.into_iter().chain(real_time());
        let is_taken = |signal: &i32| *signal == libc::SIGTERM || !is_ignored(*signal);
        let taken: Vec<_> = all().filter(is_taken).collect();
        // Which of these is to restart the service is not known yet; blocked, none is lost.
        let perhaps = all().filter(|&signal| RestartSignal::is_possible(signal));
        let set = set_of(taken.iter().copied().chain(perhaps));
        let mut previous = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut previous))?;
        Ok(Self { taken, previous })
    }

    /// What was blocked before is `previous`, as the first master of this process found it.
    pub(super) fn in_place_of(self, previous: SigSet) -> Self {
        Self { previous, ..self }
    }

    /// Runs `wait`, and ends the process by a signal that ends processes and comes meanwhile: there
    /// is no child yet that would be told.
    ///
    /// They are watched for, and not unblocked: a thread that is started by the user's code in
    /// `wait` would otherwise be ended by them for as long as it lives, and the service with it.
    ///
    /// Before that, `at_end` is called.
    pub(super) fn watching_the_fatal<T>(
        &self,
        wait: impl FnOnce() -> T,
        at_end: impl FnOnce() + Send + 'static,
    ) -> T {
        // Without a thread or descriptors for it, they wait for the loop.
        let watch = self.watch_the_fatal(at_end);
        let waited = wait();
        if let Ok((watching, thread)) = watch {
            drop(watching);
            let _ = thread.join();
        }
        waited
    }

    fn watch_the_fatal(
        &self,
        at_end: impl FnOnce() + Send + 'static,
    ) -> io::Result<(PipeWriter, JoinHandle<()>)> {
        let was_blocked =
            |signal: &i32| set_of([*signal]).iter().any(|s| self.previous.contains(s));
        let fatal = FATAL.into_iter().filter(|signal| self.taken.contains(signal));
        // One that would do nothing to this process waits for the loop.
        let fatal = fatal.filter(|signal| !was_blocked(signal) && !is_ignored(*signal));
        let signals = descriptor(&set_of(fatal))?;
        let (end, watching) = io::pipe()?;
        let mut at_end = Some(at_end);
        let watch = move || {
            loop {
                if let Ok(Some(info)) = signals.read_signal() {
                    if let Some(at_end) = at_end.take() {
                        at_end();
                    }
                    sys::signal::end_by(info.ssi_signo.cast_signed());
                }
                let sources = [end.as_fd(), signals.as_fd()];
                let mut polled = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
                let _ = poll(&mut polled, PollTimeout::NONE);
                if polled[0].any().unwrap_or(true) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("selfup-start".into()).spawn(watch)?;
        Ok((watching, thread))
    }

    /// Those that may wait for the service, and tell it no stop: before it supervises, nobody reads
    /// them.
    pub(super) fn not_fatal(&self) -> Vec<i32> {
        self.taken.iter().copied().filter(|signal| !FATAL.contains(signal)).collect()
    }

    /// Reads them, on the runtime of this thread, and the one that restarts the service.
    pub(super) fn read(&self, restart: Option<i32>) -> io::Result<Signals> {
        let set = set_of(self.taken.iter().copied().chain(restart));
        let descriptor = sys::fd::watch(descriptor(&set)?)?;
        Ok(Signals { descriptor, queued: None, is_stopped_by_terminal: false })
    }

    /// Reads what is pending, and does nothing about it.
    pub(super) fn forget_pending(&self) {
        if let Ok(pending) = descriptor(&set_of(self.taken.iter().copied())) {
            while let Ok(Some(_)) = pending.read_signal() {}
        }
    }

    /// Gives the signals back, for a program that runs in this very process.
    pub(super) fn give_back(&self) {
        // The mask came from the kernel, so the kernel takes it.
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.previous), None);
    }
}

fn descriptor(set: &SigSet) -> io::Result<SignalFd> {
    Ok(SignalFd::with_flags(set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)
}

/// The signals as they come.
#[derive(Debug)]
pub(super) struct Signals {
    descriptor: AsyncFd<SignalFd>,
    /// What came with the last one.
    queued: Option<(i32, Queued)>,
    is_stopped_by_terminal: bool,
}

impl Signals {
    /// The next signal. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Input> {
        let info = loop {
            let mut ready = self.descriptor.readable_mut().await?;
            match ready.get_inner_mut().read_signal()? {
                Some(info) => break info,
                None => ready.clear_ready(),
            }
        };
        let number = info.ssi_signo.cast_signed();
        self.queued = (info.ssi_code == libc::SI_QUEUE).then(|| {
            // A pointer as wide as this machine's, for another process's.
            let value = usize::try_from(info.ssi_ptr).unwrap_or_default();
            (number, Queued { pid: info.ssi_pid.cast_signed(), uid: info.ssi_uid, value })
        });
        Ok(Input::Signal { number, by_kernel: self.has_reached_all(number, info.ssi_code) })
    }

    /// What `signal` brought with it, if it is the last one that came and was sent by sigqueue(3).
    pub(super) fn queued(&self, signal: i32) -> Option<Queued> {
        self.queued.filter(|(number, _)| *number == signal).map(|(_, queued)| queued)
    }

    /// Whether the program has it too.
    fn has_reached_all(&mut self, number: i32, code: i32) -> bool {
        let by_kernel = code == libc::SI_KERNEL;
        match number {
            // A terminal that hangs up tells the leader of its session, and nobody else.
            libc::SIGHUP => by_kernel && getsid(None) != Ok(Pid::this()),
            libc::SIGTSTP => {
                self.is_stopped_by_terminal = by_kernel;
                by_kernel
            }
            // A shell's `fg` continues the group that its terminal stopped. Who does not know it may
            // still mean the master alone: then nobody has continued the program yet. (Whether it is
            // stopped says less, for some of its threads may still be on their way there.)
            libc::SIGCONT if std::mem::take(&mut self.is_stopped_by_terminal) => {
                was_a_child_continued()
            }
            _ => by_kernel,
        }
    }
}
