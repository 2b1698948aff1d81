//! What becomes of a candidate once it is in place: it is kept, put back, or left for the next start.

use std::error::Error as _;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use super::candidate::Candidate;
use super::history::Delivered;
use super::offering::Unproven;
use super::preflight::Inode;
use super::trial::{Failure, Trial};
use super::{Pipeline, note, stage, swap};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::Event;

impl Pipeline {
    /// Puts `candidate` in place of the binary, on trial. On an error the binary is the one that was
    /// there, and the candidate will be examined again.
    pub(crate) fn swap(&mut self, candidate: Candidate) -> Result<()> {
        if self.is_way_back_open {
            // The previous binary would lose its name to a bad one.
            let words = "the binary in place failed its trial, and the one before it comes back \
                         first; the candidate is examined again at a later poll";
            return Err(Error::new(ErrorKind::Rollback, words));
        }
        let (from, to) = (self.target.id(), candidate.id());
        let validator = candidate.validator().map(str::to_owned);
        let delivered = Delivered::new(candidate.published(), to, validator);
        let (from_version, to_version) = (self.version(), candidate.version().map(str::to_owned));
        let swapped = swap::swap(&mut self.target, candidate, &mut self.trial);
        // Where the candidate stays in place without a way back, the next start needs the note.
        let is_back = self.trial.is_none() && self.target.id() == from;
        self.left_note = (swapped.is_err() && is_back).then_some(LeftNote::Needless);
        self.is_way_back_open = self.trial.as_ref().is_some_and(|trial| trial.id() == to);
        let swapped = swapped.inspect_err(|_| self.stay())?;
        self.trial = Some(swapped);
        if self.withdrawn.is_some() {
            self.observer.tell(&Event::RolledBack { from, from_version, to, to_version });
        } else {
            self.history.deliver(delivered);
            self.observer.tell(&Event::Upgraded { from, from_version, to, to_version });
        }
        Ok(())
    }

    /// The trial was passed: what was swapped in stays.
    pub(crate) fn keep(&mut self) {
        let Some(swapped) = self.trial.take() else { return };
        (self.withdrawn, self.counted) = (None, None);
        self.history.prove(swapped.id(), swapped.previous_id());
        self.save_history();
        self.end_trial();
        // The previous binary keeps its name; what held it for the way back is let go.
        drop(swapped);
    }

    /// Nothing is decided: the trial goes on at the next restart or start, and this start of the
    /// service was no failure of the candidate.
    pub(crate) fn leave(&mut self) {
        self.save_history();
        let Some(mut trial) = self.counted.take() else { return };
        trial.excuse();
        self.write_down(&trial);
    }

    /// The trial failed for `reason`: the previous binary is put back, unless somebody has put
    /// another file there meanwhile, and the candidate waits for its next chance.
    ///
    /// On an error the way back may be [open](Self::is_way_back_open).
    pub(crate) fn restore(&mut self, reason: &Error) -> Result<()> {
        let Some(swapped) = &self.trial else { return Ok(()) };
        let mut trial = Trial::of(swapped.id(), swapped.previous_id());
        self.counted = None;
        self.stay();
        // Killed from here on, it is known that it failed.
        trial.fail(reason);
        self.write_down(&trial);
        self.go_back(Some(&trial))
    }

    /// Goes back from what `failed`, if that is not known yet.
    fn go_back(&mut self, failed: Option<&Trial>) -> Result<()> {
        let Some(swapped) = &self.trial else { return Ok(()) };
        let (from, to, from_version) = (swapped.id(), swapped.previous_id(), self.version());
        let restored = swap::restore(&mut self.target, &mut self.trial);
        let is_back = self.target.id() == to;
        if is_back {
            // A master that was killed in a rollback by request has refused it.
            self.history.forget(to);
        }
        match failed {
            Some(trial) => self.condemn(trial),
            None => self.save_history(),
        }
        if is_back {
            let to_version = self.version();
            self.observer.tell(&Event::RolledBack { from, from_version, to, to_version });
        }
        // A candidate that is still there is put back at the next poll, or the next start.
        self.is_way_back_open = self.trial.is_some();
        if !self.is_way_back_open {
            self.end_failed_trial();
        }
        restored
    }

    /// Whether what is in place failed its trial, and could not be put back so far.
    pub(crate) fn is_way_back_open(&self) -> bool {
        self.is_way_back_open
    }

    /// Tries the way back again, if it is open. That it failed was told once. Says whether the previous
    /// binary came back by it.
    pub(crate) fn go_back_again(&mut self) -> bool {
        let previous = self.trial.as_ref().filter(|_| self.is_way_back_open);
        let Some(previous) = previous.map(swap::Swapped::previous_id) else { return false };
        let went_back = self.go_back(None);
        if let Err(error) = went_back
            && !self.is_way_back_open
        {
            self.observer.warn(error);
        }
        self.target.id() == previous
    }

    /// The binary that is on trial, or waits for one.
    pub(crate) fn on_trial(&self) -> Option<Inode> {
        let trial = self.trial.as_ref().filter(|_| !self.is_way_back_open);
        trial.map(|_| self.target.inode())
    }

    /// The file that was in place when that was looked at last.
    pub(crate) fn inode(&self) -> Inode {
        self.target.inode()
    }

    /// The previous binary as a candidate, because the operator or the program says so. The one that
    /// is in place is refused from here on, unless the other comes to nothing.
    ///
    /// `None` if the one that is in place was never tried: then it is just put back.
    pub(crate) fn previous(&mut self) -> Result<Option<Candidate>> {
        self.prepare()?;
        if self.trial.is_some() && self.withdrawn.is_some() {
            // It waits in place for the restart that goes back to it.
            return Ok(None);
        }
        if self.trial.is_some() {
            return self.restore(&by_request()).map(|()| None);
        }
        let mut candidate = self.take_previous()?;
        candidate.set_mask(self.origin.mask());
        let unreadable = || "the previous binary cannot be read; make it readable";
        let file = File::open(candidate.path()).context(ErrorKind::Rollback, unreadable)?;
        note::check_deployed(file, self.acceptance.allow_unmarked)?;
        self.probe(&mut candidate)?;
        let current = self.target.id();
        self.history.refuse(current, &by_request());
        self.save_history();
        self.withdrawn = Some(current);
        Ok(Some(candidate))
    }

    fn take_previous(&self) -> Result<Candidate> {
        let path = self.target.previous_path();
        let shown = path.display();
        let failed = |why: String| Error::new(ErrorKind::Rollback, why);
        let previous = swap::open_previous(&self.target).context(
            ErrorKind::Rollback,
            || format!("there is no previous binary to go back to at {shown}; put a good one at the path of the binary by hand"),
        )?;
        let id = previous.id();
        if self.history.previous().is_some_and(|known| known != id) || id == self.target.id() {
            let words = format!(
                "the file at {shown} is not the binary that was replaced; put a good one at the \
                 path of the binary by hand"
            );
            return Err(failed(words));
        }
        if !self.history.allows(id, Instant::now()) {
            let why = self.history.why_not(id).unwrap_or_default();
            let words = format!(
                "the previous binary {} was turned down itself ({why}); to go back to it all the \
                 same, clear that with `selfup::clear_refused()`",
                id.short()
            );
            return Err(failed(words));
        }
        let link = self.target.new_link(&path);
        // A lock that is somebody else's is not on a copy.
        let is_it = |link: &tempfile::TempPath| {
            previous.is_locked() && Inode::at(link).is_ok_and(|inode| inode == previous.inode())
        };
        let copied = match link.ok().filter(is_it) {
            Some(link) => Ok((link, previous.into_file())),
            None => stage::copy_of(&previous),
        };
        let candidate = copied.and_then(|(path, file)| Candidate::new(path, file, id, None));
        candidate.context(ErrorKind::Rollback, || {
            format!("{shown} cannot be brought to the path of the binary; free some space")
        })
    }

    /// Forgets everything that was turned down, so that it is asked for and tried again.
    pub(crate) fn clear(&mut self) {
        self.history.clear();
        self.unproven = Unproven::default();
        self.save_history();
    }

    /// What an offered candidate leaves that is not put in place.
    pub(crate) fn discard(&mut self, candidate: Candidate) {
        drop(candidate);
        self.stay();
    }

    /// What is in place was to be rolled back, and is not.
    fn stay(&mut self) {
        if let Some(id) = self.withdrawn.take() {
            self.history.forget(id);
            self.save_history();
        }
    }

    /// Finds out how far a master before this one came with its last candidate.
    pub(super) fn take_up_trial(&mut self) {
        let trial = match Trial::load(self.target.folder()) {
            Ok(Some(trial)) => trial,
            Ok(None) => return,
            Err(error) => return self.lose_trial(error),
        };
        let (candidate, previous) = (trial.candidate, trial.previous);
        if self.target.id() != candidate {
            if trial.failed.is_some() {
                self.condemn(&trial);
                let reason = trial.failed.as_ref().map(Failure::error);
                let reason = reason.map(Arc::new).into_iter();
                reason.for_each(|reason| {
                    self.observer.tell(&Event::CandidateRefused { id: Some(candidate), reason });
                });
            }
            if trial.failed.is_some() && self.target.id() == previous {
                let (from_version, to_version) = (None, self.version());
                let (from, to) = (candidate, previous);
                self.observer.tell(&Event::RolledBack { from, from_version, to, to_version });
            }
            return self.end_failed_trial();
        }
        match swap::take_up(&self.target, &trial) {
            Ok(swapped) => self.trial = Some(swapped),
            Err(error) => return self.lose_trial(error),
        }
        if let Some(failure) = &trial.failed {
            let restored = self.restore(&failure.error());
            restored.unwrap_or_else(|error| self.observer.warn(error));
            self.has_put_back = self.target.id() == previous;
        }
    }

    /// The trial cannot be taken up. It is over if it never can be; an error of the system's passes,
    /// and the next start tries again.
    fn lose_trial(&mut self, error: Error) {
        let will_pass = is_passing(&error);
        self.observer.warn(error);
        if !will_pass {
            self.end_trial();
        }
    }

    /// What failed its trial waits for its next chance.
    fn condemn(&mut self, trial: &Trial) {
        let Some(failure) = &trial.failed else { return };
        let (id, reason) = (trial.candidate, failure.error());
        match failure.kind {
            // A limit of this system, or a port that somebody else has.
            ErrorKind::Spawn | ErrorKind::Bind => {
                self.history.postpone(id, &reason, Instant::now());
            }
            ErrorKind::Rejected => self.history.refuse(id, &reason),
            _ => self.history.fail(id, &reason, Instant::now()),
        }
        self.save_history();
    }

    fn write_down(&self, trial: &Trial) {
        let saved = trial.save(self.target.folder());
        saved.unwrap_or_else(|error| self.observer.warn(error));
    }

    pub(super) fn end_trial(&mut self) {
        let removed = Trial::remove(&self.target);
        self.left_note = removed.is_err().then_some(LeftNote::Needless);
        removed.unwrap_or_else(|error| self.observer.warn(error));
    }

    /// The same for a trial that may have failed: until the history says so, the note does.
    fn end_failed_trial(&mut self) {
        if self.history.is_saved() {
            self.end_trial();
        } else {
            self.left_note = Some(LeftNote::OfFailure);
        }
    }

    /// Removes the note of a trial that is over, if it could not be removed then, or was needed. That
    /// was told once.
    ///
    /// Where the path leads to another file its lock is not ours, and the note may be of another trial.
    pub(super) fn end_trial_again(&mut self) {
        let Some(left) = self.left_note else { return };
        let is_needed = matches!(left, LeftNote::OfFailure) && !self.history.is_saved();
        if !is_needed && self.trial.is_none() && self.target.is_in_place() {
            self.left_note = Trial::remove(&self.target).is_err().then_some(LeftNote::Needless);
        }
    }

    /// Whether the previous binary was put back when this was opened: what runs here is another.
    pub(crate) fn has_put_back(&self) -> bool {
        self.has_put_back
    }
}

/// Why there is a note of a trial that is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum LeftNote {
    /// It could not be removed.
    Needless,
    /// It says what the history could not be made to say.
    OfFailure,
}

/// Whether it comes from a system that is out of something, or sick.
fn is_passing(error: &Error) -> bool {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let number = causes.find_map(|cause| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
    number.is_some_and(|number| ![libc::ENOENT, libc::ELOOP].contains(&number))
}

/// Why a binary is put back that did nothing wrong.
pub(crate) fn by_request() -> Error {
    Error::new(ErrorKind::Rejected, "it was rolled back by request")
}

#[cfg(test)]
mod tests;
