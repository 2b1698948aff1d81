//! What a candidate is asked to take over in its probe: the master's state, as a succession would
//! hand it on.

use std::sync::{Arc, Mutex, PoisonError};

/// The newest snapshot of the master's state, shared by the loop, which knows it, and the upgrade
/// thread, which asks a candidate whether it can read it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rehearsal(Arc<Mutex<Option<String>>>);

impl Rehearsal {
    /// From now on probes are asked to take over `snapshot`.
    pub(crate) fn set(&self, snapshot: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// What the next probe is asked to take over. Until there is a snapshot, nothing.
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
