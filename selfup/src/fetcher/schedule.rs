//! When the next poll is: decided without a clock, a fetcher or a process.
//!
//! A fleet is started by one deploy, and goes on in step for ever if nothing tells its members apart.
//! So the time between two polls is drawn anew each time: full jitter, from the shortest time that is
//! allowed to as far above the interval as that is below it. On average it is the interval, and an
//! interval that is the shortest time itself is kept exactly, for `"1s"` is to mean a second.
//!
//! The first poll of such a sequence is drawn as if it had gone on since long ago: the host looks at
//! its clock at any moment between two polls, and long pauses hold more moments than short ones. In
//! the words of probability, the polls are a stationary renewal process: from the first moment on, every
//! moment is as likely to be one of a poll as every other, whatever the number of hosts, and however
//! exactly together they were started.
//!
//! A host that comes up with an old image should not run it for ten minutes, though, and who has
//! misspelled a URL should not learn it so late. Where the first poll is further away, one more comes
//! early, at a random moment of the first 30 seconds. It is one that was asked for, like those of
//! `check_now()`: such a poll does not move the regular one, or whoever asks a whole fleet at once would
//! have it in step.
//!
//! After an error the interval doubles with each further one, until 60 intervals may pass, an hour at
//! most; a success sets it back. Who asks each second wants to know within seconds, so such a one is not
//! to learn an hour later that a server is up again, or that a first release is published: that there is
//! none yet is an error, too. The jitter is full there as well: what was down is not to be met by
//! everybody when it is up. A source that says how long it wants to be left alone is left alone, by those
//! as well who ask for a poll, and then by the whole fleet at a random moment of one interval, for it has
//! probably told all the same.
//!
//! Rejected: a phase that is drawn once and kept. It is as even, until something puts the hosts in
//! step, a server that keeps all of them waiting, say, and from then on it is not. Rejected, too: a
//! first poll within one interval and pauses of up to two. After a common start that is half the load
//! at first, and a wave of a third above it then.
//!
//! Limits: it is kept in memory. A service that is started again asks again, within 30 seconds,
//! whatever it was told before. The clock is the monotonic one: it stands while the machine is suspended.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::RetryAfter;
use crate::error::Error;

/// When one service polls.
#[derive(Debug)]
pub(crate) struct Schedule {
    least: Duration,
    random: Rng,
    /// When the next poll is that nobody asks for.
    regular: Instant,
    /// When the one before that is, at the start.
    early: Option<Instant>,
    /// When the last poll began.
    began: Option<Instant>,
    /// Until when the source wants to be left alone.
    rests_until: Option<Instant>,
    /// How many errors there were in a row.
    failures: u32,
}

/// How a poll went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The source answered, whatever became of it.
    Answered,
    Failed {
        /// For how long the source wants to be left alone.
        rests: Option<Duration>,
    },
    /// Something else came first.
    Interrupted,
}

impl Turn {
    /// A poll that ended with `error`.
    pub(crate) fn failed(error: &Error) -> Self {
        Self::Failed { rests: RetryAfter::within(error) }
    }
}

impl Schedule {
    /// A schedule that starts `now`, with `least` between two polls, and `interval` on average.
    pub(crate) fn start(least: Duration, interval: Duration, now: Instant, random: Rng) -> Self {
        let least = least.min(LONGEST);
        let (early, began, rests_until) = (None, None, None);
        let mut schedule =
            Self { least, random, regular: now, early, began, rests_until, failures: 0 };
        let first = schedule.rest_of_pause(schedule.mean(interval));
        schedule.regular = now + first;
        if first > EARLY {
            schedule.early = Some(now + EARLY.mul_f64(schedule.random.f64()));
        }
        schedule
    }

    /// When the next poll is, if nobody asks for one.
    pub(crate) fn due(&self) -> Instant {
        let due = self.early.unwrap_or(self.regular);
        self.soonest().map_or(due, |soonest| due.max(soonest))
    }

    /// Before when no poll is, even one that is asked for. None if there may be one at once.
    pub(crate) fn soonest(&self) -> Option<Instant> {
        self.began.map(|began| began + self.least).max(self.rests_until)
    }

    /// A poll begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
        self.early = None;
    }

    /// The poll that began last has ended, and `interval` is that of the fetcher from here on.
    pub(crate) fn end(&mut self, turn: Turn, now: Instant, interval: Duration) {
        let began = self.began.unwrap_or(now);
        let mean = self.mean(interval);
        let was_down = self.failures > 0;
        match turn {
            Turn::Answered => {
                (self.failures, self.rests_until) = (0, None);
                if was_down || self.regular <= now {
                    self.regular = began + self.pause(mean);
                }
                // The interval may have become a shorter one.
                self.regular = self.regular.min(began + self.longest(mean));
            }
            Turn::Failed { rests } => {
                self.failures = self.failures.saturating_add(1);
                // From its end: it may have failed for want of time.
                self.regular = now + self.pause(self.backed_off(mean));
                self.rests_until = rests.map(|rests| now + rests);
                if let Some(until) = self.rests_until {
                    self.regular = self.regular.max(until + mean.mul_f64(self.random.f64()));
                }
            }
            Turn::Interrupted => {
                if self.regular <= now {
                    self.regular = began + self.pause(self.backed_off(mean));
                }
            }
        }
    }

    fn mean(&self, interval: Duration) -> Duration {
        interval.clamp(self.least, LONGEST)
    }

    fn longest(&self, mean: Duration) -> Duration {
        self.least + self.room(mean)
    }

    /// What the times between two polls differ by.
    fn room(&self, mean: Duration) -> Duration {
        mean.saturating_sub(self.least) * 2
    }

    /// A time between two polls.
    fn pause(&mut self, mean: Duration) -> Duration {
        self.least + self.room(mean).mul_f64(self.random.f64())
    }

    /// What is left of a time between two polls at any moment of it.
    fn rest_of_pause(&mut self, mean: Duration) -> Duration {
        let (least, longest) = (self.least.as_secs_f64(), self.longest(mean).as_secs_f64());
        let (least, longest) = (least * least, longest * longest);
        // One that is twice as long holds twice as many moments.
        let pause = (least + self.random.f64() * (longest - least)).sqrt();
        Duration::from_secs_f64(pause * self.random.f64())
    }

    /// `mean` after so many errors in a row.
    fn backed_off(&self, mean: Duration) -> Duration {
        let times = 1 << self.failures.saturating_sub(1).min(MOST_DOUBLINGS);
        let longest = mean.saturating_mul(MOST_INTERVALS).min(LONGEST_BACK_OFF);
        let most = (longest + self.least) / 2;
        mean.saturating_mul(times).min(most).max(mean)
    }
}

/// So long the first poll is waited for at most.
const EARLY: Duration = Duration::from_secs(30);

/// So many intervals may pass between two polls after errors: of a second, a minute.
const MOST_INTERVALS: u32 = 60;

/// So long may pass then at most, unless the interval itself is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60 * 60);

/// An interval that is longer counts as this: no clock can be added a thousand years to.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// To more than 60 intervals.
const MOST_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests;
