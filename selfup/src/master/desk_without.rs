//! The loop's side of the control socket, where there is none: the feature `control` is off.

use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, Instant};

use super::Master;
use super::plan::{Action, Input};
use super::upgrades::{Offer, Polled};
use crate::config::Address;
use crate::error::Result;
use crate::event::Observer;
use crate::identity::Generation;
use crate::listeners::Bound;
use crate::upgrade::Vetted;

#[derive(Debug)]
pub(super) struct Desk;

/// Nobody asks.
#[derive(Debug)]
#[expect(dead_code, reason = "with the feature somebody does")]
pub(super) enum Heard {
    Asked(Infallible),
    Found,
}

#[expect(clippy::unused_self, reason = "with the feature each of these does something")]
impl Desk {
    pub(super) fn new(_: Option<Address>, _: i32, _: bool, _: &Observer) -> Self {
        Self
    }

    #[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
    pub(super) fn bind(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn take_over(&mut self, _: Option<Bound>, _: Option<serde_json::Value>) -> bool {
        false
    }

    pub(super) fn take_charge(&mut self) {}

    pub(super) fn estate(&self, _: bool) -> (Option<&Bound>, Option<serde_json::Value>) {
        (None, None)
    }

    pub(super) fn begin(&mut self) -> bool {
        false
    }

    pub(super) fn open(&mut self) {}

    pub(super) fn holds_up(&mut self, _: Instant) -> bool {
        false
    }

    pub(super) fn close(&mut self, _: Generation) -> bool {
        true
    }

    pub(super) fn end(&mut self) {}

    pub(super) async fn next(&mut self) -> Heard {
        pending().await
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        None
    }

    pub(super) fn offered(&mut self, _: &Vetted, _: Offer) {}

    pub(super) fn restarted(&mut self) {}

    pub(super) fn polling(&mut self, _: u64) {}

    pub(super) fn polled(&mut self, _: &Polled, _: Generation) {}

    pub(super) fn answered(&mut self, _: u64, _: &std::result::Result<(), String>) {}

    pub(super) fn rests(&mut self, _: Duration) {}

    pub(super) fn resting(&mut self, _: u64) {}
}

#[expect(clippy::unused_self, reason = "with the feature each of these does something")]
impl Master {
    pub(super) fn asked(&mut self, asked: Infallible) -> Option<Input> {
        match asked {}
    }

    pub(super) fn note(&mut self, _: &Action) {}

    pub(super) fn attend(&mut self) {}
}

/// A socket that another version left is closed like one that no address needs.
pub(super) fn take_out(_: &mut Vec<Bound>, _: Option<usize>, _: Option<&Address>) -> Option<Bound> {
    None
}
