//! What others are shown of the service, whenever that has changed: its process manager.

#[cfg(feature = "systemd")]
mod manager;

use std::time::Instant;

#[cfg(feature = "systemd")]
pub(super) use self::manager::Managed;
use super::{Ending, Master};
use crate::event::Event;
use crate::identity::Generation;

/// What they were shown last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    #[cfg(feature = "systemd")]
    pub(super) managed: Option<Managed>,
}

impl Shown {
    /// When somebody is to be shown something although nothing has happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        #[cfg(feature = "systemd")]
        if let Some(managed) = &self.managed {
            return managed.deadline();
        }
        None
    }

    /// Notices what is told as an event, and is no part of the view.
    pub(super) fn hear(&mut self, event: &Event) {
        #[cfg(feature = "systemd")]
        if let Some(managed) = &mut self.managed {
            managed.hear(event);
        }
        let _ = event;
    }
}

impl Master {
    /// Tells what has changed.
    pub(super) fn show(&mut self) {
        if let Some(Ending::FirstNotStarted(_)) = self.outcome {
            // Without a master it may go on.
            return;
        }
        #[cfg(feature = "systemd")]
        if let Some(managed) = &mut self.shown.managed {
            managed.show(&self.plan.view(), &mut self.children, Instant::now());
        }
    }

    /// A child has said that it lives.
    pub(super) fn felt(&mut self, generation: Generation) {
        #[cfg(feature = "systemd")]
        if let Some(managed) = &mut self.shown.managed
            && self.plan.view().acting == Some(generation)
        {
            managed.felt();
        }
        let _ = generation;
    }
}
