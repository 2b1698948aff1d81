//! The way of a candidate, from the fetcher's bytes to the path of the binary and back.
//!
//! One [`Pipeline`] for a service, and one order, each step in a file of its own:
//!
//! 1. [`preflight`]: can the binary be replaced here, and is nobody else at it?
//! 2. [`stage`]: the bytes, beside the binary, digested.
//! 3. [`verify`]: are they what was announced?
//! 4. [`note`]: are they a whole binary for this machine? Nothing of them has run so far.
//! 5. the `pre_upgrade` hook of the program that runs.
//! 6. [`probe`]: does it answer when it is started once?
//! 7. [`swap`]: it takes the path, and the previous binary keeps a name of its own.
//!
//! Then the master starts a generation on trial, and tells [`keep`](Pipeline::keep) or
//! [`restore`](Pipeline::restore), or [`leave`](Pipeline::leave) if nothing is decided: see
//! [`trial`], and [`reckon`](mod@reckon), by which the next start of the service goes on with it.
//!
//! A cycle *ends* when there is nothing to gain from the same bytes: they run already, they were
//! put in place, or they were turned down. Its validator is handed to the fetcher from then on, so
//! they are not sent again. Whatever failed for another reason (a transfer that broke off, a disk
//! that is full) leaves no trace, and the next poll begins anew. See [`history`] for what may be
//! tried again, and when: at that time [`Pipeline::current`] has no validator, so that the bytes
//! are delivered again.
//!
//! What is wrong with the bytes is told as an event, once, and is no error: the pipeline did its
//! work. Its errors, which are told by the caller, are about everything else.
//!
//! A binary that somebody else put at the path is looked at by [`vet`](vet()), which is steps 4 and 6
//! alone: it is the operator's, and is neither copied nor moved.
//!
//! Limits: everything here blocks, but for reading the download, so it runs on a thread beside the
//! master's loop. Strays of a probe that left its process group are not hunted.

mod attributes;
mod candidate;
mod folder;
mod history;
mod note;
mod preflight;
mod probe;
mod reckon;
mod rehearsal;
mod stage;
mod swap;
#[cfg(test)]
mod testing;
mod trial;
mod trials;
mod verify;
mod vet;

use std::error::Error as StdError;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub use self::candidate::Candidate;
pub(crate) use self::candidate::PreUpgradeHook;
use self::folder::Folder;
use self::history::{Delivered, History};
pub(crate) use self::preflight::Inode;
use self::preflight::Target;
pub(crate) use self::preflight::is_taken;
pub(crate) use self::probe::answer_probe;
pub(crate) use self::reckon::{Unfinished, reckon};
pub(crate) use self::rehearsal::Rehearsal;
use self::swap::Swapped;
use self::trial::Trial;
pub(crate) use self::trials::by_request;
pub(crate) use self::vet::{Vetted, vet};
use crate::config::Acceptance;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::fetcher::{Current, Download};
use crate::identity::BinaryId;
use crate::origin::Origin;

/// Takes candidates to the path of the binary, one at a time.
pub(crate) struct Pipeline {
    origin: Origin,
    acceptance: Acceptance,
    hook: Option<PreUpgradeHook>,
    observer: Observer,
    target: Target,
    rehearsal: Rehearsal,
    history: History,
    /// The candidate in place that is on trial, or waits for it.
    trial: Option<Swapped>,
    /// The trial as this start of the service was counted in it.
    counted: Option<Trial>,
    /// The binary in place, if it is to be rolled back and refused by request.
    withdrawn: Option<BinaryId>,
    limits: stage::Limits,
    probe_limits: probe::Limits,
    /// Closed at its other end when nobody wants an upgrade any more.
    wanted: Option<OwnedFd>,
}

impl Pipeline {
    /// Locks the binary on disk, and sees whether it can be replaced where it lies.
    ///
    /// The errors name the directory and the remedy. Leftovers of an upgrader that was killed are
    /// removed, and what it turned down is known. A trial that it did not end is taken up, and if this
    /// start of the service is counted in it, that is `unfinished`. Each probe is asked to take over
    /// what `rehearsal` says by then.
    pub(crate) fn open(
        origin: Origin,
        acceptance: Acceptance,
        hook: Option<PreUpgradeHook>,
        observer: Observer,
        rehearsal: Rehearsal,
        unfinished: Option<Unfinished>,
    ) -> Result<Self> {
        let state_dir = acceptance.state_dir.as_deref();
        let (counted, target) = match unfinished {
            Some(Unfinished { target, trial, uncounted }) => {
                if let Some(error) = uncounted {
                    observer.warn(error);
                }
                (Some(trial), target.checked(state_dir)?)
            }
            None => (None, open_target(&origin, state_dir)?),
        };
        if let Some(losses) = target.losses() {
            observer.warn(Error::new(losses.kind(), losses.to_string()));
        }
        if let Err(error) = target.sweep() {
            let directory = target.directory().display();
            let words = format!("leftovers in directory {directory} cannot be removed");
            observer.warn(Error::new(ErrorKind::Swap, words).caused_by(error));
        }
        let history = History::load(&target).unwrap_or_else(|error| {
            observer.warn(error);
            History::default()
        });
        let limits = stage::Limits { max_size: acceptance.max_size, ..stage::Limits::default() };
        let mut pipeline = Self {
            origin,
            acceptance,
            hook,
            observer,
            target,
            rehearsal,
            history,
            trial: None,
            counted,
            withdrawn: None,
            limits,
            probe_limits: probe::Limits::default(),
            wanted: None,
        };
        pipeline.take_up_trial();
        Ok(pipeline)
    }

    /// Probes no longer than the other end of `wanted` is open.
    pub(crate) fn while_open(mut self, wanted: OwnedFd) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Takes `download` through every step before the swap.
    ///
    /// `None` if there is nothing to put in place: these bytes run already, or were refused, now
    /// or before.
    ///
    /// # Errors
    ///
    /// What kept them from being examined, which is no fault of theirs: the next poll tries again.
    pub(crate) async fn examine(&mut self, mut download: Download) -> Result<Option<Candidate>> {
        let announced = download.sha256;
        let is_whole = download.length.is_some() || announced.is_some();
        self.prepare()?;
        if let Some(id) = announced
            && self.is_settled(id)
        {
            self.end(id, download.validator.take(), is_whole);
            return Ok(None);
        }
        let mut candidate = match stage::stage(download, &self.target, self.limits).await {
            Ok(candidate) => candidate,
            Err(error) => return self.refuse(None, error),
        };
        let id = candidate.id();
        if let Err(error) = verify::digest(id, announced) {
            return self.refuse(Some(id), error);
        }
        let validator = candidate.validator().map(str::to_owned);
        if self.is_settled(id) {
            self.end(id, validator, is_whole);
            return Ok(None);
        }
        candidate.set_mask(self.origin.mask());
        self.observer.tell(&Event::CandidateStaged { id, length: candidate.length() });
        let Err(error) = self.judge(&mut candidate) else { return Ok(Some(candidate)) };
        // The history may need the room that it takes.
        drop(candidate);
        if self.turn_down(id, &error) {
            self.end(id, validator, is_whole);
        }
        self.refuse(Some(id), error)
    }

    /// What the fetcher is to compare with: the binary on disk, and the validator of the last cycle
    /// that ended, unless its bytes may be tried again.
    pub(crate) fn current(&mut self) -> Current {
        self.history.notice_removal(&self.target);
        let is_due = self.retry_at().is_some_and(|at| at <= Instant::now());
        let validator = self.history.delivered().and_then(|delivered| delivered.validator.clone());
        Current::new(self.target.id()).with_validator(validator.filter(|_| !is_due))
    }

    /// When the bytes that were offered last, and failed while they ran, may be tried again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.history.retry_at(self.history.delivered()?.id)
    }

    /// Follows a deploy by hand, and sees whether the binary can still be replaced.
    fn prepare(&mut self) -> Result<()> {
        let moved = self.origin.real_path().is_ok_and(|path| path != self.target.path());
        if moved || !self.target.is_in_place() {
            self.target = open_target(&self.origin, self.acceptance.state_dir.as_deref())?;
            (self.trial, self.counted) = (None, None);
            if !moved && let Err(error) = Trial::remove(&self.target) {
                self.observer.warn(error);
            }
        } else {
            self.target.check()?;
        }
        if moved && let Err(error) = self.history.move_to(&self.target) {
            self.observer.warn(error);
        }
        // What could not be written when it changed.
        self.save_history();
        Ok(())
    }

    fn save_history(&mut self) {
        if let Err(error) = self.history.save(&self.target) {
            self.observer.warn(error);
        }
    }

    /// Everything that is known before the candidate takes the path.
    fn judge(&mut self, candidate: &mut Candidate) -> Result<()> {
        note::check(candidate.path())?;
        self.ask_hook(candidate)?;
        let wanted = self.wanted.as_ref().map(OwnedFd::as_fd);
        let (path, limits) = (candidate.path(), self.probe_limits);
        let snapshot = self.rehearsal.get();
        let addresses = probe::probe(path, &self.origin, snapshot.as_deref(), limits, wanted)?;
        candidate.set_addresses(addresses);
        Ok(())
    }

    fn ask_hook(&mut self, candidate: &Candidate) -> Result<()> {
        let Some(hook) = &mut self.hook else { return Ok(()) };
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| hook(candidate))) else {
            let words = "the `pre_upgrade` hook panicked; see its message on stderr";
            return Err(Error::new(ErrorKind::Rejected, words));
        };
        let is_busy = answer.as_ref().is_err_and(|error| is_busy(&**error));
        if is_busy {
            let words = "the `pre_upgrade` hook could not run the candidate at this moment; it is \
                         tried again";
            return answer.context(ErrorKind::Spawn, || words);
        }
        answer.context(ErrorKind::Rejected, || "the `pre_upgrade` hook turned it down")
    }

    /// Whether there is nothing to gain from these bytes now.
    fn is_settled(&self, id: BinaryId) -> bool {
        id == self.target.id() || !self.history.allows(id, Instant::now())
    }

    /// Remembers what turned `id` down, unless that was no matter of its bytes: then not, and the
    /// cycle has not ended.
    fn turn_down(&mut self, id: BinaryId, reason: &Error) -> bool {
        match reason.kind() {
            ErrorKind::Note | ErrorKind::Rejected => self.history.refuse(id, reason),
            ErrorKind::Probe => self.history.fail(id, reason, Instant::now()),
            _ => return false,
        }
        true
    }

    /// The cycle of these bytes ended.
    ///
    /// What the note refused may be the first part of a binary, where nobody told the length: then
    /// the whole may come under the same validator, which is not handed out.
    fn end(&mut self, id: BinaryId, validator: Option<String>, is_whole: bool) {
        let may_be_part = !is_whole && self.history.kind(id) == Some(ErrorKind::Note);
        let validator = validator.filter(|_| !may_be_part);
        self.history.deliver(Delivered { id, validator });
        self.save_history();
    }

    /// Tells what is wrong with the bytes; any other error goes on to the caller.
    fn refuse(&self, id: Option<BinaryId>, error: Error) -> Result<Option<Candidate>> {
        match error.kind() {
            ErrorKind::Verify | ErrorKind::Note | ErrorKind::Rejected | ErrorKind::Probe => {
                self.observer.tell(&Event::CandidateRefused { id, reason: Arc::new(error) });
                Ok(None)
            }
            _ => Err(error),
        }
    }
}

/// Whether a hook failed because some fork of this process, on its way to `execve`, has a copy of
/// the descriptor that wrote the candidate.
fn is_busy(error: &(dyn StdError + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|error| error.kind() == io::ErrorKind::ExecutableFileBusy)
    })
}

/// Which file is at the path of the binary, if it is another than the one that was `seen` there and
/// is not on trial; and whether whoever has its lock put it there, and it proved itself.
///
/// A trial is noted before a candidate takes the path, and the note goes when it stays, after the
/// history has it: so whoever sees a file there before and after it sees no note has seen one that
/// is to stay, and finds it in the history. What is not there is the operator's.
pub(crate) fn look(
    origin: &Origin,
    acceptance: &Acceptance,
    seen: Option<Inode>,
) -> Option<(Inode, bool)> {
    let path = origin.real_path().ok()?;
    let found = Inode::at(&path).ok().filter(|found| Some(*found) != seen)?;
    let beside = preflight::folder_of(&path).ok()?;
    if Trial::is_there(&beside) {
        return None;
    }
    let state = match &acceptance.state_dir {
        Some(directory) => Folder::in_state_dir(directory, &path).ok()?,
        None => beside,
    };
    let good = History::load_from(&state).ok().and_then(|history| history.good());
    let id = BinaryId::of_file(&path).ok()?;
    (Inode::at(&path).ok() == Some(found)).then_some((found, good == Some(id)))
}

/// Where the binary that `path` is was put aside when it was replaced.
pub(crate) fn previous_of(path: &Path) -> Option<PathBuf> {
    Some(preflight::folder_of(path).ok()?.path_of("previous"))
}

fn open_target(origin: &Origin, state_dir: Option<&Path>) -> Result<Target> {
    let path = origin.real_path().context(ErrorKind::Swap, || {
        format!("{} leads to no file; put the binary there", origin.path().display())
    })?;
    Target::open(path, state_dir)
}

#[cfg(test)]
mod tests;
