//! What may never be found after a power cut.

use std::collections::BTreeSet;

use super::disk::{Content, Disk, Found, State};
use super::log::{Log, Step};
use crate::site::{HISTORY, PREVIOUS};

/// What may be found at a moment, as far as it is no matter of the single state.
struct Allowed {
    /// The binary as it was at the beginning.
    old: Found,
    /// What may be at the path: what was there since the service has told last what it did.
    binaries: BTreeSet<Option<Found>>,
    /// The same of the history.
    histories: BTreeSet<Option<Found>>,
    /// What the history says now.
    history: Option<Found>,
    /// Whether the binary was put back.
    is_back: bool,
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
            let wrong = |why| format!("after step {index}, {step:?}: {why}: {state:?}");
            allowed.check(state).map_err(wrong)?;
        }
        states.extend(possible);
    }
    Ok(states)
}

impl Allowed {
    fn at_the_beginning(now: &State) -> Self {
        let old = now[BINARY];
        let history = now.get(HISTORY).copied();
        let (binaries, histories) = (BTreeSet::from([Some(old)]), BTreeSet::from([history]));
        Self { old, binaries, histories, history, is_back: false }
    }

    fn follow(&mut self, now: &State, step: &Step) {
        let binary = now.get(BINARY).copied();
        self.history = now.get(HISTORY).copied();
        // What was told stays so.
        if *step == Step::Told {
            self.binaries.clear();
            self.histories.clear();
        }
        self.binaries.insert(binary);
        self.histories.insert(self.history);
        let is_put_back = |step: &Step| matches!(step, Step::Rename(_, to) if to == BINARY);
        self.is_back |= is_put_back(step) && binary == Some(self.old);
    }

    fn check(&self, state: &State) -> Result<(), &'static str> {
        let binary = state.get(BINARY).copied();
        if !self.binaries.contains(&binary) {
            return Err("the path holds what was not put there, or not what it was told to hold");
        }
        if !matches!(binary, Some((Content::Whole(_), attributes)) if attributes == self.old.1) {
            return Err("the binary is not whole, or not what it was to everybody");
        }
        if binary != Some(self.old) && state.get(PREVIOUS) != Some(&self.old) {
            return Err("there is no way back");
        }
        let history = state.get(HISTORY).copied();
        if !self.histories.contains(&history) {
            return Err("the history is not one that was written, or not what was told");
        }
        if self.is_back && binary == Some(self.old) && history != self.history {
            return Err("what was put back is tried again, for it is not known why");
        }
        Ok(())
    }
}

const BINARY: &str = "app";
