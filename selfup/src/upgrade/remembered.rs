//! What is remembered of binaries, for whoever asks.

use std::time::{Instant, SystemTime};

use super::{Pipeline, note};
use crate::identity::BinaryId;
use crate::note::Note;

/// What the history says, in the words of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The binaries that proved themselves, newest first, with their versions where they are known.
    pub(crate) good: Vec<(BinaryId, Option<String>)>,
    /// What was turned down, newest first.
    pub(crate) refused: Vec<Refused>,
}

/// A binary that was turned down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) id: BinaryId,
    pub(crate) reason: String,
    /// None, where a version wrote the history that did not note it.
    pub(crate) at: Option<SystemTime>,
}

impl Pipeline {
    /// What is remembered by now, after `known`: versions are in files.
    pub(crate) fn remembered(&self, known: &Remembered) -> Remembered {
        let proven = [self.history.good(), self.history.previous()];
        let proven: Vec<_> = proven.into_iter().flatten().collect();
        let good = if known.good.iter().map(|(id, _)| *id).eq(proven.iter().copied()) {
            known.good.clone()
        } else {
            proven.into_iter().map(|id| (id, self.version_of(id))).collect()
        };
        Remembered { good, refused: self.history.refused().collect() }
    }

    /// Of the binary in place, or of the one before it.
    fn version_of(&self, id: BinaryId) -> Option<String> {
        if id == self.target.id() {
            return self.version();
        }
        let is_previous = self.history.previous() == Some(id);
        let note = is_previous.then(|| note::of(&self.target.previous_path())).flatten();
        note.as_ref().map(Note::version).filter(|version| !version.is_empty()).map(str::to_owned)
    }

    /// Why the last poll came to nothing, if it did for a reason: what was offered was turned down then,
    /// or is what was turned down before.
    pub(crate) fn take_refusal(&mut self) -> Option<String> {
        self.refusal.take().or_else(|| {
            let delivered = self.history.delivered()?.binary();
            let is_allowed = self.history.allows(delivered, Instant::now());
            let reason = self.history.why_not(delivered).filter(|_| !is_allowed);
            reason.map(str::to_owned)
        })
    }
}
