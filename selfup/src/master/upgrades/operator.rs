//! What an operator asks of the thread, beside what the program does.

#[cfg(feature = "control")]
use super::board::Notice;
use super::{Thread, Upgrader};

impl Upgrader {
    /// The thread, if it has not ended: then it would answer nobody.
    pub(super) fn thread(&self) -> Option<&Thread> {
        self.0.as_ref().filter(|thread| !thread.reports.is_closed())
    }

    /// Has the fetcher polled as soon as it may be, paused or not, and gives the number of the wish, if
    /// there is anybody to do it.
    #[cfg(feature = "control")]
    pub(in crate::master) fn ask(&self) -> Option<u64> {
        Some(self.thread()?.wishes.ask.tell())
    }

    /// The number of a rollback that is ordered.
    #[cfg(feature = "control")]
    pub(in crate::master) fn count_roll_back(&self) -> u64 {
        self.0.as_ref().map_or(0, |thread| thread.wishes.roll_back.count())
    }

    /// Has polls pause, or go on, and gives the number of the wish, if there is anybody to do it.
    pub(in crate::master) fn set_paused(&self, is_paused: bool) -> Option<u64> {
        Some(self.thread()?.wishes.set_paused(is_paused))
    }

    pub(in crate::master) fn is_paused(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| thread.wishes.is_paused())
    }

    /// How things are with upgrades; nothing, if there are none.
    #[cfg(feature = "control")]
    pub(in crate::master) fn notice(&self) -> Option<Notice> {
        Some(self.thread()?.board.read())
    }
}
