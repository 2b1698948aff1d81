//! How many connections a process has, which its master is told when it asks.
//!
//! They are counted where they are selfup's own: what [`Listener`](super::Listener) accepts, and so
//! everything under `serve`. A program that takes one apart, or the listener itself, counts for itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The connections of a process.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Whether there is a listener that they could come by.
    is_counted: AtomicBool,
    /// Whether one may be open that is not known here.
    is_lost: AtomicBool,
    count: AtomicUsize,
}

/// A connection that counts until this is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<Open>);

impl Open {
    /// There is a listener.
    pub(super) fn begin(&self) {
        self.is_counted.store(true, Ordering::Relaxed);
    }

    /// From now on there may be connections that are not known here.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// How many there are, if that is known.
    pub(super) fn count(&self) -> Option<usize> {
        let is_known =
            self.is_counted.load(Ordering::Relaxed) && !self.is_lost.load(Ordering::Relaxed);
        is_known.then(|| self.count.load(Ordering::Relaxed))
    }
}

impl Counted {
    pub(super) fn new(open: &Arc<Open>) -> Self {
        open.count.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }

    /// The program looks after this one itself.
    pub(super) fn lose(&self) {
        self.0.lose();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_where_there_is_a_listener_and_until_they_are_gone() {
        let open = Arc::new(Open::default());
        assert_eq!(open.count(), None, "nothing can come");
        open.begin();
        let counted = [Counted::new(&open), Counted::new(&open)];
        assert_eq!(open.count(), Some(2));
        drop(counted);
        assert_eq!(open.count(), Some(0));
    }

    #[test]
    fn what_the_program_took_apart_is_not_counted_wrongly() {
        let open = Arc::new(Open::default());
        open.begin();
        Counted::new(&open).lose();
        assert_eq!(open.count(), None);
    }
}
