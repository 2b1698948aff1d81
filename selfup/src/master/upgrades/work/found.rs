//! What comes of a poll, and how things are, in words for who asked.

use std::time::Instant;

use super::{NOT_OURS, Stand, Work};
use crate::master::upgrades::Polled;
use crate::master::upgrades::board::{self, Board};
use crate::upgrade::Candidate;

/// What came of a poll.
pub(in crate::master::upgrades) enum Found {
    Candidate(Box<Candidate>),
    Nothing(Polled),
    /// That the binary can be upgraded again: the fetcher is still to be asked.
    Reopened,
}

impl Work {
    /// Why there are no upgrades, if that is so.
    pub(super) fn off(&self) -> Option<Polled> {
        match &self.stand {
            Stand::Open(_) => None,
            Stand::Following => Some(Polled::Off(NOT_OURS.into())),
            Stand::Closed(reason, _) => Some(Polled::Off(reason.clone())),
        }
    }

    /// What a poll that brought no candidate came to.
    pub(super) fn nothing(&mut self) -> Polled {
        if self.fetcher.is_none() {
            return Polled::Off("there is no fetcher".into());
        }
        let Stand::Open(pipeline) = &mut self.stand else { return Polled::Unchanged };
        pipeline.take_refusal().map_or(Polled::Unchanged, Polled::Refused)
    }

    /// Writes down how things are, with the times of the next poll.
    pub(in crate::master::upgrades) fn show(
        &self,
        board: &Board,
        soonest: Option<Instant>,
        due: Instant,
    ) {
        let (stand, pipeline) = match &self.stand {
            _ if self.fetcher.is_none() => (board::Stand::None, None),
            Stand::Open(pipeline) => (board::Stand::Open, Some(pipeline)),
            Stand::Following => (board::Stand::Following, None),
            Stand::Closed(reason, pipeline) => {
                (board::Stand::Closed(reason.clone()), pipeline.as_ref())
            }
        };
        let remembered = pipeline.map(|pipeline| pipeline.remembered(&board.read().remembered));
        board.write(|notice| {
            (notice.stand, notice.soonest, notice.due) = (stand, soonest, Some(due));
            notice.remembered = remembered.unwrap_or_default();
        });
    }
}
