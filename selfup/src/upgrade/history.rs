//! Which candidates are not to be tried again, when the others may be, and what was delivered last.
//!
//! What was refused by its bytes (the note, the `pre_upgrade` hook) stays refused until other bytes
//! are offered; by its note, until another binary is in place, for it is held against that one's.
//! What failed while it ran (the probe, the trial after a swap), or was not unpacked in time, may
//! have met a bad moment: it is tried again after 1 minute, 10 minutes and 1 hour, and is then refused for good.
//!
//! It is kept in a [`file`](mod@file) beside the binary, for the next master is offered the same
//! bytes. In memory the times are those of the monotonic clock, so that nobody who sets the clock
//! changes them; in the file they are wall-clock times, and no time that is read there keeps a
//! candidate waiting for longer than its own step, whatever the clock shows by then.
//!
//! Limits: the oldest of more than 64 candidates is forgotten, and would be refused again for the
//! same reason. So would everything in a file that was removed, which is how it is cleared by hand;
//! that is noticed at the next poll.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::preflight::Target;
use super::remembered::Refused;
use crate::error::{Error, ErrorKind};
use crate::identity::BinaryId;

mod file;
mod record;

#[cfg(feature = "cli")]
pub use self::record::{Remembered, TurnedDown};
pub(super) use self::record::{kind_of, name_of};

/// The candidates that were turned down, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Entry>,
    /// The bytes of the last cycle that ended.
    delivered: Option<Delivered>,
    /// The binary that proved itself last, and the one before it.
    proven: Option<(BinaryId, BinaryId)>,
    /// Whether there is a file.
    is_on_disk: bool,
    /// Whether the file says something else.
    is_unsaved: bool,
    /// Whether it was told that it cannot be written.
    is_told: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: BinaryId,
    /// What turned it down the last time.
    kind: ErrorKind,
    /// In words, for whoever reads the file.
    reason: String,
    /// None, if its bytes were refused.
    failures: usize,
    retry_at: Option<Instant>,
    /// The binary in place, if its note was held against that one's.
    beside: Option<BinaryId>,
    /// When that was, for people: whole seconds.
    at: Option<SystemTime>,
}

/// What a fetcher delivered, and what its source said to ask for next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Of the file as it was published.
    pub(super) id: BinaryId,
    /// Of the binary that was unpacked from it, where it was not the binary itself.
    pub(super) unpacked: Option<BinaryId>,
    pub(super) validator: Option<String>,
}

impl Delivered {
    /// The file `published`, with `binary` in it, which may be the same.
    pub(super) fn new(published: BinaryId, binary: BinaryId, validator: Option<String>) -> Self {
        Self { id: published, unpacked: (binary != published).then_some(binary), validator }
    }

    /// The binary: by this it is known what became of it.
    pub(super) fn binary(&self) -> BinaryId {
        self.unpacked.unwrap_or(self.id)
    }
}

impl History {
    /// The cycle of these bytes has ended.
    pub(super) fn deliver(&mut self, delivered: Delivered) {
        let delivered = Some(delivered);
        self.is_unsaved |= self.delivered != delivered;
        self.delivered = delivered;
    }

    /// The bytes of the last cycle that ended.
    pub(super) fn delivered(&self) -> Option<&Delivered> {
        self.delivered.as_ref()
    }

    /// Whether the file says all of it.
    pub(super) fn is_saved(&self) -> bool {
        !self.is_unsaved
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.delivered.is_none() && self.proven.is_none()
    }

    /// `good` proved itself in place of `previous`.
    pub(super) fn prove(&mut self, good: BinaryId, previous: BinaryId) {
        self.forget(good);
        let proven = Some((good, previous));
        self.is_unsaved |= self.proven != proven;
        self.proven = proven;
    }

    /// The binary that proved itself last.
    pub(super) fn good(&self) -> Option<BinaryId> {
        self.proven.map(|(good, _)| good)
    }

    /// The binary before the one that proved itself last.
    pub(super) fn previous(&self) -> Option<BinaryId> {
        self.proven.map(|(_, previous)| previous)
    }

    /// Everything may be tried again, whatever is known of it.
    pub(super) fn clear(&mut self) {
        self.is_unsaved |= !self.entries.is_empty() || self.delivered.is_some();
        self.entries.clear();
        self.delivered = None;
    }

    /// Why `id` is not to be tried at this time, if that is so.
    pub(super) fn why_not(&self, id: BinaryId) -> Option<&str> {
        self.find(id).map(|entry| entry.reason.as_str())
    }

    /// Everything that was turned down, newest first.
    pub(super) fn refused(&self) -> impl Iterator<Item = Refused> {
        let refused = |entry: &Entry| {
            let Entry { id, at, .. } = *entry;
            Refused { id, reason: entry.reason.clone(), at }
        };
        self.entries.iter().rev().map(refused)
    }

    /// Turns `id` down for good.
    pub(super) fn refuse(&mut self, id: BinaryId, reason: &Error) {
        self.forget(id);
        self.push(Entry::new(id, reason, 0, None));
    }

    /// Turns `id` down for as long as `in_place` is the binary that it would replace.
    pub(super) fn refuse_beside(&mut self, in_place: BinaryId, id: BinaryId, reason: &Error) {
        self.forget(id);
        self.push(Entry { beside: Some(in_place), ..Entry::new(id, reason, 0, None) });
    }

    /// Leaves `id` alone for as long as after its last failure, without counting another: what
    /// happened was no fault of its own.
    pub(super) fn postpone(&mut self, id: BinaryId, reason: &Error, now: Instant) {
        let failures = self.find(id).map_or(1, |entry| entry.failures.max(1));
        let retry_at = step(failures).map(|step| now + step);
        self.forget(id);
        self.push(Entry::new(id, reason, failures, retry_at));
    }

    /// Counts a failure of `id` while it ran.
    pub(super) fn fail(&mut self, id: BinaryId, reason: &Error, now: Instant) {
        let failures = self.find(id).map_or(0, |entry| entry.failures).saturating_add(1);
        let retry_at = step(failures).map(|step| now + step);
        self.forget(id);
        self.push(Entry::new(id, reason, failures, retry_at));
    }

    /// Clears `id`, which proved itself.
    pub(super) fn forget(&mut self, id: BinaryId) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        self.is_unsaved |= self.entries.len() != before;
    }

    /// Whether `id` was turned down beside another binary than `in_place`, beside which its note
    /// may say what is wanted.
    pub(super) fn is_outdated(&self, id: BinaryId, in_place: BinaryId) -> bool {
        let beside = self.find(id).and_then(|entry| entry.beside);
        beside.is_some_and(|beside| beside != in_place)
    }

    /// Whether `id` may be tried at this time.
    pub(super) fn allows(&self, id: BinaryId, now: Instant) -> bool {
        self.find(id).is_none_or(|entry| entry.retry_at.is_some_and(|at| at <= now))
    }

    /// When `id`, which failed, may be tried again.
    pub(super) fn retry_at(&self, id: BinaryId) -> Option<Instant> {
        self.find(id).and_then(|entry| entry.retry_at)
    }

    /// The binary in the published file `id`: as it was unpacked from it the last time, or itself.
    pub(super) fn binary_in(&self, id: BinaryId) -> BinaryId {
        let delivered = self.delivered.as_ref().filter(|delivered| delivered.id == id);
        delivered.map_or(id, Delivered::binary)
    }

    /// What turned `id` down.
    pub(super) fn kind(&self, id: BinaryId) -> Option<ErrorKind> {
        self.find(id).map(|entry| entry.kind)
    }

    fn find(&self, id: BinaryId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == LONGEST {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.is_unsaved = true;
    }

    /// Takes over what `earlier` knows, as the older part.
    fn add_earlier(&mut self, earlier: Self) {
        for entry in std::mem::replace(&mut self.entries, earlier.entries) {
            self.forget(entry.id);
            self.push(entry);
        }
    }
}

impl Entry {
    fn new(id: BinaryId, reason: &Error, failures: usize, retry_at: Option<Instant>) -> Self {
        let words = shortened(&reason.chain());
        let (kind, beside, at) = (reason.kind(), None, Some(this_second()));
        Self { id, kind, reason: words, failures, retry_at, beside, at }
    }
}

fn this_second() -> SystemTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// What a candidate that failed so often while it ran waits for, before it is tried again.
fn step(failures: usize) -> Option<Duration> {
    BACK_OFF.get(failures.checked_sub(1)?).copied()
}

/// As much of `words` as is remembered.
pub(super) fn shortened(words: &str) -> String {
    words.chars().take(LONGEST_REASON).collect()
}

/// What failed, or lacks a good signature, is left alone for so long each time.
pub(super) const BACK_OFF: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(10 * 60), Duration::from_secs(60 * 60)];

const LONGEST: usize = 64;

/// In characters.
const LONGEST_REASON: usize = 512;

#[cfg(test)]
mod tests;
