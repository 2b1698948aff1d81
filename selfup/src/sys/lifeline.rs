//! Executing another binary in place, and the way back while that one is not yet in charge.
//!
//! A master that has just become another binary may panic, abort, crash, exit or hang before it has
//! taken over, in code of the user's. A [`Lifeline`] catches each of these, as errors are caught,
//! and executes the previous binary, in the same process and with the same descriptors. Everything
//! that it needs is made before, so that a signal handler can use it.

use std::ffi::{CString, OsString, c_int};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use nix::errno::Errno;
use nix::sys::signal::SigSet;

use super::process::CStrings;
use super::signal;

/// A binary that this process can become, with descriptors that it keeps under their numbers.
#[derive(Debug)]
pub(crate) struct Successor {
    path: CString,
    args: CStrings,
    env: CStrings,
    keep: Vec<RawFd>,
    mask: SigSet,
    discarded: Vec<c_int>,
    unlocked: Option<RawFd>,
}

impl Successor {
    /// Prepares it: the mask is the one that it starts with.
    pub(crate) fn new(
        path: &Path,
        args: &[OsString],
        env: &[(OsString, OsString)],
        keep: Vec<RawFd>,
        mask: SigSet,
    ) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let (args, env) = (CStrings::of_texts(args)?, CStrings::of_variables(env)?);
        Ok(Self { path, args, env, keep, mask, discarded: Vec::new(), unlocked: None })
    }

    /// What is pending of these signals goes before they are unblocked: their default action may be to
    /// end the process.
    pub(crate) fn discarding(self, discarded: Vec<c_int>) -> Self {
        Self { discarded, ..self }
    }

    /// The lock of this open file is let go of, which a fork of this process may hold otherwise.
    pub(crate) fn unlocking(self, unlocked: Option<RawFd>) -> Self {
        Self { unlocked, ..self }
    }

    /// Becomes it. Returns only if that failed, and then nothing has changed.
    ///
    /// Async-signal-safe.
    pub(crate) fn execute(&self) -> Errno {
        self.keep_over_exec(true);
        self.lock(libc::LOCK_UN);
        self.discarded.iter().copied().for_each(signal::discard);
        let previous = self.mask.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK);
        let (args, env) = (self.args.as_ptr(), self.env.as_ptr());
        // SAFETY: path, arguments and environment are null-terminated as execve wants them, and
        // live until it replaces this process.
        unsafe { libc::execve(self.path.as_ptr(), args, env) };
        let error = Errno::last();
        if let Ok(previous) = previous {
            let _ = previous.thread_set_mask();
        }
        self.lock(libc::LOCK_EX | libc::LOCK_NB);
        self.keep_over_exec(false);
        error
    }

    fn lock(&self, operation: c_int) {
        if let Some(fd) = self.unlocked {
            // SAFETY: flock takes integers, and is harmless on a number that is not open.
            unsafe { libc::flock(fd, operation) };
        }
    }

    fn keep_over_exec(&self, keep: bool) {
        for &fd in &self.keep {
            let flags = if keep { 0 } else { libc::FD_CLOEXEC };
            // SAFETY: fcntl(F_SETFD) takes integers, and is harmless on a number that is not open.
            unsafe { libc::fcntl(fd, libc::F_SETFD, flags) };
        }
    }
}

/// What a process dies of when its code is at fault, and the alarm that ends a code that hangs.
const FAULTS: [c_int; 8] = [
    libc::SIGABRT,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGALRM,
];

/// Whom the lifeline leads to, while one is armed.
static ARMED: AtomicPtr<Successor> = AtomicPtr::new(std::ptr::null_mut());

/// Who armed it: a fork of this process has all of this, and is not to become a second master.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Held by the one thread that goes back or disarms.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The way back to the previous binary. One at a time.
#[derive(Debug)]
pub(crate) struct Lifeline {
    previous: Vec<(c_int, libc::sigaction)>,
}

impl Lifeline {
    /// From now on a fault, an exit, or `patience` seconds without [`disarm`](Self::disarm) make
    /// this process become `successor`.
    pub(crate) fn arm(successor: Successor, patience: u32) -> Self {
        static AT_EXIT: Once = Once::new();
        AT_EXIT.call_once(|| {
            // SAFETY: the function lives as long as the process and takes nothing.
            let _ = unsafe { libc::atexit(at_exit) };
        });
        Self::arm_against(&FAULTS, successor, patience)
    }

    /// From now on `patience` seconds without [`disarm`](Self::disarm) make this process become
    /// `successor`, and nothing else does. Not in a process that has [armed](Self::arm) one.
    pub(crate) fn arm_against_hanging(successor: Successor, patience: u32) -> Self {
        Self::arm_against(&[libc::SIGALRM], successor, patience)
    }

    fn arm_against(signals: &[c_int], successor: Successor, patience: u32) -> Self {
        OWNER.store(this_process(), Ordering::Release);
        ARMED.store(Box::into_raw(Box::new(successor)), Ordering::Release);
        let previous = signals.iter().map(|&signal| (signal, handle(signal))).collect();
        // Whoever started the service may have blocked them.
        signals.iter().copied().for_each(signal::unblock);
        // SAFETY: alarm takes an integer.
        unsafe { libc::alarm(patience) };
        Self { previous }
    }

    /// The new code is in charge: there is no way back any more. Waits for a thread that is on it.
    pub(crate) fn disarm(self) {
        // Never freed: a handler on another thread may be about to look at it. Before anything is held:
        // one that interrupts this thread would wait for it for ever.
        ARMED.store(std::ptr::null_mut(), Ordering::Release);
        take();
        // SAFETY: alarm takes an integer.
        unsafe { libc::alarm(0) };
        let ours = at_fault as extern "C" fn(c_int) as libc::sighandler_t;
        for (signal, action) in &self.previous {
            // What the program has installed meanwhile is its own.
            if signal::handler(*signal) == Some(ours) {
                // SAFETY: the action is one that the kernel gave for this very signal.
                unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
            }
        }
        TAKEN.store(false, Ordering::Release);
    }

    /// Goes back now. Returns only if that failed.
    pub(crate) fn pull(self) -> io::Error {
        let error = go_back().unwrap_or(Errno::ENOENT);
        self.disarm();
        error.into()
    }
}

/// Waits until no other thread goes back or disarms: the execution ends this one. Async-signal-safe.
fn take() {
    while TAKEN.swap(true, Ordering::AcqRel) {
        // SAFETY: without descriptors poll touches no memory; it only waits.
        unsafe { libc::poll(std::ptr::null_mut(), 0, 10) };
    }
}

/// Becomes who is armed, once. Async-signal-safe.
fn go_back() -> Option<Errno> {
    if ARMED.load(Ordering::Acquire).is_null() || OWNER.load(Ordering::Acquire) != this_process() {
        return None;
    }
    take();
    let successor = ARMED.swap(std::ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: the pointer is null, or came from a box that is never freed.
    let error = unsafe { successor.as_ref() }.map(|successor| {
        // SAFETY: alarm takes an integer, and is async-signal-safe.
        unsafe { libc::alarm(0) };
        successor.execute()
    });
    TAKEN.store(false, Ordering::Release);
    error
}

/// Its number, which a succession keeps. Async-signal-safe.
fn this_process() -> libc::pid_t {
    // SAFETY: getpid takes nothing, and always succeeds.
    unsafe { libc::getpid() }
}

extern "C" fn at_exit() {
    go_back();
}

extern "C" fn at_fault(signal: c_int) {
    go_back();
    // There is no way back. A fault happens again as soon as this returns, and ends the process.
    signal::reset(signal);
}

/// Installs the handler, on the stack that std set aside for overflows, and gives what was there.
fn handle(signal: c_int) -> libc::sigaction {
    // SAFETY: zeroes are a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(c_int) = at_fault;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: both are valid for the length of the call, and the handler is async-signal-safe.
    unsafe { libc::sigaction(signal, &raw const action, &raw mut previous) };
    previous
}
