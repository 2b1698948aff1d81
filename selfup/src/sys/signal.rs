//! Signals by number, real-time ones included, which nix has no names for.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Unblocks `signal` for this thread.
pub(crate) fn unblock(signal: i32) {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised; a number that is no signal is refused by an error.
    unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    // SAFETY: the set is initialised and readable.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), std::ptr::null_mut()) };
}

/// Gives `signal` its default action.
pub(crate) fn reset(signal: i32) {
    // SAFETY: the default action is a valid disposition for every signal.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
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

/// Ends this process with `signal` as its default action would, without a core file. Returns only
/// if the signal cannot end this process, as in PID 1.
pub(crate) fn end_by(signal: i32) {
    // Unlike a limit of 0 bytes, this also keeps a core from being piped to a program.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    reset(signal);
    unblock(signal);
    // SAFETY: raise takes an integer; the signal is unblocked in this very thread.
    unsafe { libc::raise(signal) };
}

/// Ends this process at once.
pub(crate) fn kill_this_process() {
    end_by(libc::SIGKILL);
}

/// `set`, and every real-time signal that the C library leaves to programs.
#[cfg(selfup_supervised)]
pub(crate) fn with_real_time(set: nix::sys::signal::SigSet) -> nix::sys::signal::SigSet {
    let mut raw = *set.as_ref();
    for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: the set is initialised and ours.
        unsafe { libc::sigaddset(&raw mut raw, signal) };
    }
    // SAFETY: the set is initialised: it began as one that nix made.
    unsafe { nix::sys::signal::SigSet::from_sigset_t_unchecked(raw) }
}

/// The numbers of the signals in `set`.
#[cfg(target_os = "linux")]
pub(crate) fn numbers(set: &nix::sys::signal::SigSet) -> Vec<i32> {
    // SAFETY: the set is initialised, and a number that is no signal is refused by an error.
    (1..=64).filter(|&signal| unsafe { libc::sigismember(set.as_ref(), signal) } == 1).collect()
}

/// The set of these signals.
#[cfg(target_os = "linux")]
pub(crate) fn of_numbers(numbers: &[i32]) -> nix::sys::signal::SigSet {
    let mut raw = *nix::sys::signal::SigSet::empty().as_ref();
    for &signal in numbers {
        // SAFETY: the set is initialised and ours; a number that is no signal is refused.
        unsafe { libc::sigaddset(&raw mut raw, signal) };
    }
    // SAFETY: the set is initialised: it began as one that nix made.
    unsafe { nix::sys::signal::SigSet::from_sigset_t_unchecked(raw) }
}

/// Stops this process as Ctrl-Z would, until it is continued.
pub(crate) fn stop_this_process() {
    // SAFETY: raise takes an integer.
    unsafe { libc::raise(libc::SIGSTOP) };
}
