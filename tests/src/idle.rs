//! What polls leave behind that find nothing new.
#![allow(clippy::print_stdout, reason = "the figures are there to be read")]

use std::time::Instant;

use crate::{Service, ServiceBuilder, Watched, eventually};

/// A service with the fixture's fetcher `source`, which has nothing new, after as many [`polls`] as that:
/// they left the master as it was before.
///
/// # Panics
///
/// If they did not.
#[must_use]
pub fn leave_nothing(builder: ServiceBuilder, source: &str) -> Service {
    let builder = builder.set("FETCHER", format!("counted:{source}"));
    let service = builder.set("INTERVAL", "1ms").set("MIN_FETCH_INTERVAL", "1ms").start();
    // What a master allocates once, it has by then, but for a thread that is late: what has grown
    // for that is as it was after as many again, and what leaks has grown by then, too.
    service.wait_for("polled 1000");
    let left = (0..3).any(|round| grown_by_polls(&service, source, round) <= MOST_GROWTH);
    assert!(left, "it grew by over {MOST_GROWTH} KiB again and again; see above");
    for event in ["event warning: ", "event fetch_failed: "] {
        assert_eq!(service.lines(event), [""; 0]);
    }
    service
}

/// By how many KiB as many [`polls`] as that let the master grow, which had `rounds` of them before.
fn grown_by_polls(service: &Service, source: &str, rounds: usize) -> u64 {
    let (before, began, polls) = (Figures::of(service), Instant::now(), polls());
    let first = rounds * polls / 1000 + 1;
    for thousands in first + 1..=first + polls / 1000 {
        service.wait_for(&format!("polled {thousands}000"));
    }
    let took = began.elapsed();
    // A poll that is under way may have a connection open.
    let after = eventually("it has no more descriptors and threads than before", || {
        let after = Figures::of(service);
        let is_as_before =
            after.descriptors <= before.descriptors && after.threads <= before.threads;
        is_as_before.then_some(after)
    });
    println!("{polls} polls of {source} in {took:.1?}\nbefore: {before:?}\nafter:  {after:?}");
    after.anonymous.saturating_sub(before.anonymous)
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
