//! The trial of a first generation, which has no other to fall back on.
//!
//! A binary whose trial is unfinished at the start of the service has passed it when a generation
//! was ready and the probation went by. If none gets ready in time, the previous binary is put back,
//! and a restart brings it up. If the service ends before, the start stays counted, unless it ended
//! as it was told to: see [`reckon`](crate::upgrade::reckon).
//!
//! SIGTERM and SIGINT tell it to end. Any other signal may (a process manager has a setting for it,
//! such as `KillSignal=`), or may not: that shows in how the service ends after it.

use std::time::Instant;

use super::plan::Limits;
use super::upgrades::Order;
use crate::error::{Error, ErrorKind};
use crate::sys::Status;

/// Waits for a first generation to prove itself.
#[derive(Debug)]
pub(super) struct Proof {
    limits: Limits,
    until: Instant,
    is_ready: bool,
    /// The signals for the service so far.
    told: Vec<i32>,
}

impl Proof {
    pub(super) fn begin(limits: Limits, now: Instant) -> Self {
        Self { limits, until: now + limits.ready.min(LONGEST), is_ready: false, told: Vec::new() }
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

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// The probation lasts so long at least.
    pub(super) fn last_until(&mut self, until: Instant) {
        if self.is_ready {
            self.until = self.until.max(until);
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

    /// Whether this signal is to end the service whatever it does, which is no fault of the binary.
    /// What others mean is known by what becomes of them.
    pub(super) fn is_stop(&mut self, signal: i32) -> bool {
        if Some(signal) != self.limits.restart_signal && !self.told.contains(&signal) {
            self.told.push(signal);
        }
        matches!(signal, libc::SIGTERM | libc::SIGINT)
    }

    /// Whether it was told to end: by a signal that it ended by, whose code it exited with (128 and
    /// its number), or after which it ended well.
    pub(super) fn was_told(&self, end: Status) -> bool {
        match end {
            Status::Signaled(signal) => self.told.contains(&signal),
            Status::Exited(0) => !self.told.is_empty(),
            Status::Exited(code) => self.told.iter().any(|signal| 128 + signal == code),
        }
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
    fn who_owes_an_answer_is_not_kept_before_it_is_there() {
        let now = Instant::now();
        let mut proof = proof(now);
        proof.last_until(now + seconds(40));
        assert_eq!(proof.deadline(), now + seconds(30), "who is not ready is not asked");
        proof.ready(now);
        proof.last_until(now + seconds(5));
        assert!(matches!(proof.decide(now + seconds(10)), Some(Order::Keep)), "never shorter");
        proof.last_until(now + seconds(11));
        assert!(proof.decide(now + seconds(10)).is_none());
        assert!(matches!(proof.decide(now + seconds(11)), Some(Order::Keep)));
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
        assert!(proof.is_stop(libc::SIGTERM) && proof.was_told(Status::Signaled(libc::SIGTERM)));
        assert!(!proof.was_told(Status::Signaled(libc::SIGKILL)));
    }

    #[test]
    fn a_signal_is_a_stop_if_the_service_ends_by_it_or_well_after_it() {
        for signal in [libc::SIGQUIT, libc::SIGHUP, libc::SIGUSR1, libc::SIGRTMIN() + 3] {
            let mut proof = proof(Instant::now());
            let ends = [Status::Signaled(signal), Status::Exited(0), Status::Exited(128 + signal)];
            assert!(ends.iter().all(|end| !proof.was_told(*end)), "before it");
            assert!(!proof.is_stop(signal), "it may have been for something else");
            // As systemd sends behind it.
            assert!(!proof.is_stop(libc::SIGCONT));
            assert!(ends.iter().all(|end| proof.was_told(*end)));
            for end in [Status::Exited(1), Status::Exited(101), Status::Signaled(libc::SIGABRT)] {
                assert!(!proof.was_told(end), "{end:?}");
            }
        }
    }

    #[test]
    fn the_signal_that_restarts_the_service_tells_it_nothing() {
        let mut proof = proof(Instant::now());
        proof.limits.restart_signal = Some(libc::SIGUSR2);
        assert!(!proof.is_stop(libc::SIGUSR2) && !proof.was_told(Status::Exited(0)));
    }
}
