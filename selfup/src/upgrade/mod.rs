//! The way of a candidate, from the fetcher's bytes to the path of the binary and back.
//!
//! One [`Pipeline`] for a service, and one order, each step in a file of its own:
//!
//! 1. [`preflight`]: can the binary be replaced here, and is nobody else at it?
//! 2. [`stage`]: the bytes, beside the binary, digested.
//! 3. [`verify`]: are they what was announced, and signed by somebody who is trusted?
//! 4. [`decode`]: the binary in them, where they are a compressed file or an archive.
//! 5. [`note`]: is it a whole binary for this machine, of this program, and not an older one? Nothing
//!    of it has run so far.
//! 6. the `pre_upgrade` hook of the program that runs.
//! 7. [`probe`]: does it answer when it is started once?
//! 8. [`swap`]: it takes the path, and the previous binary keeps a name of its own.
//!
//! The first seven are [`examine`]'s.
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
//! What lacks a good digest or signature ends no cycle, for it may get one, and neither does what has
//! another length than announced, no end, or comes too slowly; [`offering`] keeps it from being read
//! again and again until then.
//!
//! Where an archive is published, the history remembers what was delivered by the digest of the
//! archive, with that of the binary in it, and what became of it by that of the binary: the same
//! binary in another archive is the same binary, and an archive whose binary runs already is not
//! sent again, nor unpacked again where its source cannot tell that.
//!
//! What is wrong with the bytes is told as an event, once, and is no error: the pipeline did its
//! work. Its errors, which are told by the caller, are about everything else.
//!
//! A binary that somebody else put at the path is looked at by [`vet`](vet()), which is steps 5 and 7
//! alone: it is the operator's, and is neither copied nor moved.
//!
//! Limits: everything here blocks, but for reading the download, so it runs on a thread beside the
//! master's loop.

mod attributes;
mod candidate;
mod decode;
mod examine;
mod folder;
mod follow;
#[cfg(all(any(fuzzing, test), feature = "archives"))]
pub mod fuzzing;
mod history;
mod lock;
mod note;
mod offering;
mod preflight;
mod probe;
mod reckon;
mod rehearsal;
mod remembered;
mod stage;
#[cfg(feature = "cli")]
pub(crate) mod survey;
mod swap;
#[cfg(test)]
mod testing;
mod trial;
mod trials;
mod verify;
mod vet;

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub use self::candidate::Candidate;
pub(crate) use self::candidate::PreUpgradeHook;
#[cfg(feature = "control")]
pub(crate) use self::candidate::stamp::Stamp;
pub(crate) use self::follow::look;
use self::history::History;
pub(crate) use self::lock::is_taken;
use self::offering::Unproven;
pub(crate) use self::preflight::Inode;
use self::preflight::Target;
pub(crate) use self::probe::answer_probe;
pub(crate) use self::reckon::{Counted, Unfinished, reckon};
pub(crate) use self::rehearsal::Rehearsal;
pub(crate) use self::remembered::Remembered;
use self::swap::Swapped;
use self::trial::Trial;
use self::trials::LeftNote;
pub(crate) use self::trials::by_request;
pub(crate) use self::vet::{Demands, Vetted, vet};
use crate::config::Acceptance;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::Observer;
use crate::fetcher::Current;
use crate::identity::BinaryId;
use crate::note::Note;
use crate::origin::Origin;

/// Takes candidates to the path of the binary, one at a time.
pub(crate) struct Pipeline {
    origin: Origin,
    acceptance: Acceptance,
    terms: decode::Terms,
    hook: Option<PreUpgradeHook>,
    observer: Observer,
    target: Target,
    rehearsal: Rehearsal,
    history: History,
    /// The candidate in place that is on trial, or waits for it.
    trial: Option<Swapped>,
    /// Whether it failed, and the previous binary could not be put back: that is tried again.
    is_way_back_open: bool,
    /// The trial as this start of the service was counted in it.
    counted: Option<Trial>,
    /// Whether there is a note of a trial that is over.
    left_note: Option<LeftNote>,
    /// Whether what was on trial was found to have failed, and is not in place any more.
    has_put_back: bool,
    /// The binary in place, if it is to be rolled back and refused by request.
    withdrawn: Option<BinaryId>,
    /// Why the last download was turned down, if it was.
    refusal: Option<String>,
    unproven: Unproven,
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
    /// start of the service is `counted` in it, that is said. Each probe is asked to take over
    /// what `rehearsal` says by then.
    pub(crate) fn open(
        origin: Origin,
        acceptance: Acceptance,
        hook: Option<PreUpgradeHook>,
        observer: Observer,
        rehearsal: Rehearsal,
        counted: Option<Counted>,
    ) -> Result<Self> {
        let state_dir = acceptance.state_dir.as_deref();
        let (counted, target) = match counted {
            Some(counted) => {
                let excuse = counted.excuse();
                let Counted { mut target, trial, uncounted, .. } = counted;
                if let Some(error) = uncounted {
                    observer.warn(error);
                }
                // Nobody could say that it has passed, so nobody is to say that it has not. But a
                // `state_dir` is named by its own config, which is on trial, too.
                target.check().inspect_err(|_| excuse())?;
                (Some(trial), target.with_state_dir(state_dir)?)
            }
            None => (None, open_target(&origin, state_dir)?),
        };
        if let Some(losses) = target.losses() {
            observer.warn(Error::new(losses.kind(), losses.to_string()));
        }
        if let Err(error) = target.sweep() {
            observer.warn(error);
        }
        let history = History::load(&target).unwrap_or_else(|error| {
            observer.warn(error);
            History::default()
        });
        let bin = acceptance.bin.clone().map(String::into_bytes);
        let bin = bin.unwrap_or_else(|| note::own_name().unwrap_or_else(|| target.name().to_vec()));
        let terms = decode::Terms { bin, max_size: acceptance.max_size };
        let limits = stage::Limits { max_size: acceptance.max_size, ..stage::Limits::default() };
        let mut pipeline = Self {
            origin,
            acceptance,
            terms,
            hook,
            observer,
            target,
            rehearsal,
            history,
            trial: None,
            is_way_back_open: false,
            counted,
            left_note: None,
            has_put_back: false,
            withdrawn: None,
            refusal: None,
            unproven: Unproven::default(),
            limits,
            probe_limits: probe::Limits::default(),
            wanted: None,
        };
        pipeline.take_up_trial();
        if pipeline.trial.is_none() {
            // What is in place is there to stay: a rollback that was killed half-way refused it.
            pipeline.history.forget(pipeline.target.id());
        }
        Ok(pipeline)
    }

    /// Probes no longer than the other end of `wanted` is open.
    pub(crate) fn while_open(mut self, wanted: OwnedFd) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Whether there is room for the next upgrade, as far as it is known before one is offered.
    pub(crate) fn check_room(&self) -> Result<()> {
        stage::check_room(self.target.path(), self.target.folder())
    }

    /// Whether it knows what the next one that is opened could not.
    pub(crate) fn is_needed(&self) -> bool {
        self.trial.is_some() || !self.history.is_saved()
    }

    /// What the fetcher is to compare with: the binary on disk, and the validator of the last cycle
    /// that ended, unless its bytes may be tried again.
    pub(crate) fn current(&mut self) -> Current {
        self.history.notice_removal(&self.target);
        if matches!(self.left_note, Some(LeftNote::OfFailure)) {
            self.save_history();
        }
        self.end_trial_again();
        let is_due = self.retry_at().is_some_and(|at| at <= Instant::now());
        let delivered = self.history.delivered();
        let delivered = delivered.filter(|it| !is_due && !self.is_outdated(it.binary()));
        let validator = delivered.and_then(|delivered| delivered.validator.clone());
        Current::new(self.target.id())
            .with_validator(validator)
            .with_wanted_signature(!self.acceptance.keys.is_empty())
    }

    /// When the bytes that were offered last, and failed while they ran, may be tried again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.history.retry_at(self.history.delivered()?.binary())
    }

    /// Looks whether the binary can be replaced by now, which it could not be, and removes what could
    /// not be removed.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        self.prepare()?;
        if let Err(error) = self.target.sweep() {
            self.observer.warn(error);
        }
        Ok(())
    }

    /// Follows a deploy by hand, and sees whether the binary can still be replaced.
    fn prepare(&mut self) -> Result<()> {
        let moved = self.origin.real_path().is_ok_and(|path| path != self.target.path());
        if moved || !self.target.is_in_place() || !self.target.is_locked() {
            self.target = open_target(&self.origin, self.acceptance.state_dir.as_deref())?;
            let is_needed = matches!(self.left_note, Some(LeftNote::OfFailure));
            (self.trial, self.counted, self.left_note) = (None, None, None);
            self.is_way_back_open = false;
            if !moved && is_needed {
                self.left_note = Some(LeftNote::OfFailure);
            } else if !moved {
                self.end_trial();
            }
        } else {
            self.target.check()?;
        }
        if moved && let Err(error) = self.history.move_to(&self.target) {
            self.observer.warn(error);
        }
        // What could not be written when it changed.
        self.save_history();
        self.end_trial_again();
        Ok(())
    }

    fn save_history(&mut self) {
        if let Err(error) = self.history.save(&self.target) {
            self.observer.warn(error);
        }
    }

    /// What the binary in place says about itself.
    fn note(&self) -> Option<Note> {
        // By descriptor, whatever lies at the path, and with an offset of its own.
        note::of(Path::new(&format!("/proc/self/fd/{}", self.target.file().as_raw_fd())))
    }

    fn version(&self) -> Option<String> {
        self.note().map(|note| note.version().to_owned()).filter(|version| !version.is_empty())
    }

    /// Whether these bytes were turned down beside another binary than the one in place.
    fn is_outdated(&self, id: BinaryId) -> bool {
        self.history.is_outdated(id, self.target.id())
    }
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
