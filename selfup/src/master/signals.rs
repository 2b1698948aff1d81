//! The signals of the master, read one at a time, with what sent them.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::io::unix::AsyncFd;

use super::plan::Input;
use crate::sys;

/// The signals that the master takes over. Never among them: those that report a fault of its own
/// (SEGV, BUS, ILL, FPE, ABRT, TRAP), those that concern its own children and descriptors (CHLD,
/// PIPE, URG), and those that stop a background process (TTIN, TTOU).
const NAMED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCONT,
    Signal::SIGTSTP,
];

/// The master's signals, blocked in this thread and in those that it starts from here on.
///
/// They stay blocked to the end: one that is pending when the program has ended must not decide how
/// the master ends.
#[derive(Debug)]
pub(super) struct Blocked {
    set: SigSet,
    previous: SigSet,
}

impl Blocked {
    /// Blocks them. In a thread that was started earlier they would do what they do by default.
    pub(super) fn begin() -> io::Result<Self> {
        let set = sys::signal::with_real_time(NAMED.into_iter().collect());
        let mut previous = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut previous))?;
        Ok(Self { set, previous })
    }

    /// What was blocked before is `previous`, as the first master of this process found it.
    pub(super) fn in_place_of(self, previous: SigSet) -> Self {
        Self { previous, ..self }
    }

    /// Runs `wait` while those that end a process do so: there is no child yet that would be told.
    pub(super) fn except_the_fatal<T>(&self, wait: impl FnOnce() -> T) -> T {
        let fatal = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT];
        // PID 1 would lose them: nothing is fatal to it.
        let fatal = fatal.into_iter().filter(|_| std::process::id() != 1);
        let fatal = fatal.filter(|signal| !self.previous.contains(*signal)).collect();
        // The sets are valid, so neither call can fail.
        let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&fatal), None);
        let waited = wait();
        let _ = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&fatal), None);
        waited
    }

    /// Reads them, on the runtime of this thread.
    pub(super) fn read(&self) -> io::Result<Signals> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&self.set, flags)?;
        Ok(Signals(sys::fd::watch(descriptor)?))
    }

    /// Reads what is pending, and does nothing about it.
    pub(super) fn forget_pending(&self) {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        if let Ok(pending) = SignalFd::with_flags(&self.set, flags) {
            while let Ok(Some(_)) = pending.read_signal() {}
        }
    }

    /// Gives the signals back, for a program that runs in this very process.
    pub(super) fn give_back(&self) {
        // The mask came from the kernel, so the kernel takes it.
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.previous), None);
    }
}

/// The signals as they come.
#[derive(Debug)]
pub(super) struct Signals(AsyncFd<SignalFd>);

impl Signals {
    /// The next signal. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Input> {
        loop {
            let mut ready = self.0.readable_mut().await?;
            let Some(info) = ready.get_inner_mut().read_signal()? else {
                ready.clear_ready();
                continue;
            };
            let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
            return Ok(Input::Signal { number, by_kernel: info.ssi_code == libc::SI_KERNEL });
        }
    }
}
