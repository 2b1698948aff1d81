//! The last events and their counts, for whoever reads them at a pace of his own.
//!
//! An event is put here before anybody else is told it, so a subscriber or a hook that hangs keeps it
//! from nobody. Nothing here waits: the oldest event makes room for the newest, and who was too slow for
//! it is told how many he has missed. As the last ones are kept anyway, who comes back may go on where
//! he was.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Event;
use crate::identity::Generation;

/// An event, when it was told, and which one it was, counted from 1 since somebody first subscribed.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) event: Event,
    /// The length of its line, in bytes.
    length: usize,
}

/// What a reader hears next.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// How many were told before this one that are not kept any more.
    pub(crate) missed: u64,
    pub(crate) told: Arc<Told>,
}

/// One reader's place among the events. A clone reads on from the same place, for itself.
#[derive(Debug, Clone)]
pub(crate) struct Tap {
    ring: Arc<Ring>,
    /// The last one that was read.
    after: u64,
}

/// How often things happened in the life of a service, successions included if each hands it to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    /// Candidates that were put in place.
    pub(crate) upgrades: u64,
    pub(crate) refusals: u64,
    pub(crate) rollbacks: u64,
    /// Generations that took over from another.
    pub(crate) restarts: u64,
    pub(crate) abandoned: u64,
    pub(crate) fetch_failures: u64,
    /// Generations that were killed, for their time to drain was over.
    pub(crate) killed: u64,
}

/// The last events.
#[derive(Debug)]
pub(super) struct Ring {
    /// Tells the numbers of this ring from those of another.
    began: u64,
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Told>>,
    /// The lengths of all their lines.
    length: usize,
    counts: Counts,
}

/// So many are kept: all that a few upgrades tell.
const KEPT: usize = 256;

/// So long may their lines be together, in bytes: what a source or a hook says has no bound of its own.
const LENGTH: usize = 1024 * 1024;

impl Tap {
    /// What comes next, once it is told.
    ///
    /// Dropped before its end, it has read nothing.
    pub(crate) async fn next(&mut self) -> Heard {
        let mut newest = self.ring.newest.subscribe();
        loop {
            newest.mark_unchanged();
            if let Some(heard) = self.ring.after(self.after) {
                self.after = heard.told.number;
                return heard;
            }
            // The ring is held by this reader, so its end is not seen.
            if newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What comes next, if it was told.
    pub(crate) fn try_next(&mut self) -> Option<Heard> {
        let heard = self.ring.after(self.after)?;
        self.after = heard.told.number;
        Some(heard)
    }

    /// Skips what was told so far.
    pub(crate) fn skip(&mut self) {
        self.after = *self.ring.newest.borrow();
    }

    /// A name for this place, for who comes back later.
    pub(crate) fn place(&self) -> String {
        self.place_of(self.after)
    }

    /// [`place`](Self::place), just behind the event of that number.
    pub(crate) fn place_of(&self, number: u64) -> String {
        format!("{}-{number}", self.ring.began)
    }

    /// Goes to a place that was named so. With one of another master's code it is the beginning of
    /// what is kept, which came after that.
    pub(crate) fn go_to(&mut self, place: &str) {
        let after = place.split_once('-').and_then(|(began, number)| {
            let is_of_this = began.parse() == Ok(self.ring.began);
            number.parse().ok().filter(|_| is_of_this)
        });
        // A number that is yet to come is nobody's.
        self.after = after.unwrap_or(0).min(*self.ring.newest.borrow());
    }

    pub(crate) fn counts(&self) -> Counts {
        self.ring.kept().counts
    }

    /// Adds what was counted by the code that this master ran before.
    pub(crate) fn add(&self, earlier: Counts) {
        self.ring.kept().counts.add(earlier);
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        // Which are handed over by a file, and may be anything.
        let sum = |mine: &mut u64, other: u64| *mine = mine.saturating_add(other);
        sum(&mut self.upgrades, other.upgrades);
        sum(&mut self.refusals, other.refusals);
        sum(&mut self.rollbacks, other.rollbacks);
        sum(&mut self.restarts, other.restarts);
        sum(&mut self.abandoned, other.abandoned);
        sum(&mut self.fetch_failures, other.fetch_failures);
        sum(&mut self.killed, other.killed);
    }

    fn count(&mut self, event: &Event) {
        let counter = match event {
            Event::Upgraded { .. } => &mut self.upgrades,
            Event::CandidateRefused { .. } => &mut self.refusals,
            Event::RolledBack { .. } => &mut self.rollbacks,
            Event::Committed { generation } if *generation > Generation::FIRST => {
                &mut self.restarts
            }
            Event::RestartAbandoned { .. } => &mut self.abandoned,
            Event::FetchFailed { .. } => &mut self.fetch_failures,
            Event::DrainTimedOut { .. } => &mut self.killed,
            _ => return,
        };
        *counter = counter.saturating_add(1);
    }
}

impl Ring {
    pub(super) fn new() -> Self {
        let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let began = u64::try_from(began.as_micros()).unwrap_or_default();
        Self { began, kept: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// A reader who has read nothing.
    pub(super) fn tap(self: &Arc<Self>) -> Tap {
        Tap { ring: self.clone(), after: 0 }
    }

    pub(super) fn put(&self, event: Event) {
        let length = event.to_string().len();
        let mut kept = self.kept();
        kept.counts.count(&event);
        let number = *self.newest.borrow() + 1;
        kept.length += length;
        while kept.events.len() >= KEPT || kept.length > LENGTH {
            let Some(oldest) = kept.events.pop_front() else { break };
            kept.length -= oldest.length;
        }
        kept.events.push_back(Arc::new(Told { number, at: SystemTime::now(), event, length }));
        // Under the lock: whoever sees the number finds the event.
        self.newest.send_replace(number);
    }

    /// The first one that is kept behind `number`.
    fn after(&self, number: u64) -> Option<Heard> {
        let kept = self.kept();
        let oldest = kept.events.front()?.number;
        let next = oldest.max(number + 1);
        let told = kept.events.get(usize::try_from(next - oldest).ok()?)?.clone();
        Some(Heard { missed: next - (number + 1), told })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    fn resumed() -> Event {
        Event::Resumed { generation: Generation::FIRST }
    }

    fn ring_of(count: u64) -> Arc<Ring> {
        let ring = Arc::new(Ring::new());
        (0..count).for_each(|_| ring.put(resumed()));
        ring
    }

    #[tokio::test]
    async fn a_reader_hears_what_was_told_before_and_waits_for_more() {
        let ring = ring_of(2);
        let mut tap = ring.tap();
        for number in 1..=2 {
            let heard = tap.next().await;
            assert_eq!((heard.missed, heard.told.number), (0, number));
        }
        let waiting = tokio::spawn(async move { tap.next().await.told.number });
        tokio::task::yield_now().await;
        ring.put(resumed());
        assert_eq!(waiting.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_has_missed() {
        let ring = ring_of(1);
        let mut tap = ring.tap();
        assert_eq!(tap.next().await.told.number, 1);
        (0..KEPT + 5).for_each(|_| ring.put(resumed()));
        let heard = tap.next().await;
        assert_eq!((heard.missed, heard.told.number), (5, 7));
        assert_eq!(tap.next().await.missed, 0);
        tap.skip();
        ring.put(resumed());
        assert_eq!(tap.next().await.told.number, 7 + KEPT as u64);
    }

    #[tokio::test]
    async fn long_events_make_room_for_each_other() {
        let ring = ring_of(3);
        let mut tap = ring.tap();
        let long = |length| {
            let reason = Error::new(ErrorKind::Fetch, "x".repeat(length));
            ring.put(Event::FetchFailed { error: reason.into() });
        };
        long(LENGTH / 2);
        assert_eq!(tap.clone().next().await.told.number, 1);
        long(LENGTH / 2);
        let heard = tap.next().await;
        assert_eq!((heard.missed, heard.told.number), (4, 5));
        // The newest is kept, whatever it is.
        long(2 * LENGTH);
        ring.put(resumed());
        let heard = tap.next().await;
        assert_eq!((heard.missed, heard.told.number), (1, 7));
        assert_eq!(ring.kept().length, resumed().to_string().len());
    }

    #[tokio::test]
    async fn a_reader_comes_back_to_its_place_and_one_of_elsewhere_to_the_beginning() {
        let ring = ring_of(3);
        let mut tap = ring.tap();
        tap.next().await;
        let place = tap.place();
        let mut back = ring.tap();
        back.go_to(&place);
        assert_eq!(back.next().await.told.number, 2);
        let late = tap.place_of(u64::MAX);
        for (place, next) in [("7-2", 1), ("", 1), ("-", 1), ("x-y-z", 1), (&*late, 4)] {
            back.go_to(place);
            if next == 4 {
                ring.put(resumed());
            }
            assert_eq!(back.next().await.told.number, next, "{place}");
        }
    }

    #[test]
    fn what_happened_is_counted_and_what_was_handed_over_is_added() {
        let ring = ring_of(0);
        ring.put(Event::Committed { generation: Generation::FIRST });
        ring.put(Event::Committed { generation: Generation::FIRST.next() });
        ring.put(Event::DrainTimedOut { generation: Generation::FIRST });
        let counts = Counts { restarts: 1, killed: 1, ..Counts::default() };
        assert_eq!(ring.tap().counts(), counts);
        ring.tap().add(Counts { restarts: 4, killed: u64::MAX, ..counts });
        let added = Counts { restarts: 5, killed: u64::MAX, ..counts };
        assert_eq!(ring.tap().counts(), added);
    }
}
