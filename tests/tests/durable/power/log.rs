//! What a master does to the directories of a place, as a list that can be played again.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs};

use selfup_tests::PATIENCE;
use selfup_tests::traced::{Call, Verdict, Watch};

use crate::place::Place;
use crate::site::STARTS;

/// A file, whatever its names are: its place in [`Log::files`].
pub(super) type FileId = usize;

/// What a file holds: its place in [`Log::contents`].
pub(super) type ContentId = usize;

/// A file at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) content: ContentId,
    pub(super) attributes: Attributes,
}

/// What a file is beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
}

/// One step of the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A name for a file, new or not.
    Name(String, FileId),
    /// A file under another name, in place of what has that.
    Rename(String, String),
    /// A name less.
    Unname(String),
    /// The file is like this now.
    Change(FileId, Version),
    /// The disk is made to hold the file.
    Flush(FileId),
    /// The disk is made to hold the names in the directory of the binary, or in the `state_dir`.
    FlushDirectory(IsState),
    /// The service has told that it is done with what it did so far, or code of the user's runs, which
    /// may rely on it.
    Told,
}

/// Whether a directory is the `state_dir`.
pub(super) type IsState = bool;

/// The steps, and what was there before them.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) steps: Vec<Step>,
    /// The names at the beginning.
    pub(super) before: BTreeMap<String, FileId>,
    /// What each file was at the beginning, or when it was made.
    pub(super) files: Vec<Version>,
    pub(super) contents: Vec<Arc<[u8]>>,
}

/// Writes a log while a thread is traced.
///
/// Once a candidate has the path, the thread is held before its next change until the service is
/// known to have [told](Self::told) so: else what is told late would seem to need no flush.
#[derive(Debug, Clone)]
pub(super) struct Recorder(Arc<(Mutex<Recording>, Condvar)>);

#[derive(Debug)]
struct Recording {
    place: Place,
    log: Log,
    /// The names now.
    names: BTreeMap<String, FileId>,
    /// A file that is being written to, by its name.
    written: Option<String>,
    /// Whether a candidate has the path for good, and nobody knows it yet.
    is_held: bool,
}

impl Recorder {
    /// Of what lies in `place` now.
    pub(super) fn of(place: &Place) -> Self {
        let (place, log, names) = (place.clone(), Log::default(), BTreeMap::new());
        let mut recording = Recording { place, log, names, written: None, is_held: false };
        recording.look_around();
        Self(Arc::new((Mutex::new(recording), Condvar::new())))
    }

    /// For a tracer: `verdict` is asked at each call first.
    pub(super) fn watch(
        &self,
        mut verdict: impl FnMut(&Call) -> Verdict + Send + 'static,
    ) -> Watch {
        let recorder = self.clone();
        Box::new(move |call| {
            let is_of_user = |file: &PathBuf| file.file_name().is_some_and(|name| name == STARTS);
            if call.files.iter().any(is_of_user) {
                if call.is_of_first_thread && call.result.is_none() && call.may_create() {
                    recorder.told();
                }
                return Verdict::Go;
            }
            if call.result.is_none() && call.may_change() {
                recorder.wait_until_told();
            }
            recorder.lock().at(call);
            verdict(call)
        })
    }

    /// The service has told that it is done with what it did so far.
    pub(super) fn told(&self) {
        let mut recording = self.lock();
        recording.log.steps.push(Step::Told);
        recording.is_held = false;
        self.0.1.notify_all();
    }

    fn wait_until_told(&self) {
        let waited = self.0.1.wait_timeout_while(self.lock(), PATIENCE, |it| it.is_held);
        let (_recording, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "something is changed before the swap was told");
    }

    /// The log so far.
    pub(super) fn log(&self) -> Log {
        self.lock().log.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recording {
    fn look_around(&mut self) {
        for name in self.place.names() {
            let version = self.look_at(&name);
            self.log.files.push(version);
            self.names.insert(name, self.log.files.len() - 1);
        }
        self.log.before.clone_from(&self.names);
    }

    fn look_at(&mut self, name: &str) -> Version {
        let path = self.place.path_of(name);
        let bytes = fs::read(&path).expect("it is there");
        let metadata = fs::metadata(&path).expect("it is there");
        let owner = (metadata.uid(), metadata.gid());
        let attributes = Attributes { mode: metadata.mode() & 0o7777, owner };
        Version { content: self.log.content(bytes), attributes }
    }

    fn at(&mut self, call: &Call) {
        if call.result.is_none() {
            // What a loop has written is looked at once it is over.
            let name = call.files.first().and_then(|file| self.place.name_of(file));
            if self.written.is_some() && !(name == self.written && call.writes()) {
                self.look_at_written();
            }
        } else if call.is_done() {
            self.after(call);
        }
    }

    fn after(&mut self, call: &Call) {
        let name_of = |file: &PathBuf| self.place.name_of(file);
        let names: Vec<_> = call.files.iter().filter_map(name_of).collect();
        match (call.name, &names[..]) {
            ("openat", [name]) if call.may_create() => self.create(name),
            ("link", [from, to]) => {
                let file = self.names[from];
                self.names.insert(to.clone(), file);
                self.log.steps.push(Step::Name(to.clone(), file));
            }
            ("rename", [from, to]) => {
                let file = self.names.remove(from).expect("it has a name");
                self.names.insert(to.clone(), file);
                self.log.steps.push(Step::Rename(from.clone(), to.clone()));
            }
            ("unlink", [name]) => {
                self.names.remove(name);
                self.log.steps.push(Step::Unname(name.clone()));
            }
            ("fsync", [name]) => self.log.steps.push(Step::Flush(self.names[name])),
            ("fsync", []) => {
                let directories = self.place.directories();
                let flushed = directories.iter().position(|it| call.files == [it.clone()]);
                let is_state = flushed.expect("one of both is flushed") == 1;
                self.log.steps.push(Step::FlushDirectory(is_state));
                let takes_the_path =
                    |step: &Step| matches!(step, Step::Rename(_, to) if to == "app");
                let was_told = self.log.steps.contains(&Step::Told);
                self.is_held = !was_told && self.log.steps.iter().any(takes_the_path);
            }
            // It comes from another one, maybe.
            (_, [file, ..]) if call.writes() => self.written = Some(file.clone()),
            (name, _) => {
                assert!(!call.may_change() || name == "openat", "{call:?} is not known here");
            }
        }
    }

    fn create(&mut self, name: &str) {
        if self.names.contains_key(name) {
            // It is emptied.
            self.written = Some(name.to_owned());
            return;
        }
        let version = self.look_at(name);
        self.log.files.push(version);
        let file = self.log.files.len() - 1;
        self.names.insert(name.to_owned(), file);
        self.log.steps.push(Step::Name(name.to_owned(), file));
    }

    fn look_at_written(&mut self) {
        let name = self.written.take().expect("something is written");
        let version = self.look_at(&name);
        self.log.steps.push(Step::Change(self.names[&name], version));
    }
}

impl Log {
    /// The number of a content, which may be new.
    pub(super) fn content(&mut self, bytes: Vec<u8>) -> ContentId {
        let known = self.contents.iter().position(|known| **known == *bytes);
        known.unwrap_or_else(|| {
            self.contents.push(bytes.into());
            self.contents.len() - 1
        })
    }

    /// This, without one of its steps.
    pub(super) fn without(&self, step: usize) -> Self {
        let mut log = self.clone();
        log.steps.remove(step);
        log
    }

    /// The places of the steps that flush something which is needed: a flush of a file is in vain that
    /// loses its name next, as a candidate that is refused, or that is flushed once more before it
    /// gets another name, as one that is given set-id bits.
    pub(super) fn flushes(&self) -> Vec<usize> {
        let is_needed = |place: &usize| match self.steps[*place] {
            Step::Flush(file) => self.is_named_next(file, *place),
            Step::FlushDirectory(_) => true,
            _ => false,
        };
        (0..self.steps.len()).filter(is_needed).collect()
    }

    /// Which flush of its story the step `place` is: by what it flushes, and the change of names before
    /// it, or behind it where it flushes a file. It is the same wherever the history lies.
    pub(super) fn label(&self, place: usize) -> String {
        let is_name =
            |step: &&Step| matches!(step, Step::Name(..) | Step::Rename(..) | Step::Unname(_));
        let change = match self.steps[place] {
            Step::Flush(_) => self.steps[place..].iter().find(is_name),
            _ => self.steps[..place].iter().rfind(is_name),
        };
        let flush = match self.steps[place] {
            Step::FlushDirectory(_) => "the directory behind",
            _ => "a file before",
        };
        let short = |name: &str| {
            let name = name.trim_start_matches("state/").replace("-*", "");
            name.split("-stage-").next().unwrap_or_default().to_owned()
        };
        let change = match change {
            Some(Step::Name(name, _)) => format!("the name {}", short(name)),
            Some(Step::Rename(from, to)) => format!("{} becomes {}", short(from), short(to)),
            Some(Step::Unname(name)) => format!("the end of {}", short(name)),
            _ => "everything".to_owned(),
        };
        format!("{flush} {change}")
    }

    fn is_named_next(&self, file: FileId, place: usize) -> bool {
        let is_change = |step: &&Step| matches!(step, Step::Change(it, _) if *it == file);
        let mut next = self.steps[place + 1..].iter().skip_while(is_change);
        match next.next() {
            Some(Step::Flush(again)) => *again != file,
            Some(Step::Unname(name)) => self.name_at(name, place) != Some(file),
            _ => true,
        }
    }

    /// What had this name when the step `place` was taken.
    fn name_at(&self, name: &str, place: usize) -> Option<FileId> {
        let mut names = self.before.clone();
        for step in &self.steps[..place] {
            match step {
                Step::Name(name, file) => drop(names.insert(name.clone(), *file)),
                Step::Rename(from, to) => {
                    let file = names.remove(from)?;
                    names.insert(to.clone(), file);
                }
                Step::Unname(name) => drop(names.remove(name)),
                _ => {}
            }
        }
        names.get(name).copied()
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{index}: {step:?}")?;
        }
        Ok(())
    }
}
