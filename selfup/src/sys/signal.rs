//! Signals by number, real-time ones included, which nix has no names for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};

#[cfg(selfup_supervised)]
pub(crate) use self::linux::{Noticed, numbers, set_of, stop_this_process};

/// The sender and the value of a signal that was sent by sigqueue(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    /// As wide as a pointer, which it may be.
    pub(crate) value: usize,
}

/// The real-time signals that the C library leaves to programs.
#[cfg(selfup_supervised)]
pub(crate) fn real_time() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// Unblocks `signal` for this thread.
pub(crate) fn unblock(signal: i32) {
    let set = raw_set([signal]);
    // SAFETY: the set is initialised and readable.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Gives `signal` its default action.
pub(crate) fn reset(signal: i32) {
    // SAFETY: the default action is a valid disposition for every signal.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Forgets what is pending of `signal` if that has its default action, which it keeps; what has a
/// handler does no more than that. Async-signal-safe.
#[cfg(selfup_supervised)]
pub(super) fn discard(signal: i32) {
    if handler(signal) == Some(libc::SIG_DFL) {
        // SAFETY: to be ignored is a valid disposition for every signal that can be blocked.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
        reset(signal);
    }
}

/// From now on this process is not killed when its parent ends.
pub(crate) fn outlive_parent() {
    // It takes an integer, and none is always valid.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_pdeathsig(None);
}

/// Whether this process ignores `signal`, which most of them only do if it was started so.
pub(crate) fn is_ignored(signal: i32) -> bool {
    handler(signal) == Some(libc::SIG_IGN)
}

/// What this process does about `signal`. Async-signal-safe.
pub(super) fn handler(signal: i32) -> Option<libc::sighandler_t> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null action changes nothing, and the old one is written to memory of its type.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    if asked != 0 {
        return None;
    }
    // SAFETY: sigaction succeeded, so it wrote the action.
    Some(unsafe { action.assume_init() }.sa_sigaction)
}

/// From now on `signal` writes one byte, its number, to `pipe`, beside whatever other handlers the
/// program installs through the same registry (tokio's among them).
///
/// The pipe must not block; one that is full loses the byte, for there is a wakeup in it already.
pub(crate) fn write_on(signal: i32, pipe: OwnedFd) -> io::Result<()> {
    let byte = [u8::try_from(signal).map_err(io::Error::other)?];
    let action = move || {
        // SAFETY: write is async-signal-safe; the pipe lives as long as this handler, for ever.
        unsafe { libc::write(pipe.as_raw_fd(), byte.as_ptr().cast(), 1) };
    };
    // SAFETY: the action makes one async-signal-safe call; the registry restores errno after it.
    unsafe { signal_hook_registry::register(signal, action) }?;
    Ok(())
}

/// Ends this process with `signal` as its default action would, without a core file; where it
/// cannot, as in PID 1, with the code by which a shell tells of that signal.
pub(crate) fn end_by(signal: i32) -> ! {
    // Unlike a limit of 0 bytes, this also keeps a core from being piped to a program.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    reset(signal);
    unblock(signal);
    // SAFETY: raise takes an integer; the signal is unblocked in this very thread.
    unsafe { libc::raise(signal) };
    // SAFETY: ends this process, and runs nothing of it.
    unsafe { libc::_exit(128 + signal) }
}

/// Ends this process at once.
pub(crate) fn kill_this_process() {
    end_by(libc::SIGKILL);
}

fn raw_set(signals: impl IntoIterator<Item = i32>) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set is initialised; a number that is no signal is refused by an error.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: initialised above.
    unsafe { set.assume_init() }
}

#[cfg(selfup_supervised)]
mod linux {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
    use std::sync::Arc;

    use nix::sys::eventfd::{EfdFlags, EventFd};
    use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

    /// The set of these signals.
    pub(crate) fn set_of(signals: impl IntoIterator<Item = i32>) -> SigSet {
        // SAFETY: the set is initialised.
        unsafe { SigSet::from_sigset_t_unchecked(super::raw_set(signals)) }
    }

    /// The numbers of the signals in `set`.
    pub(crate) fn numbers(set: &SigSet) -> Vec<i32> {
        // SAFETY: the set is initialised; a number that is no signal is refused by an error.
        let has = |signal: &i32| unsafe { libc::sigismember(set.as_ref(), *signal) } == 1;
        (1..=libc::SIGRTMAX()).filter(has).collect()
    }

    /// Stops this process as Ctrl-Z would, until it is continued.
    ///
    /// By SIGTSTP and not by SIGSTOP: in a process group that nobody could continue, for no shell
    /// watches it, the kernel has it do nothing.
    pub(crate) fn stop_this_process() {
        let has_come = |signal| raw_pending(signal as i32);
        if has_come(Signal::SIGCONT) {
            // Stopping now would throw it away, and nobody would send another.
            return;
        }
        let mut previous = SigSet::empty();
        let stop = SigSet::from(Signal::SIGTSTP);
        // The sets are valid, so neither call can fail.
        let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&stop), Some(&mut previous));
        // SAFETY: raise takes an integer.
        unsafe { libc::raise(libc::SIGTSTP) };
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&previous), None);
    }

    fn raw_pending(signal: i32) -> bool {
        let mut set = super::raw_set([]);
        // SAFETY: the set is writable, and the kernel overwrites it.
        unsafe { libc::sigpending(&raw mut set) };
        // SAFETY: the set is initialised.
        unsafe { libc::sigismember(&raw const set, signal) == 1 }
    }

    /// Readable once a signal has come, however often, until it is [cleared](Self::clear). Other
    /// handlers of the same registry, such as tokio's, are told as well.
    #[derive(Debug)]
    pub(crate) struct Noticed {
        event: Arc<EventFd>,
        handler: signal_hook_registry::SigId,
    }

    impl Noticed {
        /// Notices `signal` from here on.
        pub(crate) fn new(signal: Signal) -> io::Result<Self> {
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            let event = Arc::new(EventFd::from_value_and_flags(0, flags)?);
            let told = Arc::clone(&event);
            let action = move || {
                let one = 1_u64.to_ne_bytes();
                // SAFETY: write is async-signal-safe; the handler owns the descriptor.
                unsafe { libc::write(told.as_raw_fd(), one.as_ptr().cast(), one.len()) };
            };
            // SAFETY: the action makes one async-signal-safe call; the registry restores errno.
            let handler = unsafe { signal_hook_registry::register(signal as i32, action) }?;
            Ok(Self { event, handler })
        }

        /// Whether it has come since this was last asked.
        pub(crate) fn clear(&self) -> bool {
            self.event.read().is_ok()
        }
    }

    impl AsFd for Noticed {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.event.as_fd()
        }
    }

    impl Drop for Noticed {
        fn drop(&mut self) {
            signal_hook_registry::unregister(self.handler);
        }
    }
}
