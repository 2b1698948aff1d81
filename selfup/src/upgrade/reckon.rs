//! What a master does first of all: is the binary that it runs on trial?
//!
//! A master that was killed during a trial, or one whose binary waited for its first start, leaves a
//! [`trial`](super::trial). Each start with it unfinished is counted, unless it ends as it was told
//! to; at the third the previous binary is put back, and executed in place.
//!
//! It happens before anything of the user's runs but what is before selfup in `main`: a candidate
//! whose config panics, whose `init` hangs, or whose first generation crashes is counted and rolled
//! back like any other. The code that does it is the candidate's own.
//!
//! What hangs before it supervises is given a minute ([`limit`]), and is put back then: nobody may be
//! there to start it three times.
//!
//! Whatever starts the binary as a master is a start. One that is told to stop is not counted, if it
//! is told soon; nor is one that exits with status 0 from `init` or the config, as `app --version` may;
//! and none is once it is known that upgrades are off, for then nobody could say that the trial is
//! passed: where the directory of the binary is at fault. A `state_dir` that cannot be used is the
//! release's own config, and excuses nothing.
//!
//! Who has not the lock of the binary counts nothing and puts nothing back, but a minute it has all the
//! same, and who has the lock decides for both: see [`follow`](super::follow).
//!
//! Limits: a candidate that ends before its `main` comes to selfup is in nobody's hands; its probe
//! has shown that it comes there. A note that another user wrote says nothing here, so a start of
//! another user has no limit. Where
//! the C library is not glibc, nobody learns with which status a process exits, and `app --version`
//! counts. A release that exits with 0 from its config in place of serving is taken at its word.

mod limit;

use std::ffi::OsString;
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use self::limit::{Limit, Terms};
use super::lock::is_taken;
use super::preflight::{Inode, Target, folder_of};
use super::swap;
use super::trial::{MOST_STARTS, Trial};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::BinaryId;
use crate::origin::Origin;
use crate::role;
use crate::sys::lifeline::Successor;

/// A start of a binary that is on trial.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// Dropped first: it knows the lock by the number of a descriptor.
    limit: Option<Limit>,
    /// The environment that it was started with.
    env: Vec<(OsString, OsString)>,
    /// None, if somebody else has the lock.
    counted: Option<Counted>,
}

/// A trial that this start of the service goes on with, and the lock of its binary.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(super) target: Target,
    pub(super) trial: Trial,
    /// Why this start could not be counted.
    pub(super) uncounted: Option<Error>,
    /// Whether it took too long, and stays all the same.
    is_overdue: bool,
}

/// Counts this start, if a trial is unfinished. Does not return if the previous binary was put back,
/// for it is executed then. A start that `is_overdue` has been counted, and has failed by now.
pub(crate) fn reckon(is_overdue: bool) -> Option<Unfinished> {
    let path = std::env::current_exe().ok()?;
    // Nearly always there is none, and then this is all.
    if !Trial::is_there(&folder_of(&path).ok()?) {
        return None;
    }
    let origin = Origin::capture().ok()?;
    // All of it, what the process manager passed included.
    let env: Vec<_> = std::env::vars_os().filter(|(name, _)| name != role::VARIABLE).collect();
    match count(&path, is_overdue) {
        Reckoning::Settled => None,
        Reckoning::Taken => {
            let is_tried = is_on_trial(&path, Path::new("/proc/self/exe"));
            is_tried.then_some(Unfinished { limit: None, env, counted: None })
        }
        Reckoning::OnTrial(counted) => {
            Some(Unfinished { limit: None, env, counted: Some(*counted) })
        }
        Reckoning::RolledBack(inode) => {
            execute(&origin, &env, inode);
            // Its child will execute what is at the path.
            None
        }
    }
}

#[derive(Debug)]
enum Reckoning {
    /// There is no trial here, or none that could be looked after.
    Settled,
    /// Somebody else has the lock.
    Taken,
    OnTrial(Box<Counted>),
    /// This file is at the path again.
    RolledBack(Inode),
}

fn count(path: &Path, is_overdue: bool) -> Reckoning {
    // What is wrong is told by the pipeline, which comes by the same.
    let target = match Target::lock(path.to_owned()) {
        Ok(target) => target,
        Err(error) if is_taken(&error) => return Reckoning::Taken,
        Err(_) => return Reckoning::Settled,
    };
    let trial = Trial::load(target.folder()).ok().flatten();
    let Some(trial) = trial.filter(|trial| target.id() == trial.candidate) else {
        return Reckoning::Settled;
    };
    let mut counted = Counted { target, trial, uncounted: None, is_overdue };
    judge(&mut counted.trial, is_overdue);
    if counted.trial.failed.is_some() {
        let rolled_back = counted.roll_back();
        // What could not be flushed is in place all the same, and this binary has no path any more.
        if rolled_back.is_ok() || counted.target.id() == counted.trial.previous {
            return Reckoning::RolledBack(counted.target.inode());
        }
    }
    counted.uncounted = counted.trial.save(counted.target.folder()).err();
    Reckoning::OnTrial(Box::new(counted))
}

/// Whether the file `running` is on trial beside `path`.
fn is_on_trial(path: &Path, running: &Path) -> bool {
    let trial = folder_of(path).and_then(|folder| Trial::load(&folder)).ok().flatten();
    trial.is_some_and(|trial| BinaryId::of_file(running).is_ok_and(|id| id == trial.candidate))
}

/// Counts a start, and says whether it was one too many.
fn judge(trial: &mut Trial, is_overdue: bool) {
    if !is_overdue {
        trial.starts = trial.starts.saturating_add(1);
    }
    let words = if is_overdue {
        format!("`init` and the config took longer than {} seconds", limit::LONGEST)
    } else if trial.starts >= MOST_STARTS {
        format!("the service was started {MOST_STARTS} times with it on trial, and it never passed")
    } else {
        return;
    };
    if trial.failed.is_none() {
        trial.fail(&Error::new(ErrorKind::NotReady, words));
    }
}

impl Unfinished {
    /// As [`Counted::excuse`] says it.
    pub(crate) fn excuse(&self) -> Option<impl FnOnce() + Send + use<>> {
        self.counted.as_ref().map(Counted::excuse)
    }

    /// Bounds this start until [`end_limit`](Self::end_limit): of what it does from here on, code of
    /// the user's. The descriptors in `keep` go on to what is executed then, and what waits of the
    /// signals `discarded` does not.
    pub(crate) fn limit(&mut self, origin: &Origin, keep: Vec<RawFd>, discarded: Vec<i32>) {
        // What could not be put back would only be executed again and again.
        if self.counted.as_ref().is_some_and(|counted| counted.is_overdue) {
            return;
        }
        let excuse = self.excuse().map(|excuse| -> Box<dyn FnOnce() + Send> { Box::new(excuse) });
        let locked = self.counted.as_ref().map(|counted| counted.target.file().as_raw_fd());
        let terms = Terms { env: self.env.clone(), excuse, locked };
        self.limit = Some(Limit::begin(terms, origin, keep, discarded));
    }

    /// From here on, the trial of its first generation has a limit of its own.
    pub(crate) fn end_limit(self) -> Option<Counted> {
        drop(self.limit);
        self.counted
    }
}

impl Counted {
    /// What a stop does that comes before there is anybody else to do it: it is no failed trial.
    pub(crate) fn excuse(&self) -> impl FnOnce() + Send + use<> {
        let (folder, mut trial) = (self.target.folder().clone(), self.trial.clone());
        let since = Instant::now();
        move || {
            // Who has not come further by now is stopped because of that.
            if since.elapsed() > LONGEST_START {
                return;
            }
            trial.excuse();
            // Not written, the start stays counted.
            let _ = trial.save(&folder);
        }
    }

    /// The note says why, until the history does. A full disk keeps that from being written, and
    /// nothing from being put back.
    fn roll_back(&mut self) -> Result<()> {
        let swapped = swap::take_up(&self.target, &self.trial)?;
        let _ = self.trial.save(self.target.folder());
        swap::restore(&mut self.target, &mut Some(swapped))
    }
}

/// Becomes the binary at the path, which is another one than this: so it happens once. Returns only
/// if that failed, and then nothing has changed.
fn execute(origin: &Origin, env: &[(OsString, OsString)], inode: Inode) {
    if Inode::at(origin.path()).ok() != Some(inode) {
        return;
    }
    let successor = Successor::new(origin.path(), origin.args(), env, Vec::new(), origin.mask());
    if let Ok(successor) = successor {
        successor.execute();
    }
}

/// A config has 5 s in its probe, and an address in use is waited for as long.
const LONGEST_START: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Acceptance;
    use crate::event::{Observer, Verbosity};
    use crate::identity::BinaryId;
    use crate::upgrade::testing::{Place, id};
    use crate::upgrade::{Pipeline, Rehearsal};

    /// A binary "new" on trial in place of "old", with so many starts before.
    fn on_trial(starts: u32) -> Place {
        let place = Place::with(b"new");
        std::fs::write(place.directory.path().join(PREVIOUS), "old").unwrap();
        let mut trial = Trial::of(id(b"new"), id(b"old"));
        trial.starts = starts;
        trial.write(place.target().folder()).unwrap();
        place
    }

    fn trial_of(place: &Place) -> Trial {
        Trial::load(&folder_of(&place.path).unwrap()).unwrap().unwrap()
    }

    const PREVIOUS: &str = ".app.selfup-previous";

    #[test]
    fn each_start_is_counted_and_the_third_rolls_back() {
        let place = on_trial(0);
        for starts in [1, 2] {
            let Reckoning::OnTrial(found) = count(&place.path, false) else { panic!() };
            assert!(found.uncounted.is_none());
            assert_eq!((found.trial.starts, trial_of(&place).starts), (starts, starts));
        }
        let Reckoning::RolledBack(inode) = count(&place.path, false) else { panic!() };
        assert_eq!(Inode::at(&place.path).unwrap(), inode);
        assert_eq!(place.content("app"), b"old");
        assert!(trial_of(&place).failed.unwrap().reason.contains("3 times"));
        assert!(matches!(count(&place.path, false), Reckoning::Settled), "once");
    }

    #[test]
    fn what_is_known_to_have_failed_is_put_back_at_once() {
        let place = on_trial(0);
        let mut trial = trial_of(&place);
        trial.fail(&Error::new(ErrorKind::NotReady, "it was killed"));
        trial.write(place.target().folder()).unwrap();
        assert!(matches!(count(&place.path, false), Reckoning::RolledBack(_)));
        assert_eq!(place.content("app"), b"old");
    }

    #[test]
    fn who_has_not_the_lock_does_not_count() {
        let place = on_trial(2);
        let _other = place.target();
        for is_overdue in [false, true] {
            assert!(matches!(count(&place.path, is_overdue), Reckoning::Taken));
        }
        assert_eq!((trial_of(&place).starts, place.content("app")), (2, b"new".to_vec()));
        assert!(is_on_trial(&place.path, &place.path), "it has a limit");
        assert!(!is_on_trial(&place.path, &place.directory.path().join(PREVIOUS)));
    }

    #[test]
    fn another_binary_than_the_one_on_trial_is_not_counted() {
        let place = on_trial(2);
        let mut trial = trial_of(&place);
        trial.candidate = BinaryId::from_bytes([7; 32]);
        trial.write(place.target().folder()).unwrap();
        assert!(matches!(count(&place.path, false), Reckoning::Settled));
        assert_eq!(trial_of(&place).starts, 2);
    }

    #[test]
    fn without_the_very_binary_that_was_there_the_candidate_stays() {
        for content in [None, Some("stray")] {
            let place = on_trial(2);
            let previous = place.directory.path().join(PREVIOUS);
            std::fs::remove_file(&previous).unwrap();
            if let Some(content) = content {
                std::fs::write(&previous, content).unwrap();
            }
            assert!(matches!(count(&place.path, false), Reckoning::OnTrial(_)));
            assert_eq!(place.content("app"), b"new");
        }
    }

    #[test]
    fn a_start_that_took_too_long_is_put_back_at_once() {
        let place = on_trial(1);
        assert!(matches!(count(&place.path, true), Reckoning::RolledBack(_)));
        assert_eq!((place.content("app"), trial_of(&place).starts), (b"old".to_vec(), 1));
        let reason = trial_of(&place).failed.unwrap().reason;
        assert!(reason.contains("longer than 60 seconds"), "{reason}");
    }

    /// Executed again and again, it would do nothing else.
    #[test]
    fn a_start_that_took_too_long_and_cannot_be_put_back_has_no_limit_again() {
        let place = on_trial(1);
        std::fs::remove_file(place.directory.path().join(PREVIOUS)).unwrap();
        let Reckoning::OnTrial(found) = count(&place.path, true) else { panic!() };
        let origin = Origin::of_test(place.path.clone(), &["app"], &[]);
        let mut start = Unfinished { limit: None, env: Vec::new(), counted: Some(*found) };
        start.limit(&origin, Vec::new(), Vec::new());
        assert!(start.limit.is_none());
    }

    /// It would crash for ever otherwise: the binary that was there before may have another one.
    #[test]
    fn a_state_dir_that_cannot_be_used_excuses_no_start() {
        let place = on_trial(1);
        let Reckoning::OnTrial(found) = count(&place.path, false) else { panic!() };
        assert_eq!(trial_of(&place).starts, 2);
        let state_dir = place.directory.path().join("file");
        std::fs::write(&state_dir, "").unwrap();
        let acceptance = Acceptance { state_dir: Some(state_dir), ..Acceptance::default() };
        let origin = Origin::of_test(place.path.clone(), &["app"], &[]);
        let (observer, rehearsal) =
            (Observer::start(Verbosity::Silent, None), Rehearsal::default());
        let opened = Pipeline::open(origin, acceptance, None, observer, rehearsal, Some(*found));
        let words = opened.err().unwrap().to_string();
        assert!(words.contains("`state_dir`"), "{words}");
        assert_eq!(trial_of(&place).starts, 2);
        assert!(matches!(count(&place.path, false), Reckoning::RolledBack(_)));
    }
}
