//! What an operator asks of the thread, beside what the program does.

use super::Upgrader;
#[cfg(feature = "control")]
use super::board::Notice;

impl Upgrader {
    /// Has the fetcher polled as soon as it may be, paused or not, and gives the number of the wish, if
    /// there is anybody to do it.
    #[cfg(feature = "control")]
    pub(in crate::master) fn ask(&self) -> Option<u64> {
        Some(self.0.as_ref()?.wishes.ask.tell())
    }

    /// Has polls pause, or go on, and gives the number of the wish, if there is anybody to do it.
    pub(in crate::master) fn set_paused(&self, is_paused: bool) -> Option<u64> {
        Some(self.0.as_ref()?.wishes.set_paused(is_paused))
    }

    pub(in crate::master) fn is_paused(&self) -> bool {
        self.0.as_ref().is_some_and(|thread| thread.wishes.is_paused())
    }

    /// How things are with upgrades; nothing, if there are none.
    #[cfg(feature = "control")]
    pub(in crate::master) fn notice(&self) -> Option<Notice> {
        Some(self.0.as_ref()?.board.read())
    }
}
