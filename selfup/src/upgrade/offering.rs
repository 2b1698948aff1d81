//! What a source offers, and what of it was refused for want of a good digest or signature.
//!
//! Such a refusal says nothing about the bytes for good, so it is in no history and ends no cycle: the
//! fetcher delivers at every poll. What is offered is compared before a byte is read, though, by what
//! the source says of it: its validator, digest and signature. The same again is left alone for 1
//! minute, 10 minutes and then an hour each; a signature or a digest that was published meanwhile, or
//! other bytes, are another offering, and are looked at at once. It is looked at again at all because
//! the bytes may have been changed on their way: whoever did so once must not keep the good ones out.
//!
//! Limits: it is kept in memory, for the last offering alone. What its source says nothing about is
//! read at every poll; the event is told once all the same.

use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::history::BACK_OFF;
use crate::fetcher::{Download, Signature};
use crate::identity::BinaryId;

/// What a download says before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offering {
    validator: Option<String>,
    sha256: Option<BinaryId>,
    /// The digest of its text, if there is one.
    signature: Option<BinaryId>,
}

/// The last offering that was refused.
#[derive(Debug, Default)]
pub(super) struct Unproven(Option<Refused>);

#[derive(Debug)]
struct Refused {
    offering: Offering,
    /// What it turned out to be the last time.
    id: BinaryId,
    times: usize,
    again_at: Instant,
}

impl Offering {
    pub(super) fn of(download: &Download) -> Self {
        let signature = match &download.signature {
            Signature::Given(text) => Some(BinaryId::from_bytes(Sha256::digest(text).into())),
            Signature::Missing(_) | Signature::Unknown => None,
        };
        Self { validator: download.validator.clone(), sha256: download.sha256, signature }
    }
}

impl Unproven {
    /// Whether `offering` is not to be read at this time.
    pub(super) fn is_left_alone(&self, offering: &Offering, now: Instant) -> bool {
        let known = self.0.as_ref().filter(|refused| refused.offering == *offering);
        known.is_some_and(|refused| offering.validator.is_some() && now < refused.again_at)
    }

    /// Remembers that `offering`, whose bytes were `id`, was refused. Says whether that is news.
    pub(super) fn refuse(&mut self, offering: Offering, id: BinaryId, now: Instant) -> bool {
        let before = self.0.take().filter(|refused| refused.offering == offering);
        let is_news = before.as_ref().is_none_or(|refused| refused.id != id);
        let times = before.map_or(0, |refused| refused.times);
        let again_at = now + BACK_OFF[times.min(BACK_OFF.len() - 1)];
        self.0 = Some(Refused { offering, id, times: times.saturating_add(1), again_at });
        is_news
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::upgrade::testing::{download, id};

    fn at(validator: &str) -> Offering {
        Offering::of(&download(b"").validator(validator).signature("by nobody"))
    }

    #[test]
    fn the_same_offering_is_left_alone_for_longer_each_time_and_never_for_good() {
        let (mut unproven, mut now) = (Unproven::default(), Instant::now());
        assert!(!unproven.is_left_alone(&at("1"), now));
        for minutes in [1, 10, 60, 60, 60] {
            unproven.refuse(at("1"), id(b"bad"), now);
            let step = Duration::from_secs(60 * minutes);
            assert!(unproven.is_left_alone(&at("1"), now + step.mul_f64(0.99)));
            now += step;
            assert!(!unproven.is_left_alone(&at("1"), now));
        }
    }

    #[test]
    fn another_validator_digest_or_signature_is_looked_at_at_once() {
        let (mut unproven, now) = (Unproven::default(), Instant::now());
        unproven.refuse(at("1"), id(b"bad"), now);
        assert!(unproven.is_left_alone(&at("1"), now));
        let offered = || download(b"").validator("1").signature("by nobody");
        for other in [
            offered().validator("2"),
            offered().sha256([7; 32]),
            offered().signature("by somebody"),
            download(b"").validator("1"),
        ] {
            assert!(!unproven.is_left_alone(&Offering::of(&other), now));
        }
    }

    #[test]
    fn what_has_no_validator_is_read_each_time_and_told_once() {
        let (mut unproven, now) = (Unproven::default(), Instant::now());
        let offering = || Offering::of(&download(b""));
        assert!(unproven.refuse(offering(), id(b"bad"), now));
        assert!(!unproven.is_left_alone(&offering(), now));
        assert!(!unproven.refuse(offering(), id(b"bad"), now));
        assert!(unproven.refuse(offering(), id(b"worse"), now));
    }
}
