//! Whether a child lives, as it says when it is asked.
//!
//! Nobody beats of his own accord: a service that nobody watches, and that is on no trial, is woken for
//! nothing. A child of a version that knows no beats never answers, which says nothing of it; who
//! answers says so in its hello.
#![cfg_attr(
    not(feature = "control"),
    allow(dead_code, reason = "an operator is told what the last beat said")
)]

use std::time::Instant;

/// What is known of a child's beats.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    is_known: bool,
    /// So many questions have no answer.
    unanswered: u32,
    last: Option<Beat>,
}

/// The answer of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) at: Instant,
    /// How many connections it has, if it can tell.
    pub(crate) open: Option<usize>,
}

/// So many questions wait for an answer, at most: a child that is stopped must have room in its
/// channel for what it is to do when it goes on.
const WAITING: u32 = 8;

impl Pulse {
    /// Of a child that said to a master before this one whether it answers beats.
    pub(crate) fn known(is_known: bool) -> Self {
        Self { is_known, ..Self::default() }
    }

    /// Whether the child answers beats.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    pub(crate) fn set_known(&mut self, is_known: bool) {
        self.is_known = is_known;
    }

    /// Whether a question is to be asked now, which is counted.
    pub(crate) fn asks(&mut self) -> bool {
        let asks = self.is_known && self.unanswered < WAITING;
        self.unanswered += u32::from(asks);
        asks
    }

    /// The last question did not reach the child.
    pub(crate) fn was_not_asked(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// The child answers whatever it was asked.
    pub(crate) fn beat(&mut self, at: Instant, open: Option<usize>) {
        self.unanswered = 0;
        self.last = Some(Beat { at, open });
    }

    pub(crate) fn last(&self) -> Option<Beat> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_does_not_answer_is_asked_so_often_and_no_more() {
        let mut pulse = Pulse::default();
        assert!(!pulse.asks(), "who knows no beats is not asked");
        pulse.set_known(true);
        let asked = (0..100).filter(|_| pulse.asks()).count();
        assert_eq!(asked, WAITING as usize);
        pulse.beat(Instant::now(), Some(3));
        assert!(pulse.asks());
        assert_eq!(pulse.last().unwrap().open, Some(3));
    }
}
