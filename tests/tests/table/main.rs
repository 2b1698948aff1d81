//! The table: whatever happens in whatever phase of a restart, either the service answers or the
//! master has ended with the right status, and no process or descriptor is left.
//!
//! The cells are the product of two axes, [`Phase`] and [`Cause`], and what is expected of each is
//! a total function. A cell that no test runs shows in the first test.
#![allow(clippy::print_stdout, reason = "how many cells there are is to be read")]
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod axes;
mod cell;
mod expected;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use self::axes::{Cause, Group, Phase};
use self::expected::{Expectation, expected};
use self::stage::Stage;

macro_rules! tests {
    ($($module:ident: $phase:ident { $($name:ident: $group:ident,)* })*) => {
        /// What is run.
        const TESTS: &[(Phase, Group)] = &[$($((Phase::$phase, Group::$group),)*)*];

        $(mod $module {
            use super::*;

            $(#[test]
            fn $name() {
                run(Phase::$phase, Group::$group);
            })*
        })*
    };
}

tests! {
    while_nothing_is_under_way: Still {
        forwarded_signals_do_to_the_service_what_they_do_to_the_program: Forwarded,
        real_time_signals_do_so_too: RealTime,
        signals_for_the_master_alone_stay_with_it: Withheld,
        signals_that_the_program_handles_come_once_each: Handled,
        the_end_of_the_serving_one_is_the_end: Serving,
    }
    while_the_candidate_starts: Starting {
        forwarded_signals_reach_the_old_one: Forwarded,
        real_time_signals_reach_the_old_one: RealTime,
        signals_for_the_master_alone_stay_with_it: Withheld,
        signals_that_the_program_handles_come_once_each: Handled,
        the_end_of_the_serving_one_waits_for_the_candidate: Serving,
        the_end_of_the_candidate_is_not_noticed: Candidate,
    }
    while_the_old_one_is_to_pause: Handover {
        forwarded_signals_reach_the_candidate: Forwarded,
        real_time_signals_reach_the_candidate: RealTime,
        signals_for_the_master_alone_stay_with_it: Withheld,
        signals_that_the_program_handles_come_once_each: Handled,
        the_end_of_the_serving_one_is_an_early_commit: Serving,
        the_end_of_the_candidate_gives_the_service_back: Candidate,
    }
    on_probation: Probation {
        forwarded_signals_reach_the_candidate: Forwarded,
        real_time_signals_reach_the_candidate: RealTime,
        signals_for_the_master_alone_stay_with_it: Withheld,
        signals_that_the_program_handles_come_once_each: Handled,
        the_end_of_the_candidate_gives_the_service_back: Candidate,
        the_end_of_the_paused_one_is_an_early_commit: Paused,
    }
    while_the_old_one_drains: Draining {
        forwarded_signals_reach_the_new_one: Forwarded,
        real_time_signals_reach_the_new_one: RealTime,
        signals_for_the_master_alone_stay_with_it: Withheld,
        signals_that_the_program_handles_come_once_each: Handled,
        the_end_of_the_serving_one_is_the_end: Serving,
        the_end_of_the_draining_one_is_not_noticed: Draining,
    }
    while_the_service_stops: Stopping {
        forwarded_signals_still_reach_it: Forwarded,
        real_time_signals_still_reach_it: RealTime,
        signals_for_the_master_alone_stay_with_it: Withheld,
        signals_that_the_program_handles_come_once_each: Handled,
        the_end_of_the_serving_one_is_the_end: Serving,
    }
}

#[test]
fn every_cell_is_run_or_impossible() {
    let (mut run, mut impossible, mut missing) = (0, 0, Vec::new());
    for (phase, cause) in cells() {
        match expected(phase, cause) {
            Expectation::Impossible(reason) => {
                assert!(!reason.is_empty());
                impossible += 1;
            }
            _ if TESTS.contains(&(phase, cause.group())) => run += 1,
            _ => missing.push((phase, cause)),
        }
    }
    println!("{run} cells are run, {impossible} are impossible");
    assert_eq!(missing, [], "no test runs these");
    assert_eq!(run + impossible, Phase::ALL.len() * Cause::all().len());
}

#[test]
fn every_signal_is_a_cause_and_none_is_one_twice() {
    let signals = Cause::all().into_iter().filter_map(|cause| match cause {
        Cause::Signal(number) => Some(number),
        Cause::Handled(_) | Cause::Child(..) => None,
    });
    let mut signals: Vec<_> = signals.collect();
    signals.sort_unstable();
    assert_eq!(signals, (1..=31).chain(axes::real_time()).collect::<Vec<_>>());
}

fn cells() -> impl Iterator<Item = (Phase, Cause)> {
    let causes = |phase| Cause::all().into_iter().map(move |cause| (phase, cause));
    Phase::ALL.into_iter().flat_map(causes)
}

/// Runs the cells of one group, several at a time, and tells every one that is not as it should be.
fn run(phase: Phase, group: Group) {
    let causes = Cause::all().into_iter().filter(|cause| cause.group() == group);
    let cells = causes.map(|cause| (cause, expected(phase, cause)));
    let (impossible, mut left): (Vec<_>, Vec<_>) =
        cells.partition(|(_, expected)| matches!(expected, Expectation::Impossible(_)));
    let all = left.len();
    println!("{all} cells, and {} that are impossible", impossible.len());
    // Taken from the end: first those that leave the phase as it is, and share a service.
    left.sort_by_key(|(_, expected)| expected.keeps_the_phase());
    let cells = Cells { phase, left: left.into(), failed: Mutex::default(), ran: Mutex::default() };
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| cells.work());
        }
    });
    assert_eq!(*lock(&cells.failed), [""; 0]);
    assert_eq!(*lock(&cells.ran), all);
}

/// The cells of one test.
struct Cells {
    phase: Phase,
    left: Mutex<Vec<(Cause, Expectation)>>,
    failed: Mutex<Vec<String>>,
    ran: Mutex<usize>,
}

impl Cells {
    /// Runs one after the other, on one service as long as there is one.
    fn work(&self) {
        let mut stage = None;
        let mut before = Vec::new();
        while let Some((cause, expectation)) = self.next() {
            before.push(cause);
            let name = format!("{:?} x {cause:?}: {expectation:?}, of {before:?}", self.phase);
            let on: Option<Stage> = stage.take();
            stage = self.attempt(&name, || {
                let handles = matches!(cause, Cause::Handled(_));
                let on = on.unwrap_or_else(|| Stage::start(self.phase, handles));
                cell::run(on, cause, expectation)
            });
            if stage.is_none() {
                before.clear();
            }
            *lock(&self.ran) += 1;
        }
        let name = format!("{:?} after {before:?}", self.phase);
        self.attempt(&name, || {
            if let Some(stage) = stage.and_then(Stage::leave) {
                stage.stop();
            }
            None
        });
    }

    fn next(&self) -> Option<(Cause, Expectation)> {
        // Each that fails has waited long.
        if lock(&self.failed).len() < MOST_FAILED { lock(&self.left).pop() } else { None }
    }

    fn attempt(&self, name: &str, attempt: impl FnOnce() -> Option<Stage>) -> Option<Stage> {
        catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| {
            lock(&self.failed).push(name.to_owned());
            None
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cell mostly waits: for processes to start and to end.
const AT_A_TIME: usize = 6;

/// So many failures of one test are told.
const MOST_FAILED: usize = 3;
