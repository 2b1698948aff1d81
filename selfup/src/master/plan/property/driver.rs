//! Many sequences on all cores; and of one that fails, the moves that it takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{available_parallelism, scope};

use super::coverage::Coverage;
use super::moves::Sequence;
use super::run;

/// So many sequences a thread takes at a time.
const BLOCK: u64 = 64;

/// Runs the sequences of `count` seeds from `first` on; of one that fails, tells all.
pub(super) fn drive(first: u64, count: u64) -> Result<Coverage, String> {
    let next = AtomicU64::new(0);
    let failed = Mutex::new(None);
    let work = || {
        let mut coverage = Coverage::new();
        loop {
            let begin = next.fetch_add(BLOCK, Ordering::Relaxed);
            if begin >= count {
                return coverage;
            }
            for seed in (begin..count.min(begin + BLOCK)).map(|index| first.wrapping_add(index)) {
                if let Err(rule) = attempt(&Sequence::of(seed), &mut coverage) {
                    next.store(count, Ordering::Relaxed);
                    failed.lock().unwrap().get_or_insert((seed, rule));
                    return coverage;
                }
            }
        }
    };
    let coverage = scope(|scope| {
        let threads = available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Coverage::new();
        for thread in threads {
            all.add(&thread.join().unwrap());
        }
        all
    });
    match failed.into_inner().unwrap() {
        None => Ok(coverage),
        Some((seed, rule)) => Err(tell(seed, &rule)),
    }
}

/// The rule that was broken, if any; a panic of the plan breaks one, too.
fn attempt(sequence: &Sequence, coverage: &mut Coverage) -> Result<(), String> {
    let held = catch_unwind(AssertUnwindSafe(|| run(sequence, coverage, &mut |_| {})));
    match held {
        Ok(held) => held.map_err(str::to_owned),
        Err(_) => Err("the plan does not panic".to_owned()),
    }
}

fn tell(seed: u64, rule: &str) -> String {
    let sequence = shrink(Sequence::of(seed), rule);
    let mut story = String::new();
    let mut coverage = Coverage::new();
    let tell = &mut |line: String| story.extend([&line, "\n"]);
    let _ = catch_unwind(AssertUnwindSafe(|| run(&sequence, &mut coverage, tell)));
    format!(
        "a rule is broken: {rule}\n\n{story}\n{:?}\nlater: {:?}\nis_answered: {}\n\n\
         again: SELFUP_INTERLEAVINGS=1 SELFUP_INTERLEAVINGS_SEED={seed}",
        sequence.limits, sequence.later, sequence.is_answered,
    )
}

/// Leaves out moves as long as the same rule is broken.
fn shrink(mut sequence: Sequence, rule: &str) -> Sequence {
    let mut length = sequence.moves.len();
    while length > 0 {
        let mut at = 0;
        let mut has_shrunk = false;
        while at < sequence.moves.len() {
            let mut shorter = sequence.clone();
            shorter.moves.drain(at..sequence.moves.len().min(at + length));
            if attempt(&shorter, &mut Coverage::new()).is_err_and(|broken| broken == rule) {
                sequence = shorter;
                has_shrunk = true;
            } else {
                at += length;
            }
        }
        // One move may be needless only once a later one is gone.
        length = if has_shrunk && length == 1 { 1 } else { length / 2 };
    }
    sequence
}
