//! What it takes to look after a binary.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Acceptance;
use crate::error::{Context as _, ErrorKind, Result};
use crate::event::Observer;
use crate::master::upgrades::no_descriptors;
use crate::origin::Origin;
use crate::upgrade::{Counted, Pipeline, PreUpgradeHook, Rehearsal};

/// What a pipeline is made of, again and again.
pub(in crate::master::upgrades) struct Opening {
    pub(in crate::master::upgrades) origin: Origin,
    pub(in crate::master::upgrades) acceptance: Acceptance,
    pub(in crate::master::upgrades) hook: Option<Arc<Mutex<PreUpgradeHook>>>,
    pub(in crate::master::upgrades) observer: Observer,
    pub(in crate::master::upgrades) rehearsal: Rehearsal,
    pub(in crate::master::upgrades) wanted: OwnedFd,
}

impl Opening {
    pub(super) fn open(&self, counted: Option<Counted>) -> Result<Pipeline> {
        let hook = self.hook.clone().map(|hook| -> PreUpgradeHook {
            Box::new(move |candidate| {
                // One that has panicked is asked again.
                (hook.lock().unwrap_or_else(PoisonError::into_inner))(candidate)
            })
        });
        let (origin, acceptance) = (self.origin.clone(), self.acceptance.clone());
        let (observer, rehearsal) = (self.observer.clone(), self.rehearsal.clone());
        let wanted = self.wanted.try_clone().context(ErrorKind::Unsupported, no_descriptors)?;
        let pipeline = Pipeline::open(origin, acceptance, hook, observer, rehearsal, counted)?;
        Ok(pipeline.while_open(wanted))
    }
}
