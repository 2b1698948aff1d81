use std::fmt;

/// The kinds of failure, for programs to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting that cannot work.
    Config,
    /// A listener that could not be bound.
    Bind,
    /// A listener or a message that did not reach the other side whole.
    Handoff,
    /// A process that could not be started.
    Spawn,
    /// A generation that never became ready.
    NotReady,
    /// A fetcher that failed.
    Fetch,
    /// A candidate that could not be written beside the binary.
    Stage,
    /// A candidate whose bytes are not what was announced, have no end or come too slowly, or are not
    /// signed by a key that is trusted.
    Verify,
    /// A candidate that could not be unpacked, or has no binary of this program in it.
    Decode,
    /// A candidate that is not a binary for this machine, or not this program.
    Note,
    /// A candidate that the `pre_upgrade` hook turned down, or that was refused before.
    Rejected,
    /// A candidate that did not answer when it was started once.
    Probe,
    /// A candidate that could not be put in place.
    Swap,
    /// A previous binary that could not be put back.
    Rollback,
    /// A signal that could not be handled or sent.
    Signal,
    /// A master that could not be followed by the new binary's.
    Succession,
    /// Something that this system, or this process, cannot do.
    Unsupported,
    /// What the program itself returned.
    Program,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Config => "config",
            Self::Bind => "bind",
            Self::Handoff => "handoff",
            Self::Spawn => "spawn",
            Self::NotReady => "not ready",
            Self::Fetch => "fetch",
            Self::Stage => "stage",
            Self::Verify => "verify",
            Self::Decode => "decode",
            Self::Note => "note",
            Self::Rejected => "rejected",
            Self::Probe => "probe",
            Self::Swap => "swap",
            Self::Rollback => "rollback",
            Self::Signal => "signal",
            Self::Succession => "succession",
            Self::Unsupported => "unsupported",
            Self::Program => "program",
        })
    }
}
