//! What a disk may hold after a power cut.
//!
//! Only what was flushed has to be there: the content and the attributes of a file by a flush of the
//! file, names by a flush of the directory. What was not may be there or not, each for itself and in
//! any combination: a name that was given or taken later than another may be there and the other not;
//! a file may be as it was when it was flushed last, as at any time since, empty, cut short, or as
//! long as it should be and full of zeros, with its old attributes or with any since. A rename is one
//! change, but the old name may have stayed. (ALICE, Pillai et al., OSDI 2014, found file systems that
//! do each of it.)
//!
//! Limits: a flush is taken to be honest, and a block that was flushed to stay as it is.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Attributes, ContentId, FileId, IsState, Log, Step, Version};
use crate::place::is_in_state_dir;

/// What may be found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    Whole(ContentId),
    /// The first half of it.
    Half(ContentId),
    /// Its length, and nothing of it.
    Zeros(ContentId),
    Empty,
}

/// A file as it may be found.
pub(super) type Found = (Content, Attributes);

/// The files by their names.
pub(super) type State = BTreeMap<String, Found>;

/// A disk, and what it was not made to hold yet.
#[derive(Debug, Clone)]
pub(super) struct Disk<'l> {
    log: &'l Log,
    names: BTreeMap<String, FileId>,
    /// Changes of names, in their order.
    pending: Vec<&'l Step>,
    files: Vec<File>,
}

#[derive(Debug, Clone)]
struct File {
    /// `None` for one that was never flushed.
    flushed: Option<Version>,
    /// What it was since.
    since: Vec<Version>,
}

impl<'l> Disk<'l> {
    /// As it is before the first step.
    pub(super) fn new(log: &'l Log) -> Self {
        let is_old = |file: &FileId| log.before.values().any(|old| old == file);
        let file = |(id, version): (FileId, &Version)| {
            if is_old(&id) {
                File { flushed: Some(*version), since: vec![] }
            } else {
                File { flushed: None, since: vec![*version] }
            }
        };
        let files = log.files.iter().enumerate().map(file).collect();
        Self { log, names: log.before.clone(), pending: vec![], files }
    }

    /// Takes a step.
    pub(super) fn step(&mut self, step: &'l Step) {
        match step {
            Step::Name(..) | Step::Rename(..) | Step::Unname(_) => self.pending.push(step),
            Step::Change(file, version) => self.files[*file].since.push(*version),
            Step::Flush(file) => {
                let file = &mut self.files[*file];
                file.flushed = file.since.pop().or(file.flushed);
                file.since.clear();
            }
            Step::FlushDirectory(is_state) => self.flush_directory(*is_state),
            Step::Told => {}
        }
    }

    /// No name ever goes from one directory to the other.
    fn flush_directory(&mut self, is_state: IsState) {
        let is_there = |step: &&Step| step.is_in_state_dir() == is_state;
        let (flushed, pending): (Vec<_>, Vec<_>) = self.pending.iter().copied().partition(is_there);
        for step in flushed {
            let before = self.names.clone();
            apply(&mut self.names, &before, step, false);
        }
        self.pending = pending;
    }

    /// What a reader sees without a power cut.
    pub(super) fn now(&self) -> State {
        let now = |file: FileId| {
            let file = &self.files[file];
            let version = file.since.last().copied().or(file.flushed).expect("it is something");
            (Content::Whole(version.content), version.attributes)
        };
        self.names_now().into_iter().map(|(name, file)| (name, now(file))).collect()
    }

    fn names_now(&self) -> BTreeMap<String, FileId> {
        self.names_before_each().pop().unwrap_or_else(|| self.names.clone())
    }

    /// The names as they are before each of the changes, if all before it were made, and at last after
    /// all of them: a rename is one of a file, whatever became of the change that gave it its old name.
    fn names_before_each(&self) -> Vec<BTreeMap<String, FileId>> {
        let mut all = vec![self.names.clone()];
        for (step, index) in self.pending.iter().zip(0..) {
            let mut names = all[index].clone();
            apply(&mut names, &all[index], step, false);
            all.push(names);
        }
        all
    }

    /// Everything that may be found after a power cut at this moment.
    pub(super) fn after_power_cut(&self) -> BTreeSet<State> {
        let mut states = BTreeSet::new();
        for names in self.possible_names() {
            let found = names.into_iter().map(|(name, file)| (name, self.possible_files(file)));
            let mut built = vec![State::new()];
            for (name, files) in found {
                let with = |state: &State, file: &Found| {
                    let mut state = state.clone();
                    state.insert(name.clone(), *file);
                    state
                };
                let more =
                    built.iter().flat_map(|state| files.iter().map(move |file| with(state, file)));
                built = more.collect();
            }
            states.extend(built);
        }
        states
    }

    /// Each of the changes may have happened, or not.
    fn possible_names(&self) -> BTreeSet<BTreeMap<String, FileId>> {
        let mut possible = BTreeSet::from([self.names.clone()]);
        for (step, before) in self.pending.iter().zip(&self.names_before_each()) {
            let mut more = Vec::new();
            let is_rename = matches!(step, Step::Rename(..));
            for names in &possible {
                for keeps_old_name in [false, true].into_iter().take(1 + usize::from(is_rename)) {
                    let mut names = names.clone();
                    apply(&mut names, before, step, keeps_old_name);
                    more.push(names);
                }
            }
            possible.extend(more);
            assert!(possible.len() < MOST, "nothing was flushed for long: {:?}", self.pending);
        }
        possible
    }

    fn possible_files(&self, file: FileId) -> BTreeSet<Found> {
        let File { flushed, since } = &self.files[file];
        let Some(last) = since.last() else {
            let version = flushed.expect("it is something");
            return BTreeSet::from([(Content::Whole(version.content), version.attributes)]);
        };
        let contents = flushed.iter().chain(since).flat_map(|version| {
            let empty = self.log.contents[version.content].is_empty();
            [if empty { Content::Empty } else { Content::Whole(version.content) }]
        });
        let is_written = flushed.is_none_or(|flushed| flushed.content != last.content);
        let torn = [Content::Empty, Content::Half(last.content), Content::Zeros(last.content)];
        let torn = torn.into_iter().filter(|_| is_written);
        let contents: BTreeSet<_> = contents.chain(torn).collect();
        let attributes = || flushed.iter().chain(since).map(|version| version.attributes);
        contents.iter().flat_map(|content| attributes().map(|it| (*content, it))).collect()
    }
}

impl Step {
    /// Whether it is about a name in the `state_dir`.
    fn is_in_state_dir(&self) -> bool {
        match self {
            Self::Name(name, _) | Self::Rename(name, _) | Self::Unname(name) => {
                is_in_state_dir(name)
            }
            _ => false,
        }
    }
}

/// Makes a change of names; `before` is what they are if all was made that came before it.
fn apply(
    names: &mut BTreeMap<String, FileId>,
    before: &BTreeMap<String, FileId>,
    step: &Step,
    keeps_old_name: bool,
) {
    match step {
        Step::Name(name, file) => drop(names.insert(name.clone(), *file)),
        Step::Rename(from, to) => {
            names.insert(to.clone(), before[from]);
            if !keeps_old_name {
                names.remove(from);
            }
        }
        Step::Unname(name) => drop(names.remove(name)),
        _ => {}
    }
}

/// More possible directories at one moment say that the model is asked too much.
const MOST: usize = 10_000;
