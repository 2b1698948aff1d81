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
//! Whatever starts the binary as a master is a start, `app --version` included, if that is answered
//! in the config. One that is told to stop is not counted, if it is told soon; and none is once it is
//! known that upgrades are off, for then nobody could say that the trial is passed.
//!
//! Limits: a candidate that ends before its `main` comes to selfup is in nobody's hands; its probe
//! has shown that it comes there. Of several services of one binary, who has its lock counts.

use std::path::Path;
use std::time::{Duration, Instant};

use super::preflight::{Inode, Target, folder_of};
use super::swap;
use super::trial::{MOST_STARTS, Trial};
use crate::error::{BoxError, Context as _, Error, ErrorKind, Result};
use crate::origin::Origin;
use crate::role;
use crate::sys::lifeline::Successor;

/// A trial that this start of the service goes on with, and the lock of its binary.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(super) target: Target,
    pub(super) trial: Trial,
    /// Why this start could not be counted.
    pub(super) uncounted: Option<Error>,
}

/// Counts this start, if a trial is unfinished. Does not return if the previous binary was put back,
/// for it is executed then.
pub(crate) fn reckon() -> Option<Unfinished> {
    let path = std::env::current_exe().ok()?;
    // Nearly always there is none, and then this is all.
    if !Trial::is_there(&folder_of(&path).ok()?) {
        return None;
    }
    let origin = Origin::capture().ok()?;
    match count(&path) {
        Reckoning::Settled => None,
        Reckoning::OnTrial(unfinished) => Some(*unfinished),
        Reckoning::RolledBack(inode) => {
            execute(&origin, inode);
            // Its child will execute what is at the path.
            None
        }
    }
}

#[derive(Debug)]
enum Reckoning {
    /// There is no trial here, or it is not ours to look after.
    Settled,
    OnTrial(Box<Unfinished>),
    /// This file is at the path again.
    RolledBack(Inode),
}

fn count(path: &Path) -> Reckoning {
    // What is wrong is told by the pipeline, which comes by the same.
    let found = Target::lock(path.to_owned()).ok().and_then(|target| {
        let trial = Trial::load(target.folder()).ok().flatten()?;
        Some((target, trial))
    });
    let Some((target, trial)) = found.filter(|(target, trial)| target.id() == trial.candidate)
    else {
        return Reckoning::Settled;
    };
    let mut unfinished = Unfinished { target, trial, uncounted: None };
    unfinished.trial.starts = unfinished.trial.starts.saturating_add(1);
    if unfinished.trial.failed.is_none() && unfinished.trial.starts >= MOST_STARTS {
        let words = format!(
            "the service was started {MOST_STARTS} times with it on trial, and it never passed"
        );
        unfinished.trial.fail(&Error::new(ErrorKind::NotReady, words));
    }
    if unfinished.trial.failed.is_some() {
        let rolled_back = unfinished.roll_back();
        // What could not be flushed is in place all the same, and this binary has no path any more.
        if rolled_back.is_ok() || unfinished.target.id() == unfinished.trial.previous {
            return Reckoning::RolledBack(unfinished.target.inode());
        }
    }
    unfinished.uncounted = unfinished.note().err();
    Reckoning::OnTrial(Box::new(unfinished))
}

impl Unfinished {
    /// What a stop does that comes before there is anybody else to do it: it is no failed trial.
    pub(crate) fn excuse(&self) -> impl FnOnce() + Send + 'static {
        let (folder, mut trial) = (self.target.folder().clone(), self.trial.clone());
        let since = Instant::now();
        move || {
            // Who has not come further by now is stopped because of that.
            if since.elapsed() > LONGEST_START {
                return;
            }
            trial.excuse();
            // Not written, the start stays counted.
            let _ = trial.write(&folder).is_ok_and(|()| folder.flush().is_ok());
        }
    }

    fn note(&self) -> Result<()> {
        let noted = self.trial.write(self.target.folder());
        let noted = noted.and_then(|()| Ok::<_, BoxError>(self.target.flush_directory()?));
        noted.context(ErrorKind::Stage, || {
            format!(
                "it cannot be counted how often the binary was started on trial, for nothing can be \
                 written in directory {}; free some space, and make it writable",
                self.target.directory().display()
            )
        })
    }

    /// The note says why, until the history does. A full disk keeps that from being written, and
    /// nothing from being put back.
    fn roll_back(&mut self) -> Result<()> {
        let swapped = swap::take_up(&self.target, &self.trial)?;
        let _ = self.note();
        swap::restore(&mut self.target, swapped)
    }
}

/// Becomes the binary at the path, which is another one than this: so it happens once. Returns only
/// if that failed, and then nothing has changed.
fn execute(origin: &Origin, inode: Inode) {
    if Inode::at(origin.path()).ok() != Some(inode) {
        return;
    }
    // All of it, what the process manager passed included.
    let env: Vec<_> = std::env::vars_os().filter(|(name, _)| name != role::VARIABLE).collect();
    let successor = Successor::new(origin.path(), origin.args(), &env, Vec::new(), origin.mask());
    if let Ok(successor) = successor {
        successor.execute();
    }
}

/// A config has 5 s in its probe, and an address in use is waited for as long.
const LONGEST_START: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::BinaryId;
    use crate::upgrade::testing::{Place, id};

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
            let Reckoning::OnTrial(found) = count(&place.path) else { panic!() };
            assert!(found.uncounted.is_none());
            assert_eq!((found.trial.starts, trial_of(&place).starts), (starts, starts));
        }
        let Reckoning::RolledBack(inode) = count(&place.path) else { panic!() };
        assert_eq!(Inode::at(&place.path).unwrap(), inode);
        assert_eq!(place.content("app"), b"old");
        assert!(trial_of(&place).failed.unwrap().reason.contains("3 times"));
        assert!(matches!(count(&place.path), Reckoning::Settled), "once");
    }

    #[test]
    fn what_is_known_to_have_failed_is_put_back_at_once() {
        let place = on_trial(0);
        let mut trial = trial_of(&place);
        trial.fail(&Error::new(ErrorKind::NotReady, "it was killed"));
        trial.write(place.target().folder()).unwrap();
        assert!(matches!(count(&place.path), Reckoning::RolledBack(_)));
        assert_eq!(place.content("app"), b"old");
    }

    #[test]
    fn who_has_not_the_lock_does_not_count() {
        let place = on_trial(2);
        let _other = place.target();
        assert!(matches!(count(&place.path), Reckoning::Settled));
        assert_eq!((trial_of(&place).starts, place.content("app")), (2, b"new".to_vec()));
    }

    #[test]
    fn another_binary_than_the_one_on_trial_is_not_counted() {
        let place = on_trial(2);
        let mut trial = trial_of(&place);
        trial.candidate = BinaryId::from_bytes([7; 32]);
        trial.write(place.target().folder()).unwrap();
        assert!(matches!(count(&place.path), Reckoning::Settled));
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
            assert!(matches!(count(&place.path), Reckoning::OnTrial(_)));
            assert_eq!(place.content("app"), b"new");
        }
    }
}
