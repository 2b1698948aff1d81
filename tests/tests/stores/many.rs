//! What only shows after many polls. `POLLS` says how many thousands.

use std::time::Instant;

use selfup_tests::stores::{Bucket as _, KEY, S3Server};
use selfup_tests::{Release, ServiceBuilder, Watched, eventually};

#[test]
fn ten_thousand_polls_of_s3_leave_memory_and_descriptors_where_they_were() {
    let thousands = std::env::var("POLLS").ok().and_then(|polls| polls.parse::<usize>().ok());
    let thousands = thousands.map_or(10, |polls| polls / 1000);
    // What is no binary is refused once, and known then. It is short, for s3s-fs reads all of it for
    // its ETag.
    let bucket = S3Server::start();
    bucket.put(KEY, b"no binary");
    let builder = ServiceBuilder::new(&Release::good()).set("INTERVAL", "1ms");
    let builder = builder.set("MIN_FETCH_INTERVAL", "1ms");
    let variables = bucket.variables(&format!("http://{}", bucket.address()));
    let builder = variables.iter().fold(builder, |builder, (name, value)| builder.set(name, value));
    let mut service = builder.set("FETCHER", "counted:s3").start();
    let master = Watched::new(service.pid());
    // What a master allocates once, it has by then.
    service.wait_for("polled 1000");
    let (descriptors, threads, memory) =
        (master.descriptors(), master.threads(), service.memory("RssAnon"));
    let began = Instant::now();
    for next in 2..=thousands + 1 {
        service.wait_for(&format!("polled {next}000"));
    }
    let took = began.elapsed();
    // A poll that is under way may have a connection open.
    eventually("it has no more descriptors and threads than before", || {
        (master.descriptors() <= descriptors && master.threads() <= threads).then_some(())
    });
    let grown = service.memory("RssAnon").saturating_sub(memory);
    println!(
        "{thousands}000 polls of s3 in {took:.1?}: {descriptors} descriptors and {threads} threads, \
         before and after; {memory} KiB, and then {grown} KiB more"
    );
    assert!(grown <= MOST_GROWTH, "{grown} KiB more after {thousands}000 polls");
    assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
    assert_eq!(service.lines("event candidate_refused: ").len(), 1);
    assert!(service.stop().success());
}

/// In KiB. A master that kept sixteen bytes of every poll would need more for ten thousand.
const MOST_GROWTH: u64 = 128;
