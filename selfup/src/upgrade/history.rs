//! Which candidates are not to be tried again, and when the others may be.
//!
//! What was refused by its bytes (the note, the `pre_upgrade` hook) stays refused until other bytes
//! are offered. What failed while it ran (the probe, the trial after a swap) may have met a bad
//! moment: it is tried again after 1 minute, 10 minutes and 1 hour, and is then refused for good.
//!
//! Limits: it lives in memory, so a restart of the master forgets it. The oldest of more than 64
//! candidates is forgotten, and would be refused again for the same reason.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::ErrorKind;
use crate::identity::BinaryId;

/// The candidates that were turned down, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Entry>);

#[derive(Debug)]
struct Entry {
    id: BinaryId,
    /// What turned it down the last time.
    kind: ErrorKind,
    failures: usize,
    retry_at: Option<Instant>,
}

impl History {
    /// Turns `id` down for good.
    pub(super) fn refuse(&mut self, id: BinaryId, kind: ErrorKind) {
        self.forget(id);
        self.push(Entry { id, kind, failures: 0, retry_at: None });
    }

    /// Counts a failure of `id` while it ran.
    pub(super) fn fail(&mut self, id: BinaryId, kind: ErrorKind, now: Instant) {
        let failures = self.find(id).map_or(0, |entry| entry.failures);
        let retry_at = BACK_OFF.get(failures).map(|&delay| now + delay);
        self.forget(id);
        self.push(Entry { id, kind, failures: failures + 1, retry_at });
    }

    /// Clears `id`, which proved itself.
    pub(super) fn forget(&mut self, id: BinaryId) {
        self.0.retain(|entry| entry.id != id);
    }

    /// Whether `id` may be tried at this time.
    pub(super) fn allows(&self, id: BinaryId, now: Instant) -> bool {
        self.find(id).is_none_or(|entry| entry.retry_at.is_some_and(|at| at <= now))
    }

    /// When `id`, which failed, may be tried again.
    pub(super) fn retry_at(&self, id: BinaryId) -> Option<Instant> {
        self.find(id).and_then(|entry| entry.retry_at)
    }

    /// What turned `id` down.
    pub(super) fn kind(&self, id: BinaryId) -> Option<ErrorKind> {
        self.find(id).map(|entry| entry.kind)
    }

    fn find(&self, id: BinaryId) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.id == id)
    }

    fn push(&mut self, entry: Entry) {
        if self.0.len() == LONGEST {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }
}

/// What a candidate that failed while it ran waits for, the first, second and third time.
const BACK_OFF: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(10 * 60), Duration::from_secs(60 * 60)];

const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> BinaryId {
        BinaryId::from_bytes([number; 32])
    }

    #[test]
    fn what_failed_while_it_ran_is_tried_three_times_more() {
        let mut history = History::default();
        let mut now = Instant::now();
        for minutes in [1, 10, 60] {
            history.fail(id(1), ErrorKind::Probe, now);
            let at = now + Duration::from_secs(minutes * 60);
            assert_eq!(history.retry_at(id(1)), Some(at));
            assert!(!history.allows(id(1), at.checked_sub(Duration::from_millis(1)).unwrap()));
            assert!(history.allows(id(1), at));
            now = at;
        }
        history.fail(id(1), ErrorKind::Probe, now);
        assert_eq!(history.retry_at(id(1)), None);
        assert!(!history.allows(id(1), now + Duration::from_secs(24 * 3600)));
        assert!(history.allows(id(2), now));
    }

    #[test]
    fn what_was_refused_by_its_bytes_stays_refused() {
        let mut history = History::default();
        let now = Instant::now();
        history.fail(id(1), ErrorKind::Probe, now);
        history.refuse(id(1), ErrorKind::Note);
        assert!(!history.allows(id(1), now + Duration::from_secs(24 * 3600)));
        assert_eq!((history.retry_at(id(1)), history.kind(id(1))), (None, Some(ErrorKind::Note)));
        history.forget(id(1));
        assert!(history.allows(id(1), now));
    }

    #[test]
    fn the_oldest_is_forgotten_so_that_memory_is_bounded() {
        let mut history = History::default();
        for number in 0..=64 {
            history.refuse(id(number), ErrorKind::Note);
        }
        assert_eq!(history.0.len(), LONGEST);
        assert!(history.allows(id(0), Instant::now()) && history.kind(id(1)).is_some());
    }
}
