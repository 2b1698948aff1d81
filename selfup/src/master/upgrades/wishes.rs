//! What is asked of the thread while it is at something else.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// What may be asked of the thread at any time, each once, however often it is said.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// A poll, by the program.
    pub(super) check: Notify,
    /// A poll, by an operator.
    pub(super) ask: Numbered,
    pub(super) roll_back: Numbered,
    pub(super) clear: Notify,
    /// Whether that was asked for, and is still to be done.
    pub(super) clear_waits: AtomicBool,
    /// That there be no polls.
    pub(super) pause: Numbered,
    is_paused: AtomicBool,
}

/// A wish whose answer says which of those are answered that were told so far.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    told: AtomicU64,
    news: Notify,
}

impl Numbered {
    /// Says it, and gives its number.
    pub(super) fn tell(&self) -> u64 {
        let number = self.count();
        self.news.notify_one();
        number
    }

    /// A number for what is said in another way.
    pub(super) fn count(&self) -> u64 {
        self.told.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Waits until it is said, or [again](Self::again) of one that is still to be done.
    pub(super) async fn told(&self) {
        self.news.notified().await;
    }

    /// What was said is still to be done.
    pub(super) fn again(&self) {
        self.news.notify_one();
    }

    /// Whether it is still to be done; from here on it is not.
    pub(super) fn take(&self) -> bool {
        let mut told = std::pin::pin!(self.news.notified());
        told.as_mut().enable()
    }
}

impl Wishes {
    /// Has polls pause, or go on. The number is that of a pause.
    pub(super) fn set_paused(&self, is_paused: bool) -> u64 {
        self.is_paused.store(is_paused, Ordering::Release);
        self.pause.tell()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Acquire)
    }

    /// Waits until there are to be no polls.
    pub(super) async fn paused(&self) {
        while !self.is_paused() {
            self.pause.told().await;
        }
    }
}
