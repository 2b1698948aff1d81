//! What the thread would say of itself if it were asked, written down where the loop may read it
//! without waiting for anybody.
#![cfg_attr(not(feature = "control"), allow(dead_code, reason = "only an operator reads it"))]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::upgrade::Remembered;

/// The one copy of it, at both ends.
#[derive(Debug, Clone, Default)]
pub(in crate::master) struct Board(Arc<Mutex<Notice>>);

/// What is written there.
#[derive(Debug, Clone, Default)]
pub(in crate::master) struct Notice {
    pub(in crate::master) stand: Stand,
    /// When the next poll is, if nobody asks for one.
    pub(in crate::master) due: Option<Instant>,
    /// Before when there is none, whoever asks.
    pub(in crate::master) soonest: Option<Instant>,
    pub(in crate::master) remembered: Remembered,
}

/// Whether the binary can be upgraded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::master) enum Stand {
    #[default]
    Open,
    /// Another service does it.
    Following,
    /// Not for now, for this reason.
    Closed(String),
    /// There is no fetcher.
    None,
}

impl Board {
    pub(in crate::master) fn read(&self) -> Notice {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Made elsewhere, so that nobody waits.
    pub(super) fn write(&self, change: impl FnOnce(&mut Notice)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// There are no upgrades, for this `reason`.
    pub(super) fn close(&self, reason: &str) {
        self.write(|notice| (notice.stand, notice.due) = (Stand::Closed(reason.to_owned()), None));
    }
}
