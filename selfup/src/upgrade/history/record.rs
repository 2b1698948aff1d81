//! What the history is in its file: JSON that says what it is, for whoever opens it.
//!
//! A later version may add fields, each with a default; a `version` that is not ours says that this
//! is not enough.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Delivered, Entry, History, shortened, step};
use crate::error::{BoxError, ErrorKind};
use crate::fetcher::LONGEST_VALIDATOR;
#[cfg(feature = "cli")]
use crate::identity::BinaryId;

/// The same instant on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) monotonic: Instant,
    /// Since 1970. A clock that shows an earlier year shows 1970.
    pub(super) wall: Duration,
}

impl Moment {
    pub(super) fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { monotonic: Instant::now(), wall }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u32,
    /// For people only.
    #[serde(default)]
    about: String,
    #[serde(default)]
    refused: Vec<Refused>,
    #[serde(default)]
    delivered: Option<DeliveredText>,
    /// The binary that proved itself last.
    #[serde(default)]
    good: Option<String>,
    /// The one before it.
    #[serde(default)]
    previous: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DeliveredText {
    sha256: String,
    /// Of the binary in it, if it was packed.
    #[serde(default)]
    unpacked: Option<String>,
    #[serde(default)]
    validator: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Refused {
    sha256: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    reason: String,
    /// How often it failed while it ran; 0 if its bytes were refused.
    #[serde(default)]
    failures: usize,
    /// In seconds since 1970; none if it is not tried again.
    #[serde(default)]
    retry_at: Option<u64>,
    /// The binary that was in place, if the note was held against that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beside: Option<String>,
    /// When it was turned down, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
}

/// What a history says, word for word: the times as they are in the file.
#[cfg(feature = "cli")]
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Remembered {
    /// Oldest first.
    pub turned_down: Vec<TurnedDown>,
    /// The binary that proved itself last, and the one before it.
    pub proven: Option<(BinaryId, BinaryId)>,
}

/// A candidate that was turned down.
#[cfg(feature = "cli")]
#[derive(Debug)]
#[non_exhaustive]
pub struct TurnedDown {
    /// Which.
    pub id: BinaryId,
    /// Why.
    pub reason: String,
    /// When it is tried again, since 1970; never, if there is none.
    pub retry_at: Option<Duration>,
}

#[cfg(feature = "cli")]
pub(super) fn remembered(text: &str) -> Result<Remembered, BoxError> {
    let history = from_text(text, Moment::now())?;
    let record: Record = serde_json::from_str(text)?;
    let at = |id: &BinaryId| {
        let mut refused = record.refused.iter().rev();
        refused.find(|refused| refused.sha256.parse().as_ref() == Ok(id))?.retry_at
    };
    let turned_down = history.entries.iter().map(|entry| TurnedDown {
        id: entry.id,
        reason: entry.reason.clone(),
        retry_at: at(&entry.id).map(Duration::from_secs),
    });
    Ok(Remembered { turned_down: turned_down.collect(), proven: history.proven })
}

pub(super) fn to_text(history: &History, now: Moment) -> Result<String, BoxError> {
    let refused = history.entries.iter().map(|entry| Refused::of(entry, now)).collect();
    let delivered = history.delivered.as_ref().map(|delivered| DeliveredText {
        sha256: delivered.id.to_string(),
        unpacked: delivered.unpacked.map(|id| id.to_string()),
        validator: delivered.validator.clone(),
    });
    let (good, previous) = history.proven.unzip();
    let record = Record {
        version: VERSION,
        about: ABOUT.to_owned(),
        refused,
        delivered,
        good: good.map(|id| id.to_string()),
        previous: previous.map(|id| id.to_string()),
    };
    Ok(serde_json::to_string_pretty(&record)? + "\n")
}

pub(super) fn from_text(text: &str, now: Moment) -> Result<History, BoxError> {
    let record: Record = serde_json::from_str(text)?;
    if record.version != VERSION {
        let found = record.version;
        return Err(format!("it is of version {found}, and {VERSION} can be read").into());
    }
    let mut history = History::default();
    for refused in record.refused {
        let entry = refused.into_entry(now)?;
        history.forget(entry.id);
        history.push(entry);
    }
    if let Some(DeliveredText { sha256, unpacked, validator }) = record.delivered {
        let unpacked = unpacked.map(|unpacked| unpacked.parse()).transpose()?;
        let validator = validator.filter(|validator| validator.len() <= LONGEST_VALIDATOR);
        history.delivered = Some(Delivered { id: sha256.parse()?, unpacked, validator });
    }
    if let (Some(good), Some(previous)) = (record.good, record.previous) {
        history.proven = Some((good.parse()?, previous.parse()?));
    }
    (history.is_unsaved, history.is_on_disk) = (false, true);
    Ok(history)
}

impl Refused {
    fn of(entry: &Entry, now: Moment) -> Self {
        let at = |at: Instant| {
            let left = at.saturating_duration_since(now.monotonic);
            let past = now.monotonic.saturating_duration_since(at);
            (now.wall + left).saturating_sub(past)
        };
        // Never earlier than it is.
        let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        Self {
            sha256: entry.id.to_string(),
            kind: name_of(entry.kind).to_owned(),
            reason: entry.reason.clone(),
            failures: entry.failures,
            retry_at: entry.retry_at.map(|retry_at| seconds(at(retry_at))),
            beside: entry.beside.map(|beside| beside.to_string()),
            at: entry.at.and_then(|at| Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs())),
        }
    }

    fn into_entry(self, now: Moment) -> Result<Entry, BoxError> {
        let left = |step: Duration| {
            let at = self.retry_at.map(Duration::from_secs);
            at.map_or(step, |at| at.saturating_sub(now.wall).min(step))
        };
        Ok(Entry {
            id: self.sha256.parse()?,
            kind: kind_of(&self.kind),
            reason: shortened(&self.reason),
            failures: self.failures,
            retry_at: step(self.failures).map(|step| now.monotonic + left(step)),
            beside: self.beside.as_deref().map(str::parse).transpose()?,
            at: self.at.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at))),
        })
    }
}

pub(in crate::upgrade) fn name_of(kind: ErrorKind) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == kind).map_or(OTHER, |(_, name)| name)
}

pub(in crate::upgrade) fn kind_of(name: &str) -> ErrorKind {
    NAMES.iter().find(|(_, known)| *known == name).map_or(ErrorKind::Rejected, |(kind, _)| *kind)
}

const VERSION: u32 = 1;

const ABOUT: &str = "what this service was offered last, and what it turned down; remove this file \
                     to have all of it tried again";

/// What turns a candidate down, by names that stay the same whatever is renamed in this crate.
const NAMES: [(ErrorKind, &str); 10] = [
    (ErrorKind::Decode, "decode"),
    (ErrorKind::Note, "note"),
    (ErrorKind::Rejected, "rejected"),
    (ErrorKind::Probe, "probe"),
    (ErrorKind::Spawn, "spawn"),
    (ErrorKind::NotReady, "not-ready"),
    (ErrorKind::Handoff, "handoff"),
    (ErrorKind::Bind, "bind"),
    (ErrorKind::Program, "program"),
    (ErrorKind::Swap, "swap"),
];

/// For a kind without a name; it is read as [`ErrorKind::Rejected`], like every unknown name.
const OTHER: &str = "other";
