//! What clients ask the loop, and what it answers: the JSON of the socket, word for word.

use std::time::SystemTime;

use serde::Serialize;
use tokio::sync::oneshot;

/// One request that the loop has to answer. A client that is gone has dropped its end of `answer`.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) what: Ask,
    pub(crate) answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Status,
    /// A new generation of what is on disk; answered when it is committed, or given up.
    Restart,
    /// A poll now; answered when that has come to its end, an upgrade that it began included.
    Check,
    /// The previous binary; answered when it serves, or cannot.
    RollBack,
    /// No polls, until they are resumed.
    PauseUpgrades,
    ResumeUpgrades,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Status(Box<Status>),
    Done(Outcome),
}

/// What became of a request, in one word: `committed`, `unchanged`, `paused`, `resumed` are
/// good ends; `abandoned`, `refused`, `failed`, `disabled`, `stopping`, `waits` are not, and
/// [`POSTPONED`] is no end yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    #[serde(rename = "outcome")]
    pub(crate) word: &'static str,
    pub(crate) is_good: bool,
    /// The generation that it was about.
    pub(crate) generation: Option<u64>,
    pub(crate) reason: Option<String>,
}

/// It goes on behind a succession: whoever waited is told what comes of it by the events.
pub(crate) const POSTPONED: &str = "postponed";

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Status {
    /// The version of selfup that the master runs.
    pub(crate) selfup: &'static str,
    pub(crate) master_pid: u32,
    pub(crate) path: String,
    /// `serving`, `examining`, `yielding`, `starting`, `handover`, `probation` or `stopping`.
    pub(crate) phase: &'static str,
    /// Oldest first.
    pub(crate) generations: Vec<GenerationStatus>,
    pub(crate) addresses: Vec<String>,
    pub(crate) upgrades: Upgrades,
    pub(crate) last_upgrade: Option<Upgrade>,
    pub(crate) last_refusal: Option<Refusal>,
    /// What the history beside the binary knows as good, newest first, and what it refuses.
    pub(crate) good: Vec<Binary>,
    pub(crate) refused: Vec<Refusal>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct GenerationStatus {
    pub(crate) generation: u64,
    pub(crate) pid: u32,
    /// `starting`, `serving`, `paused`, `probation` or `draining`.
    pub(crate) state: &'static str,
    pub(crate) version: Option<String>,
    pub(crate) digest: Option<String>,
    pub(crate) age_seconds: u64,
    /// As it answers itself; none, if it does not answer within a second, or does not count.
    pub(crate) open_connections: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Upgrades {
    pub(crate) state: UpgradesState,
    pub(crate) reason: Option<String>,
    pub(crate) next_poll_seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpgradesState {
    On,
    /// By an operator.
    Paused,
    /// The binary cannot be replaced here.
    Disabled,
    /// Another service has the lock.
    Following,
    /// There is no fetcher.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Binary {
    pub(crate) digest: String,
    pub(crate) version: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Upgrade {
    pub(crate) from: Binary,
    pub(crate) to: Binary,
    /// Seconds since 1970.
    #[serde(serialize_with = "seconds")]
    pub(crate) at: SystemTime,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Refusal {
    pub(crate) digest: Option<String>,
    pub(crate) reason: String,
    #[serde(serialize_with = "seconds")]
    pub(crate) at: SystemTime,
}

fn seconds<S: serde::Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    to.serialize_u64(since.as_secs())
}
