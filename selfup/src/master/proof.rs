//! The trial of a first generation, which has no other to fall back on.
//!
//! A binary whose trial is unfinished at the start of the service has passed it when a generation
//! was ready and the probation went by. If none gets ready in time, the previous binary is put back,
//! and a restart brings it up. If the service ends before, the start stays counted, unless it ended
//! as it was told to: see [`reckon`](crate::upgrade::reckon).

use std::time::Instant;

use super::plan::Limits;
use super::upgrades::Order;
use crate::error::{Error, ErrorKind};

/// Waits for a first generation to prove itself.
#[derive(Debug)]
pub(super) struct Proof {
    limits: Limits,
    until: Instant,
    is_ready: bool,
    /// The last signal for the service.
    told: Option<i32>,
}

impl Proof {
    pub(super) fn begin(limits: Limits, now: Instant) -> Self {
        Self { limits, until: now + limits.ready.min(LONGEST), is_ready: false, told: None }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.until
    }

    /// A generation is ready.
    pub(super) fn ready(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.until = now + self.limits.probation.min(LONGEST);
        }
    }

    /// What is decided by now, if anything is. Then this is over.
    pub(super) fn decide(&self, now: Instant) -> Option<Order> {
        if now < self.until {
            return None;
        }
        if self.is_ready {
            return Some(Order::Keep);
        }
        let words = format!("it was not ready within {:?} of its start", self.limits.ready);
        Some(Order::Restore(Error::new(ErrorKind::NotReady, words)))
    }

    /// Whether this signal is to end the service, which is no fault of the binary.
    pub(super) fn is_stop(&mut self, signal: i32) -> bool {
        self.told = Some(signal);
        matches!(signal, libc::SIGTERM | libc::SIGINT)
    }

    /// Whether an end by this signal is what the service was told to do.
    pub(super) fn was_told(&self, signal: i32) -> bool {
        self.told == Some(signal)
    }
}

/// "Never" is a setting, too.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn proof(now: Instant) -> Proof {
        let (ready, probation) = (Duration::from_secs(30), Duration::from_secs(10));
        let limits = Limits {
            restart_signal: None,
            restart_after_swap: true,
            ready,
            probation,
            terminate: ready,
            max_draining: 1,
            overlap: true,
            follows: true,
        };
        Proof::begin(limits, now)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_is_ready_and_lives_through_the_probation_is_kept() {
        let now = Instant::now();
        let mut proof = proof(now);
        proof.ready(now + seconds(20));
        // Another generation does not begin it anew.
        proof.ready(now + seconds(25));
        assert_eq!(proof.deadline(), now + seconds(30));
        assert!(proof.decide(now + seconds(29)).is_none());
        assert!(matches!(proof.decide(now + seconds(30)), Some(Order::Keep)));
    }

    #[test]
    fn who_is_not_ready_in_time_is_put_back() {
        let now = Instant::now();
        let proof = proof(now);
        assert!(proof.decide(now + seconds(29)).is_none());
        let Some(Order::Restore(reason)) = proof.decide(now + seconds(30)) else { panic!() };
        assert!(reason.to_string().contains("not ready within 30s"), "{reason}");
    }

    #[test]
    fn only_what_the_service_was_told_is_a_clean_end() {
        let mut proof = proof(Instant::now());
        assert!(!proof.is_stop(libc::SIGHUP) && proof.is_stop(libc::SIGTERM));
        assert!(proof.was_told(libc::SIGTERM) && !proof.was_told(libc::SIGKILL));
    }
}
