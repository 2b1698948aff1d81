//! What may never be found after a power cut.

use std::collections::{BTreeMap, BTreeSet};

use super::disk::{Content, Disk, Found, State};
use super::log::{Log, Step};
use crate::site::{ELSEWHERE, HISTORY, PREVIOUS, TRIAL};

/// What may be found at a moment.
struct Allowed {
    /// The binary that is known to be good: what was at the path at the beginning, or before the
    /// candidate that was on trial there.
    old: Found,
    /// By its name, what each file was since the service has told last what it did.
    since_told: BTreeMap<&'static str, BTreeSet<Option<Found>>>,
    /// The history as it was when the note of the trial was removed.
    at_the_end: Option<[Option<Found>; 1]>,
    /// The note of the trial and the history as they were when the old binary was put back.
    at_return: Option<[Option<Found>; 2]>,
}

/// Every state in which a power cut may leave the directory, if none of them breaks a rule; which one
/// does otherwise.
pub(super) fn play(log: &Log) -> Result<BTreeSet<State>, String> {
    let mut disk = Disk::new(log);
    let mut allowed = Allowed::at_the_beginning(&disk.now());
    let mut states = disk.after_power_cut();
    for (index, step) in log.steps.iter().enumerate() {
        disk.step(step);
        allowed.follow(&disk.now(), step);
        let possible = disk.after_power_cut();
        for state in &possible {
            let wrong = |why: String| format!("after step {index}, {step:?}: {why}: {state:?}");
            allowed.check(state).map_err(wrong)?;
        }
        states.extend(possible);
    }
    Ok(states)
}

impl Allowed {
    fn at_the_beginning(now: &State) -> Self {
        let old = now[if now.contains_key(TRIAL) { PREVIOUS } else { BINARY }];
        let since_told = BTreeMap::new();
        let mut allowed = Self { old, since_told, at_the_end: None, at_return: None };
        allowed.add(now);
        allowed
    }

    fn add(&mut self, now: &State) {
        for name in [BINARY, PREVIOUS, HISTORY, ELSEWHERE, TRIAL] {
            let found = now.get(name).copied();
            self.since_told.entry(name).or_default().insert(found);
        }
    }

    fn follow(&mut self, now: &State, step: &Step) {
        // What was told stays so.
        if *step == Step::Told {
            self.since_told.clear();
        }
        self.add(now);
        let is_new = now.get(BINARY) != Some(&self.old);
        if *step == Step::Unname(TRIAL.to_owned()) {
            self.at_the_end = Some([history_in(now)]);
        }
        let is_put_back = |step: &Step| matches!(step, Step::Rename(_, to) if to == BINARY);
        if is_put_back(step) && !is_new {
            self.at_return = Some([now.get(TRIAL).copied(), history_in(now)]);
        }
    }

    fn check(&self, state: &State) -> Result<(), String> {
        for (name, allowed) in &self.since_told {
            if !allowed.contains(&state.get(*name).copied()) {
                return Err(format!("{name} is not as it was made, or not as it was told to be"));
            }
        }
        let history = history_in(state);
        if !state.contains_key(TRIAL) && self.at_the_end.is_some_and(|[then]| then != history) {
            return Err("neither the note nor the history knows what came of the trial".to_owned());
        }
        let binary = state[BINARY];
        if !matches!(binary.0, Content::Whole(_)) || binary.1 != self.old.1 {
            return Err("the binary is not whole, or not what it was to everybody".to_owned());
        }
        if binary != self.old {
            return self.check_new(state);
        }
        match self.at_return {
            Some([trial, then]) if state.get(TRIAL).copied() != trial && then == history => {
                Err("what did not pass is tried again, for nobody knows of it".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_new(&self, state: &State) -> Result<(), String> {
        if state.get(PREVIOUS) != Some(&self.old) {
            return Err("there is no way back".to_owned());
        }
        let is_kept = self.at_the_end.is_some() && self.at_return.is_none();
        if !is_kept && !state.contains_key(TRIAL) {
            return Err("nobody knows that it is on trial".to_owned());
        }
        Ok(())
    }
}

fn history_in(state: &State) -> Option<Found> {
    state.get(HISTORY).or_else(|| state.get(ELSEWHERE)).copied()
}

const BINARY: &str = "app";
