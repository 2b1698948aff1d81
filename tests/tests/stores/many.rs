//! What only shows after many polls. `POLLS` says how many.

use std::time::Instant;

use selfup::fetcher::{S3, Store};
use selfup::{BinaryId, Current, Fetched, Fetcher as _};
use selfup_tests::stores::{Bucket as _, KEY, S3Server};

#[test]
fn ten_thousand_polls_leave_memory_and_descriptors_where_they_were() {
    let polls = std::env::var("POLLS").ok().and_then(|polls| polls.parse().ok());
    let polls = polls.unwrap_or(10_000);
    let bucket = S3Server::start();
    bucket.put(KEY, b"a release");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut store = bucket.fetcher(&format!("http://{}", bucket.address()));
    let id = BinaryId::of_file("/proc/self/exe").expect("it is there");
    let first = runtime.block_on(store.fetch(&Current::new(id))).expect("it is there");
    let Fetched::Binary(download) = first else { panic!("nothing is known yet") };
    let current = Current::new(id).with_validator(download.get_validator().map(Into::into));
    drop(download);
    let poll = |count: usize, store: &mut Store<S3>| {
        for _ in 0..count {
            let fetched = runtime.block_on(store.fetch(&current)).expect("the server is there");
            assert!(matches!(fetched, Fetched::Unchanged));
        }
    };
    // What is allocated once, is by then.
    poll(1000, &mut store);
    let (descriptors, memory, began) = (descriptors(), memory(), Instant::now());
    poll(polls, &mut store);
    let took = began.elapsed();
    let (after, grown) = (self::descriptors(), self::memory().saturating_sub(memory));
    println!("{polls} polls in {took:.1?}: {descriptors} descriptors, then {after}; {grown} KiB more");
    // The last connections may be half closed.
    assert!(after <= descriptors + 4, "{descriptors} descriptors, then {after}");
    assert!(grown <= MOST_GROWTH, "{grown} KiB more after {polls} polls");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").into_iter().flatten().count()
}

/// In KiB: of the server, too.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    number.expect("the kernel tells it")
}

/// In KiB. What kept a hundred bytes of each poll would need more.
const MOST_GROWTH: u64 = 768;
