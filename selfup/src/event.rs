//! What happens to a service, one [`Event`] a step, and the [`Observer`] that tells it.
//!
//! Every event goes to `tracing`, with its fields, and to the `on_event` hook. A program that installed no
//! subscriber gets the warnings as `[selfup] ...` on stderr (`debug`: all of them, `no_warn`:
//! none); stdout belongs to the program.
//!
//! All three may block for ever: a subscriber and a hook are the user's code, and stderr may be a
//! pipe that nobody reads. So they are told on a thread of their own behind a bounded queue, and
//! whoever tells an event never waits: one that hangs loses events, and nothing else. What reads at a
//! pace of its own, as the clients of the control socket do, has a `Tap` before that
//! queue.

use std::fmt;
use std::sync::Arc;

#[cfg(all(selfup_supervised, feature = "control"))]
pub(crate) use self::fields::{Fields, bounded};
pub(crate) use self::observer::{EventHook, Observer, Verbosity};
#[cfg(all(selfup_supervised, feature = "control"))]
pub(crate) use self::tap::{Counts, Heard, Tap};
use crate::error::Error;
use crate::identity::{BinaryId, Generation};
use crate::peer::PeerAddr;

mod fields;
mod observer;
#[cfg(all(selfup_supervised, feature = "control"))]
mod tap;

/// One step in the life of a service, as its master sees it.
///
/// The [`Display`](fmt::Display) is one line for people.
///
#[doc = include_str!("event.md")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A listener is bound to `local`, for the setting `address`.
    #[non_exhaustive]
    Bound {
        /// The address as it was configured.
        address: String,
        /// What the kernel bound.
        local: PeerAddr,
    },
    /// A child was started.
    #[non_exhaustive]
    ChildStarted {
        /// The generation.
        generation: Generation,
        /// Its process.
        pid: u32,
    },
    /// A child said that it can serve.
    #[non_exhaustive]
    ChildReady {
        /// The generation.
        generation: Generation,
    },
    /// A child ended.
    #[non_exhaustive]
    ChildExited {
        /// The generation.
        generation: Generation,
        /// How, in words: "exit status 1", "signal SIGKILL".
        status: String,
    },
    /// A child was told to accept nothing new, and said that it does not.
    #[non_exhaustive]
    Paused {
        /// The generation.
        generation: Generation,
    },
    /// A paused child was told to accept again.
    #[non_exhaustive]
    Resumed {
        /// The generation.
        generation: Generation,
    },
    /// A generation passed its probation and is the service now.
    #[non_exhaustive]
    Committed {
        /// The generation.
        generation: Generation,
    },
    /// A generation was told to finish its work and end.
    #[non_exhaustive]
    Draining {
        /// The generation.
        generation: Generation,
    },
    /// [`serve`](fn@crate::serve) has come to its end in a draining generation, and tells what became
    /// of its connections. A warning if any was cut. Programs that serve otherwise have no such event.
    #[non_exhaustive]
    Drained {
        /// The generation.
        generation: Generation,
        /// How many connections it had accepted.
        connections: usize,
        /// How many of them were still open shortly before `terminate_timeout` was over, and were
        /// cut.
        cut: usize,
    },
    /// A draining generation was not done at its deadline and was killed.
    #[non_exhaustive]
    DrainTimedOut {
        /// The generation.
        generation: Generation,
    },
    /// A restart came to nothing; the generation that served goes on.
    #[non_exhaustive]
    RestartAbandoned {
        /// The generation that failed.
        generation: Generation,
        /// Why.
        reason: Arc<Error>,
    },
    /// The fetcher failed; it is asked again at its next poll.
    #[non_exhaustive]
    FetchFailed {
        /// Why.
        error: Arc<Error>,
    },
    /// A candidate is written beside the binary, whole and digested; unpacked, where it was published
    /// in an archive.
    #[non_exhaustive]
    CandidateStaged {
        /// Its identity.
        id: BinaryId,
        /// Its length in bytes.
        length: u64,
    },
    /// A candidate is signed by a key that is trusted.
    #[non_exhaustive]
    CandidateVerified {
        /// Its identity.
        id: BinaryId,
        /// The number of the key, as minisign shows it: 16 hexadecimal digits.
        key: String,
        /// The trusted comment of the signature, which is signed with it: on one line, 256
        /// characters at most, with what is not printed escaped.
        comment: String,
    },
    /// A candidate was turned down; the running version goes on.
    #[non_exhaustive]
    CandidateRefused {
        /// Its identity, once its bytes are known.
        id: Option<BinaryId>,
        /// Why.
        reason: Arc<Error>,
    },
    /// A candidate is in place of the binary on disk.
    #[non_exhaustive]
    Upgraded {
        /// The binary that was there.
        from: BinaryId,
        /// Its version, if its note says one.
        from_version: Option<String>,
        /// The binary that is there now.
        to: BinaryId,
        /// Its version, if its note says one.
        to_version: Option<String>,
    },
    /// The previous binary is back on disk.
    #[non_exhaustive]
    RolledBack {
        /// The binary that failed.
        from: BinaryId,
        /// Its version, if its note says one.
        from_version: Option<String>,
        /// The binary that is back.
        to: BinaryId,
        /// Its version, if its note says one.
        to_version: Option<String>,
    },
    /// The binary cannot be replaced here; the service runs on without upgrades, and looks again at
    /// each poll.
    #[non_exhaustive]
    UpgradesDisabled {
        /// Why.
        reason: Arc<Error>,
    },
    /// The binary can be replaced again.
    #[non_exhaustive]
    UpgradesEnabled,
    /// Another process upgrades this binary; what it commits there is followed by a restart.
    ///
    /// A file that it is not known to have committed is taken for a deploy by hand, which waits for a
    /// restart: a [`Warning`](Self::Warning) says so.
    #[non_exhaustive]
    Following {
        /// Which binary, and how to find who has its lock.
        reason: Arc<Error>,
    },
    /// The master executed the committed binary in place: same process, same children, new code.
    #[non_exhaustive]
    MasterReplaced {
        /// The generation whose binary it runs now.
        generation: Generation,
    },
    /// Somebody asked for something by the control socket, and may; what becomes of it is told by other
    /// events.
    #[non_exhaustive]
    Asked {
        /// `restart`, `check`, `rollback`, `pause-upgrades` or `resume-upgrades`.
        what: &'static str,
        /// The user who asked.
        by_uid: u32,
        /// The process that asked; 0 if it is in another PID namespace.
        by_pid: u32,
    },
    /// Something failed that has no event of its own; the service goes on.
    #[non_exhaustive]
    Warning {
        /// What.
        error: Arc<Error>,
    },
}

impl Event {
    /// The stable name, as in `tracing`'s field `event`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bound { .. } => "bound",
            Self::ChildStarted { .. } => "child_started",
            Self::ChildReady { .. } => "child_ready",
            Self::ChildExited { .. } => "child_exited",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Committed { .. } => "committed",
            Self::Draining { .. } => "draining",
            Self::Drained { .. } => "drained",
            Self::DrainTimedOut { .. } => "drain_timed_out",
            Self::RestartAbandoned { .. } => "restart_abandoned",
            Self::FetchFailed { .. } => "fetch_failed",
            Self::CandidateStaged { .. } => "candidate_staged",
            Self::CandidateVerified { .. } => "candidate_verified",
            Self::CandidateRefused { .. } => "candidate_refused",
            Self::Upgraded { .. } => "upgraded",
            Self::RolledBack { .. } => "rolled_back",
            Self::UpgradesDisabled { .. } => "upgrades_disabled",
            Self::UpgradesEnabled => "upgrades_enabled",
            Self::Following { .. } => "following",
            Self::MasterReplaced { .. } => "master_replaced",
            Self::Asked { .. } => "asked",
            Self::Warning { .. } => "warning",
        }
    }

    /// Whether an operator should look at this.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::Drained { cut: 1.., .. }
                | Self::DrainTimedOut { .. }
                | Self::RestartAbandoned { .. }
                | Self::FetchFailed { .. }
                | Self::CandidateRefused { .. }
                | Self::RolledBack { .. }
                | Self::UpgradesDisabled { .. }
                | Self::Warning { .. }
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { address, local } => write!(f, "address {address:?} bound as {local}"),
            Self::ChildStarted { generation, pid } => {
                write!(f, "generation {generation} started as process {pid}")
            }
            Self::ChildReady { generation } => write!(f, "generation {generation} is ready"),
            Self::ChildExited { generation, status } => {
                write!(f, "generation {generation} ended: {status}")
            }
            Self::Paused { generation } => write!(f, "generation {generation} is paused"),
            Self::Resumed { generation } => write!(f, "generation {generation} resumes"),
            Self::Committed { generation } => write!(f, "generation {generation} is committed"),
            Self::Draining { generation } => write!(f, "generation {generation} drains"),
            Self::Drained { generation, connections, cut } => {
                write!(
                    f,
                    "generation {generation} has drained: {connections} connections, {cut} cut"
                )
            }
            Self::DrainTimedOut { generation } => {
                write!(f, "generation {generation} was not done in time and was killed")
            }
            Self::RestartAbandoned { generation, reason } => {
                write!(f, "restart abandoned, generation {generation} failed: {}", reason.chain())
            }
            Self::FetchFailed { error } => write!(f, "fetch failed: {}", error.chain()),
            Self::CandidateStaged { id, length } => {
                write!(f, "candidate {} staged, {length} bytes", id.short())
            }
            Self::CandidateVerified { id, key, comment } => {
                write!(f, "candidate {} is signed by key {key}: {comment}", id.short())
            }
            Self::CandidateRefused { id: Some(id), reason } => {
                write!(f, "candidate {} refused: {}", id.short(), reason.chain())
            }
            Self::CandidateRefused { id: None, reason } => {
                write!(f, "candidate refused: {}", reason.chain())
            }
            Self::Upgraded { from, from_version, to, to_version } => {
                let from = release(*from, from_version.as_ref());
                let to = release(*to, to_version.as_ref());
                write!(f, "binary {from} replaced by {to}")
            }
            Self::RolledBack { from, from_version, to, to_version } => {
                let from = release(*from, from_version.as_ref());
                let to = release(*to, to_version.as_ref());
                write!(f, "binary {from} rolled back to {to}")
            }
            Self::UpgradesDisabled { reason } => write!(f, "upgrades are off: {}", reason.chain()),
            Self::UpgradesEnabled => f.write_str("upgrades are on"),
            Self::Following { reason } => f.write_str(&reason.chain()),
            Self::MasterReplaced { generation } => {
                write!(f, "the master runs the binary of generation {generation}")
            }
            Self::Asked { what, by_uid, by_pid } => {
                write!(f, "process {by_pid} of user {by_uid} asked for {what}")
            }
            Self::Warning { error } => write!(f, "{}", error.chain()),
        }
    }
}

/// "1a2b3c4d", or "1a2b3c4d (version 1.2.3)".
fn release(id: BinaryId, version: Option<&String>) -> String {
    match version {
        Some(version) => format!("{} (version {version})", id.short()),
        None => id.short(),
    }
}
