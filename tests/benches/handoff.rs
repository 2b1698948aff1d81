//! What restarts cost clients of every kind, on `selfup::serve` and on axum's own server.
//!
//!     cargo bench -p selfup-tests --bench handoff [-- WORD...]
//!
//! Three rounds of twenty restarts half a second apart without probation, and one of five restarts
//! with the default probation, each awaited to its commit. Words choose among the lines that begin a
//! round, by what is in them: `serve http1` for one. Ends with status 1 if `serve` has lost anything,
//! or a client that keeps its connection was not answered by the newest generation within five
//! seconds, which is `linger`, of every restart.
#![allow(clippy::print_stdout, reason = "what it is for")]
#![allow(missing_docs, reason = "nobody uses it from outside")]

use std::process::ExitCode;
use std::time::Duration;

use selfup_tests::toll::{Kind, Protocol, Toll, Wire};
use selfup_tests::{Release, ServiceBuilder};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut lost = 0;
    for round in rounds() {
        let title = round.title();
        if words.iter().all(|word| title.split(' ').any(|part| part == word)) {
            println!("{title}");
            lost += round.run();
        }
    }
    println!("serve has lost something in {lost} lines");
    if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Round {
    stack: &'static str,
    over: &'static str,
    protocol: Protocol,
    probation: &'static str,
    restarts: u64,
    number: usize,
}

fn rounds() -> Vec<Round> {
    let mut rounds = Vec::new();
    let places = [("serve", "tcp"), ("serve", "unix"), ("serve", "tls"), ("axum", "tcp")];
    for (stack, over) in places {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            for number in 1..=3 {
                let (probation, restarts) = ("0s", 20);
                rounds.push(Round { stack, over, protocol, probation, restarts, number });
            }
            let (probation, restarts, number) = ("10s", 5, 1);
            rounds.push(Round { stack, over, protocol, probation, restarts, number });
        }
    }
    rounds
}

impl Round {
    fn title(&self) -> String {
        let Self { stack, over, protocol, probation, restarts, number } = self;
        let protocol = format!("{protocol:?}").to_lowercase();
        format!(
            "{stack} {over} {protocol} probation {probation} restarts {restarts} round {number}"
        )
    }

    /// In how many lines `serve` has lost something.
    fn run(&self) -> usize {
        let builder = ServiceBuilder::new(&Release::of_fixture("measured"));
        let builder = builder.set("STACK", self.stack).set("PROBATION", self.probation);
        let (builder, wire) = Wire::prepare(self.over, self.protocol, builder);
        let mut service = builder.start();
        let toll = Toll::of(crowd, wire(&service), self.protocol).restarts(self.restarts);
        let mut lost = 0;
        for count in toll.long(Duration::from_millis(1500)).take(&service) {
            println!("  {count}");
            if !count.is_nothing_lost(LINGER) {
                lost += usize::from(self.stack == "serve");
                for failure in &count.failures {
                    println!("    {failure}");
                }
            }
        }
        if !service.stop().success() {
            println!("  the service did not end well");
            lost += 1;
        }
        lost
    }
}

fn crowd(kind: Kind) -> usize {
    match kind {
        Kind::Kept => 32,
        Kind::Early => 20,
        Kind::SmallPost => 4,
        Kind::LargePost => 2,
        _ => 8,
    }
}

const LINGER: Duration = Duration::from_secs(5);
