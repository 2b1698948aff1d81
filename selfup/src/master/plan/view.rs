//! What others may see of the plan: an operator, and the process manager.
#![cfg_attr(
    not(all(feature = "control", feature = "systemd")),
    allow(dead_code, reason = "each of those who look sees a part of it")
)]

use std::time::Instant;

use super::{Leaving, Motion, Plan};
use crate::identity::Generation;

/// The state of a service at one moment. Two that are equal need not be told twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::master) struct View {
    pub(in crate::master) phase: Phase,
    /// Whom the service belongs to; nobody, between two that must not run at once.
    pub(in crate::master) serving: Option<Generation>,
    /// Who is to follow.
    pub(in crate::master) candidate: Option<Generation>,
    /// Whom clients and signals reach.
    pub(in crate::master) acting: Option<Generation>,
    /// When the phase ends, if nothing ends it before.
    pub(in crate::master) until: Option<Instant>,
    /// Whether a restart waits for its turn.
    pub(in crate::master) restart_waits: bool,
    /// How many restarts this master was asked for, so that one more is seen although it came to
    /// nothing at once.
    pub(in crate::master) restarts_asked: u64,
    /// Who drains, or is killed, and until when.
    pub(in crate::master) draining: Vec<Leaving>,
}

/// How far one generation has come in following another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::master) enum Phase {
    Serving,
    Examining,
    Yielding,
    Starting,
    Handover,
    Probation,
    Stopping,
}

impl Phase {
    /// In a word that stays the same.
    pub(in crate::master) fn word(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Examining => "examining",
            Self::Yielding => "yielding",
            Self::Starting => "starting",
            Self::Handover => "handover",
            Self::Probation => "probation",
            Self::Stopping => "stopping",
        }
    }
}

impl Plan {
    pub(in crate::master) fn view(&self) -> View {
        let phase = match self.motion {
            Motion::Still => Phase::Serving,
            Motion::Examining(_) => Phase::Examining,
            Motion::Yielding(_) => Phase::Yielding,
            Motion::Starting(_) => Phase::Starting,
            Motion::Handover(_) => Phase::Handover,
            Motion::Probation(_) => Phase::Probation,
            Motion::Stopping => Phase::Stopping,
        };
        View {
            phase,
            serving: self.serving,
            candidate: self.trial().map(|trial| trial.candidate),
            acting: self.acting(),
            until: self.motion_ends(),
            restart_waits: self.waiting.restart,
            restarts_asked: self.restarts_asked,
            draining: self.leaving(),
        }
    }
}
