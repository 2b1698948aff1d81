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

/// The master's signals, blocked from here to its end: one that is pending when the program has
/// ended must not decide how the master ends.
#[derive(Debug)]
pub(super) struct Signals {
    descriptor: AsyncFd<SignalFd>,
    previous: SigSet,
}

impl Signals {
    /// Takes the signals over, in this thread and those that it will start.
    pub(super) fn take_over() -> io::Result<Self> {
        let set = sys::signal::with_real_time(NAMED.into_iter().collect());
        let mut previous = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut previous))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&set, flags)
            .map_err(io::Error::from)
            .and_then(sys::fd::watch)
            .inspect_err(|_| restore(&previous))?;
        Ok(Self { descriptor, previous })
    }

    /// The next signal. Cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Input> {
        loop {
            let mut ready = self.descriptor.readable_mut().await?;
            let Some(info) = ready.get_inner_mut().read_signal()? else {
                ready.clear_ready();
                continue;
            };
            let number = i32::try_from(info.ssi_signo).map_err(io::Error::other)?;
            return Ok(Input::Signal { number, by_kernel: info.ssi_code == libc::SI_KERNEL });
        }
    }

    /// Gives the signals back, for a program that runs in this very process.
    pub(super) fn give_back(self) {
        restore(&self.previous);
    }
}

fn restore(mask: &SigSet) {
    // The mask came from the kernel, so the kernel takes it.
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(mask), None);
}
