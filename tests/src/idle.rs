//! What polls leave behind that find nothing new.
#![allow(clippy::print_stdout, reason = "the figures are there to be read")]

use std::time::Instant;

use crate::{Service, ServiceBuilder, Watched, eventually};

/// A service with the fixture's fetcher `source`, which has nothing new, after as many [`polls`] as that:
/// they left the master as it was after the first thousand.
///
/// # Panics
///
/// If they did not.
#[must_use]
pub fn leave_nothing(builder: ServiceBuilder, source: &str) -> Service {
    let builder = builder.set("FETCHER", format!("counted:{source}"));
    let service = builder.set("INTERVAL", "1ms").set("MIN_FETCH_INTERVAL", "1ms").start();
    // What a master allocates once, it has by then.
    service.wait_for("polled 1000");
    let (before, began) = (Figures::of(&service), Instant::now());
    let polls = polls();
    for thousands in 2..=polls / 1000 + 1 {
        service.wait_for(&format!("polled {thousands}000"));
    }
    let took = began.elapsed();
    // A poll that is under way may have a connection open.
    let after = eventually("it has no more descriptors and threads than before", || {
        let after = Figures::of(&service);
        let is_as_before =
            after.descriptors <= before.descriptors && after.threads <= before.threads;
        is_as_before.then_some(after)
    });
    println!("{polls} polls of {source} in {took:.1?}\nbefore: {before:?}\nafter:  {after:?}");
    let growth = after.anonymous.saturating_sub(before.anonymous);
    assert!(growth <= MOST_GROWTH, "{growth} KiB more after {polls} polls");
    for event in ["event warning: ", "event fetch_failed: "] {
        assert_eq!(service.lines(event), [""; 0]);
    }
    service
}

/// What a master holds.
#[derive(Debug)]
struct Figures {
    descriptors: usize,
    threads: usize,
    /// In KiB: its own memory.
    anonymous: u64,
}

impl Figures {
    fn of(service: &Service) -> Self {
        let master = Watched::new(service.pid());
        let (descriptors, threads) = (master.descriptors(), master.threads());
        Self { descriptors, threads, anonymous: service.memory("RssAnon") }
    }
}

/// How many: 10,000, or what `POLLS` says.
///
/// # Panics
///
/// If that is no number of thousands.
#[must_use]
pub fn polls() -> usize {
    let polls = std::env::var("POLLS").map_or(Ok(10_000), |polls| polls.parse());
    polls.ok().filter(|polls| polls % 1000 == 0).expect("POLLS is a number of thousands")
}

/// In KiB. A master that kept sixteen bytes of every poll would need more for ten thousand.
const MOST_GROWTH: u64 = 128;
