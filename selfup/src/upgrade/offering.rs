//! What a source offers, and what of it was refused for want of a good digest or signature, or
//! because it had another length than announced, no end, or came too slowly.
//!
//! Such a refusal says nothing about the bytes for good, so it is in no history and ends no cycle: the
//! fetcher delivers at every poll. What is offered is compared before a byte is read, though, by what
//! the source says of it: its length, validator, digest and signature. The same again is left alone
//! for 1 minute, 10 minutes and then an hour each; a signature or a digest that was published
//! meanwhile, or other bytes, are another offering, and are looked at at once. It is looked at again at
//! all because the bytes may have been changed on their way: whoever did so once must not keep the
//! good ones out.
//!
//! A connection that is cut is no refusal: the next poll tries again.
//!
//! Limits: it is kept in memory, for the last offering alone. Where a source says neither validator nor
//! digest, two offerings look the same. One that came to its end is read at every poll, and told once;
//! one that did not costs too much for that, so whatever such a source offers next waits, too.

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::history::BACK_OFF;
use crate::fetcher::{Download, Signature};
use crate::identity::BinaryId;

/// What a download says before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offering {
    length: Option<u64>,
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
    /// What it turned out to be the last time; `None` if it was not read to its end.
    id: Option<BinaryId>,
    times: usize,
    again_at: Instant,
}

impl Offering {
    pub(super) fn of(download: &Download) -> Self {
        let signature = match &download.signature {
            Signature::Given(text) => Some(BinaryId::from_bytes(Sha256::digest(text).into())),
            Signature::Missing(_) | Signature::Unknown => None,
        };
        let Download { length, sha256, ref validator, .. } = *download;
        Self { length, validator: validator.clone(), sha256, signature }
    }

    /// Whether its source tells it from its next one.
    fn is_named(&self) -> bool {
        self.validator.is_some() || self.sha256.is_some()
    }
}

impl Unproven {
    /// Whether `offering` is not to be read at this time.
    pub(super) fn is_left_alone(&self, offering: &Offering, now: Instant) -> bool {
        let is_same = |refused: &Refused| offering.is_named() || refused.id.is_none();
        self.find(offering).is_some_and(|refused| is_same(refused) && now < refused.again_at)
    }

    /// Whether `offering` was refused the last time, and turned out to be the same.
    pub(super) fn knows(&self, offering: &Offering, id: Option<BinaryId>) -> bool {
        self.find(offering).is_some_and(|refused| refused.id == id)
    }

    /// Remembers that `offering`, whose bytes were `id`, was refused.
    pub(super) fn refuse(&mut self, offering: Offering, id: Option<BinaryId>, now: Instant) {
        let times = self.find(&offering).map_or(0, |refused| refused.times);
        let again_at = now + BACK_OFF[times.min(BACK_OFF.len() - 1)];
        self.0 = Some(Refused { offering, id, times: times.saturating_add(1), again_at });
    }

    /// There is nothing wrong with `offering` any more.
    pub(super) fn forget(&mut self, offering: &Offering) {
        self.0.take_if(|refused| refused.offering == *offering);
    }

    fn find(&self, offering: &Offering) -> Option<&Refused> {
        self.0.as_ref().filter(|refused| refused.offering == *offering)
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
            unproven.refuse(at("1"), Some(id(b"bad")), now);
            let step = Duration::from_secs(60 * minutes);
            assert!(unproven.is_left_alone(&at("1"), now + step.mul_f64(0.99)));
            now += step;
            assert!(!unproven.is_left_alone(&at("1"), now));
        }
    }

    #[test]
    fn another_validator_digest_or_signature_is_looked_at_at_once() {
        let (mut unproven, now) = (Unproven::default(), Instant::now());
        unproven.refuse(at("1"), Some(id(b"bad")), now);
        assert!(unproven.is_left_alone(&at("1"), now));
        let offered = || download(b"").validator("1").signature("by nobody");
        for other in [
            offered().validator("2"),
            offered().sha256([7; 32]),
            offered().signature("by somebody"),
            download(b"").validator("1"),
            offered().length(7),
        ] {
            assert!(!unproven.is_left_alone(&Offering::of(&other), now));
        }
    }

    #[test]
    fn what_has_no_validator_is_read_each_time_and_told_once() {
        let (mut unproven, now) = (Unproven::default(), Instant::now());
        let offering = Offering::of(&download(b""));
        assert!(!unproven.knows(&offering, Some(id(b"bad"))));
        unproven.refuse(offering.clone(), Some(id(b"bad")), now);
        assert!(!unproven.is_left_alone(&offering, now));
        assert!(unproven.knows(&offering, Some(id(b"bad"))));
        assert!(!unproven.knows(&offering, Some(id(b"worse"))));
        assert!(!unproven.knows(&offering, None));
    }

    #[test]
    fn what_was_not_read_to_its_end_is_left_alone_whatever_its_source_says() {
        let (mut unproven, now) = (Unproven::default(), Instant::now());
        for offering in [Offering::of(&download(b"")), at("1")] {
            unproven.refuse(offering.clone(), None, now);
            assert!(unproven.is_left_alone(&offering, now));
            assert!(unproven.knows(&offering, None));
        }
        let digest = Offering::of(&download(b"").sha256([7; 32]));
        unproven.refuse(digest.clone(), Some(id(b"bad")), now);
        assert!(unproven.is_left_alone(&digest, now), "a digest is a name");
    }

    #[test]
    fn what_was_good_once_is_counted_anew() {
        let (mut unproven, now) = (Unproven::default(), Instant::now());
        for _ in 0..2 {
            unproven.refuse(at("1"), None, now);
        }
        unproven.forget(&at("2"));
        assert!(unproven.is_left_alone(&at("1"), now + Duration::from_secs(599)));
        unproven.forget(&at("1"));
        assert!(!unproven.is_left_alone(&at("1"), now));
        unproven.refuse(at("1"), None, now);
        assert!(!unproven.is_left_alone(&at("1"), now + Duration::from_secs(60)));
    }
}
