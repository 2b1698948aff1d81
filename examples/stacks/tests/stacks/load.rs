//! Clients that ask without end, while a service is restarted under them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use selfup_tests::eventually;

use crate::example::Example;

#[derive(Default)]
pub(crate) struct Load {
    is_over: AtomicBool,
    answered: AtomicUsize,
}

impl Load {
    /// Runs `client` eight times at once while `restarts` happen, and until each has gone on for a
    /// while. A client ends by a panic, or once it is told to.
    pub(crate) fn restart_under(example: &Example, restarts: u64, client: impl Fn(&Self) + Sync) {
        let load = Self::default();
        let run = || client(&load);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
            for next in 2..=restarts + 1 {
                example.restart(next);
            }
            let goal = load.answered() + 100;
            eventually("clients are answered, or lost", || {
                let is_lost = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (is_lost || load.answered() >= goal).then_some(())
            });
            load.is_over.store(true, Ordering::SeqCst);
        });
    }

    /// Whether the client is to ask once more; and it was answered, if it asked before.
    pub(crate) fn goes_on(&self) -> bool {
        self.answered.fetch_add(1, Ordering::SeqCst);
        !self.is_over.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}
