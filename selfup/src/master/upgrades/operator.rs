//! What an operator asks of the thread, beside what the program does.

use std::vec::IntoIter;

#[cfg(feature = "control")]
use super::board::{Notice, Stand};
use super::{Polled, Report, Thread, Upgrader};

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
        let thread = self.0.as_ref()?;
        let mut notice = thread.board.read();
        if thread.reports.is_closed() && matches!(notice.stand, Stand::Open | Stand::Following) {
            (notice.stand, notice.due) = (Stand::Closed(ENDED.to_owned()), None);
        }
        Some(notice)
    }
}

/// What answers everybody who waits for a thread that has ended.
pub(super) fn last_words() -> IntoIter<Report> {
    let all = u64::MAX;
    let words = [
        Report::Polling(all),
        Report::Polled(Polled::Off(ENDED.to_owned())),
        Report::Answered(all, Err(ENDED.to_owned())),
        Report::Resting(all),
    ];
    Vec::from(words).into_iter()
}

const ENDED: &str = "the upgrade thread has ended; start the service anew to have upgrades again";

#[cfg(feature = "control")]
#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::super::{Board, Busy, Parking, WayBack, Wishes};
    use super::*;

    /// A thread that is to end when the sender is dropped.
    fn upgrader() -> (Upgrader, UnboundedSender<Report>) {
        let (report, reports) = unbounded_channel();
        let thread = Thread {
            orders: unbounded_channel().0,
            wishes: Arc::new(Wishes::default()),
            board: Board::default(),
            reports,
            busy: Busy::default(),
            way_back: WayBack::default(),
            parking: Parking::default(),
            is_parked: false,
            last_words: last_words(),
            alive: std::io::pipe().unwrap().1,
            ended: sync_channel(0).1,
        };
        (Upgrader(Some(thread)), report)
    }

    #[tokio::test]
    async fn a_thread_that_ends_leaves_nobody_waiting() {
        let (mut upgrader, report) = upgrader();
        assert_eq!(upgrader.ask(), Some(1));
        assert_eq!(upgrader.notice().unwrap().stand, Stand::Open);
        drop(report);
        assert!(matches!(upgrader.report().await, Report::Polling(u64::MAX)));
        assert!(matches!(upgrader.report().await, Report::Polled(Polled::Off(_))));
        assert!(matches!(upgrader.report().await, Report::Answered(u64::MAX, Err(_))));
        assert!(matches!(upgrader.report().await, Report::Resting(u64::MAX)));
        assert_eq!((upgrader.ask(), upgrader.roll_back()), (None, None));
    }

    #[test]
    fn upgrades_are_off_once_the_thread_has_ended_for_the_reason_that_it_gave() {
        let (upgrader, report) = upgrader();
        drop(report);
        assert_eq!(upgrader.notice().unwrap().stand, Stand::Closed(ENDED.into()));
        upgrader.0.as_ref().unwrap().board.close("no descriptors");
        assert_eq!(upgrader.notice().unwrap().stand, Stand::Closed("no descriptors".into()));
    }
}
