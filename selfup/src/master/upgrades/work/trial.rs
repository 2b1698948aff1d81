//! What becomes of what is in place: it is kept, left, or put back, whether upgrades are on or off.
//!
//! Upgrades may be turned off while a candidate waits in place, or is on trial: by a directory that
//! cannot be written any more. Its pipeline is kept then, with the lock and the way back, and is asked
//! at each poll whether it can replace the binary by now: opened anew, it would know less, and find its
//! own lock taken. What fails meanwhile is put back at once if that can be done by then, else at the
//! first poll at which it can; the pipeline remembers the failure, so nothing is tried again before.
//!
//! A start that is counted in a trial may find upgrades off, and then there is no pipeline to keep.
//! What fails its trial in that start is remembered here, and put back by the first that is opened.
//!
//! Limits: this is in memory. The next start finds the note of a trial, says that it cannot count, and
//! tries it again.

use super::{NOT_OURS, Stand, Work, running};
use crate::error::{Error, ErrorKind};
use crate::upgrade::Inode;

impl Work {
    pub(in crate::master::upgrades) fn keep(&mut self) {
        if let Some(pipeline) = self.stand.pipeline() {
            pipeline.keep();
        }
    }

    /// What waits in place from here on.
    pub(in crate::master::upgrades) fn leave(&mut self) -> Option<Inode> {
        let pipeline = self.stand.pipeline()?;
        pipeline.leave();
        pipeline.on_trial()
    }

    /// Puts the previous binary back, or has the [way back](Self::is_way_back_open) open.
    pub(in crate::master::upgrades) fn restore(&mut self, reason: Error) {
        if let Some(pipeline) = self.stand.pipeline() {
            if let Err(error) = pipeline.restore(&reason) {
                self.opening.observer.warn(error);
            }
            return;
        }
        let why = reason.chain();
        self.failed = Some(reason);
        // It may be possible by now. Who ordered this has the service restarted.
        let _ = self.look();
        if self.failed.is_some() {
            let path = self.opening.origin.path().display();
            let off = match &self.stand {
                Stand::Closed(off, _) => off,
                Stand::Open(_) | Stand::Following => NOT_OURS,
            };
            let words = format!(
                "the binary at {path} failed its trial ({why}), and the previous one cannot be put \
                 back so far, which is tried again at each poll: {off}"
            );
            self.opening.observer.warn(Error::new(ErrorKind::Rollback, words));
        }
    }

    /// Whether what failed could not be put back, which is tried again at the next poll.
    pub(in crate::master::upgrades) fn is_way_back_open(&mut self) -> bool {
        let is_open = self.stand.pipeline().is_some_and(|pipeline| pipeline.is_way_back_open());
        is_open || self.failed.is_some()
    }

    /// Puts back what failed while there was no pipeline for it. Says whether it did.
    pub(super) fn restore_what_failed(&mut self) -> bool {
        let (Stand::Open(pipeline), Some(reason)) = (&mut self.stand, self.failed.take()) else {
            return false;
        };
        // Somebody else may have had the lock meanwhile, and put another one there.
        if pipeline.on_trial().is_none_or(|on_trial| running() != Some(on_trial)) {
            return false;
        }
        if let Err(error) = pipeline.restore(&reason) {
            self.opening.observer.warn(error);
        }
        !pipeline.is_way_back_open()
    }

    /// Looks whether a pipeline that was kept can replace the binary by now. Says whether it put back
    /// what had failed.
    pub(super) fn look_again(&mut self) -> bool {
        let Some(pipeline) = self.stand.pipeline() else { return false };
        // It may need less than an upgrade does.
        let is_back = pipeline.go_back_again();
        if let Err(error) = pipeline.look_again() {
            self.close(error);
        } else if let Stand::Closed(_, kept) = &mut self.stand
            && let Some(pipeline) = kept.take()
        {
            self.open(pipeline);
        }
        is_back
    }
}
