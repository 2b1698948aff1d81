//! From a download to a candidate that may take the path of the binary, or to what is wrong with it.

use std::error::Error as StdError;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::time;

use super::candidate::Candidate;
use super::history::Delivered;
use super::offering::Offering;
use super::verify::{self, Check, Signed};
use super::{Pipeline, decode, note, probe, stage};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::Event;
use crate::fetcher::{Download, LONGEST_VALIDATOR};
use crate::identity::BinaryId;

impl Pipeline {
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
        self.refusal = None;
        download.validator.take_if(|validator| validator.len() > LONGEST_VALIDATOR);
        self.prepare()?;
        // Where signatures are asked for, nobody else's word ends a cycle.
        let is_trusted = self.acceptance.keys.is_empty();
        if let Some(id) = announced.filter(|id| is_trusted && self.is_settled(*id)) {
            self.end(self.delivered(id, download.validator.take()), is_whole);
            return Ok(None);
        }
        let offering = Offering::of(&download);
        if self.unproven.is_left_alone(&offering, time::Instant::now()) {
            return Ok(None);
        }
        let check = Check::begin(&mut download, &self.acceptance.keys);
        let staged = match stage::stage(download, &self.target, self.limits).await {
            Ok(staged) => staged,
            Err(error) => return self.doubt(offering, None, error),
        };
        let published = staged.id();
        if let Err(error) = verify::digest(published, announced) {
            return self.doubt(offering, Some(published), error);
        }
        let validator = staged.validator().map(str::to_owned);
        let signed = self.signed(check, &offering);
        if self.is_settled(published) {
            // What runs needs no signature, but without one no cycle ends: that these bytes are what
            // their validator stands for could keep a release out that is to come under it.
            match signed {
                Ok(_) => self.end(self.delivered(published, validator), is_whole),
                Err(_) => self.unproven.refuse(offering, Some(published), time::Instant::now()),
            }
            return Ok(None);
        }
        let signed = match signed {
            Ok(signed) => signed,
            Err(error) => return self.doubt(offering, Some(published), error),
        };
        // Of what nobody vouches for, nothing is unpacked.
        let mut candidate = match decode::unpack(staged, &self.target, &self.terms).await {
            Ok(candidate) => candidate,
            Err(error) => {
                if self.turn_down(published, &error) {
                    self.end(Delivered::new(published, published, validator), is_whole);
                }
                return self.refuse(Some(published), error);
            }
        };
        let id = candidate.id();
        let delivered = Delivered::new(published, id, validator);
        if self.is_settled(id) {
            self.end(delivered, is_whole);
            return Ok(None);
        }
        self.present(&mut candidate, signed);
        let Err(error) = self.judge(&mut candidate) else { return Ok(Some(candidate)) };
        // The history may need the room that it takes.
        drop(candidate);
        if self.turn_down(id, &error) {
            self.end(delivered, is_whole);
        }
        self.refuse(Some(id), error)
    }

    /// Who signed `offering`, with which there is nothing wrong then.
    fn signed(&mut self, check: Check, offering: &Offering) -> Result<Option<Signed>> {
        let signed = check.finish();
        if signed.is_ok() {
            self.unproven.forget(offering);
        }
        signed
    }

    /// Tells of a candidate that is what was published.
    fn present(&self, candidate: &mut Candidate, signed: Option<Signed>) {
        let id = candidate.id();
        candidate.set_mask(self.origin.mask());
        self.observer.tell(&Event::CandidateStaged { id, length: candidate.length() });
        if let Some(Signed { key, comment }) = signed {
            candidate.set_trusted_comment(comment.clone());
            self.observer.tell(&Event::CandidateVerified { id, key, comment });
        }
    }

    /// Everything that is known before the candidate takes the path.
    fn judge(&mut self, candidate: &mut Candidate) -> Result<()> {
        let replaced = self.note();
        let note = note::check(candidate.path(), replaced.as_ref(), &self.acceptance)?;
        candidate.set_note(note);
        self.ask_hook(candidate)?;
        self.probe(candidate)
    }

    /// Starts it once, and hears where it listens.
    pub(super) fn probe(&self, candidate: &mut Candidate) -> Result<()> {
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

    /// Whether there is nothing to gain from these bytes now, packed or not.
    fn is_settled(&self, id: BinaryId) -> bool {
        let (binary, now) = (self.history.binary_in(id), Instant::now());
        let is_allowed = |id| self.history.allows(id, now) || self.is_outdated(id);
        binary == self.target.id() || !is_allowed(id) || !is_allowed(binary)
    }

    /// These bytes, delivered again.
    fn delivered(&self, id: BinaryId, validator: Option<String>) -> Delivered {
        Delivered::new(id, self.history.binary_in(id), validator)
    }

    /// Remembers what turned `id` down, unless that was no matter of its bytes: then not, and the
    /// cycle has not ended.
    fn turn_down(&mut self, id: BinaryId, reason: &Error) -> bool {
        match reason.kind() {
            ErrorKind::Decode if decode::is_overdue(reason) => {
                self.history.fail(id, reason, Instant::now());
            }
            ErrorKind::Decode | ErrorKind::Note => {
                self.history.refuse_beside(self.target.id(), id, reason);
            }
            ErrorKind::Rejected => self.history.refuse(id, reason),
            ErrorKind::Probe => self.history.fail(id, reason, Instant::now()),
            _ => return false,
        }
        true
    }

    /// The cycle of these bytes ended.
    ///
    /// What was refused as it is may be the first part of a file, where nobody told the length: then
    /// the whole may come under the same validator, which is not handed out.
    fn end(&mut self, mut delivered: Delivered, is_whole: bool) {
        let kind = self.history.kind(delivered.binary());
        let may_be_part = matches!(kind, Some(ErrorKind::Decode | ErrorKind::Note)) && !is_whole;
        delivered.validator = delivered.validator.filter(|_| !may_be_part);
        self.history.deliver(delivered);
        self.save_history();
    }

    /// Refuses what nobody vouches for, or what did not come as announced, without a word about its
    /// bytes: they may be good ones.
    fn doubt(
        &mut self,
        offering: Offering,
        id: Option<BinaryId>,
        error: Error,
    ) -> Result<Option<Candidate>> {
        if error.kind() == ErrorKind::Verify {
            self.refusal = Some(error.chain());
            let is_told = self.unproven.knows(&offering, id);
            self.unproven.refuse(offering, id, time::Instant::now());
            if is_told {
                return Ok(None);
            }
        }
        self.refuse(id, error)
    }

    /// Tells what is wrong with the bytes; any other error goes on to the caller.
    fn refuse(&mut self, id: Option<BinaryId>, error: Error) -> Result<Option<Candidate>> {
        match error.kind() {
            ErrorKind::Verify
            | ErrorKind::Decode
            | ErrorKind::Note
            | ErrorKind::Rejected
            | ErrorKind::Probe => {
                self.refusal = Some(error.chain());
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
