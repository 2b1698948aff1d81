//! The two axes of the table: when something happens, and what.

use nix::libc;

/// How far a restart has come when it happens. Each is held open by the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// One generation, and nothing under way.
    Still,
    /// The candidate has not said that it is ready.
    Starting,
    /// The old generation was told to pause, and is stopped, so that it cannot say that it has. The
    /// master waits two seconds for its word: a cell that takes longer ends in the probation, where
    /// the same is expected of it.
    Handover,
    /// The old generation is paused.
    Probation,
    /// The new generation is committed, and the old one has a connection still to answer.
    Draining,
    /// The service was told to end, and has a connection still to answer.
    Stopping,
}

/// Whom it happens to, beside the master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// The generation that the service belongs to, while it accepts or drains for a stop.
    Serving,
    /// The one that is to follow it.
    Candidate,
    /// The one that waits for the end of the probation.
    Paused,
    /// The one that was followed.
    Draining,
}

/// How a child ends, by its own doing or by somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Exit(i32),
    Signal(i32),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The master is sent a signal, and the program leaves it at its default action.
    Signal(i32),
    /// The master is sent a signal, and the program handles it.
    Handled(i32),
    /// A child ends.
    Child(Actor, End),
}

/// What is run by one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Forwarded,
    RealTime,
    Withheld,
    Handled,
    Serving,
    Candidate,
    Paused,
    Draining,
}

impl Phase {
    pub(crate) const ALL: [Self; 6] = [
        Self::Still,
        Self::Starting,
        Self::Handover,
        Self::Probation,
        Self::Draining,
        Self::Stopping,
    ];
}

impl Actor {
    const ALL: [Self; 4] = [Self::Serving, Self::Candidate, Self::Paused, Self::Draining];
}

impl End {
    fn all() -> impl Iterator<Item = Self> {
        let fatal = FATAL.into_iter().chain([libc::SIGRTMIN(), libc::SIGRTMAX()]);
        CODES.into_iter().map(Self::Exit).chain(fatal.map(Self::Signal))
    }
}

impl Cause {
    pub(crate) fn all() -> Vec<Self> {
        let forwarded = || FORWARDED.into_iter().chain(real_time());
        let signals = forwarded().chain(WITHHELD).chain(UNKNOWN).map(Self::Signal);
        let handled = forwarded().map(Self::Handled);
        let children = Actor::ALL.into_iter();
        let children =
            children.flat_map(|actor| End::all().map(move |end| Self::Child(actor, end)));
        signals.chain(handled).chain(children).collect()
    }

    pub(crate) fn group(self) -> Group {
        match self {
            Self::Signal(number) if FORWARDED.contains(&number) => Group::Forwarded,
            Self::Signal(number) if real_time().contains(&number) => Group::RealTime,
            Self::Signal(_) => Group::Withheld,
            Self::Handled(_) => Group::Handled,
            Self::Child(Actor::Serving, _) => Group::Serving,
            Self::Child(Actor::Candidate, _) => Group::Candidate,
            Self::Child(Actor::Paused, _) => Group::Paused,
            Self::Child(Actor::Draining, _) => Group::Draining,
        }
    }
}

pub(crate) fn real_time() -> std::ops::RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

/// What a master takes over, beside the real-time signals.
pub(crate) const FORWARDED: [i32; 9] = [
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

/// What concerns the master alone.
pub(crate) const WITHHELD: [i32; 11] = [
    libc::SIGCHLD,
    libc::SIGPIPE,
    libc::SIGURG,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
];

/// What a master knows nothing of, or cannot.
pub(crate) const UNKNOWN: [i32; 11] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGSTKFLT,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSYS,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// What ends a program that does nothing about it. Not among them: TERM and INT, which the fixture
/// drains at, and PIPE, which Rust ignores.
const FATAL: [i32; 20] = [
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGKILL,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGSEGV,
    libc::SIGALRM,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSYS,
];

const CODES: [i32; 3] = [0, 1, 255];
