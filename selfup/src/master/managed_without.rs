//! What the process manager is told: nothing, for the feature `systemd` is off.

use std::time::Instant;

use super::Master;
use super::children::Children;
use crate::event::{Event, Observer};
use crate::identity::Generation;
use crate::origin::Origin;

#[derive(Debug, Default)]
pub(super) struct Managed {}

#[expect(clippy::unused_self, reason = "with the feature each of these does something")]
impl Managed {
    pub(super) fn begin(_: &Origin, _: &Observer, _: Vec<String>, _: Option<Instant>) -> Self {
        Self {}
    }

    pub(super) fn keep(&mut self, _: &Children) {}

    pub(super) fn deadline(&self) -> Option<Instant> {
        None
    }

    pub(super) async fn found(&mut self) {
        std::future::pending::<()>().await;
    }

    pub(super) fn hear(&mut self, _: &Event) {}

    pub(super) fn say_alive(&mut self) {}
}

#[expect(clippy::unused_self, reason = "with the feature each of these does something")]
impl Master {
    pub(super) fn show(&mut self) {}

    pub(super) fn felt(&mut self, _: Generation) {}
}
