//! What others are shown of the service, whenever that has changed: the process manager.

use super::Master;
use super::plan::View;
use crate::identity::Generation;

/// What they were shown last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    view: Option<View>,
}

impl Master {
    /// Tells what has changed.
    pub(super) fn show(&mut self) {
        let view = self.plan.view();
        if self.shown.view.as_ref() == Some(&view) {
            return;
        }
        self.shown.view = Some(view);
    }

    /// A child has said that it lives.
    pub(super) fn felt(&mut self, _generation: Generation) {}
}
