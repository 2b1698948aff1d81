//! What the events of this service have said, as far as an operator is told of it later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::control::{Binary, Refusal, Upgrade};
use crate::error::ErrorKind;
use crate::event::{Event, bounded};
use crate::identity::BinaryId;
use crate::master::plan::Action;

/// What is remembered for as long as the service runs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) last_upgrade: Option<Upgrade>,
    pub(super) last_refusal: Option<Refusal>,
    /// What is in place, and did not prove itself yet.
    pending: Option<Upgrade>,
    /// Whether that is being put back because it failed.
    is_restoring: bool,
}

impl Memory {
    /// The plan does this.
    pub(super) fn did(&mut self, action: &Action) {
        match action {
            Action::Swap => (self.pending, self.is_restoring) = (None, false),
            // What somebody asked for is told as that, whoever does it.
            Action::Restore(reason) => self.is_restoring = reason.kind() != ErrorKind::Rejected,
            Action::Keep => self.last_upgrade = self.pending.take().or(self.last_upgrade.take()),
            _ => {}
        }
    }

    pub(super) fn hear(&mut self, event: &Event, at: SystemTime) {
        let refusal = |digest, reason| Some(Refusal { digest, reason: bounded(reason), at });
        match event {
            Event::Upgraded { from, from_version, to, to_version } => {
                let (from, to) =
                    (binary(*from, from_version.as_ref()), binary(*to, to_version.as_ref()));
                self.pending = Some(Upgrade { from, to, at });
            }
            Event::RolledBack { from, from_version, to, to_version } => {
                if std::mem::take(&mut self.is_restoring) {
                    // Why, was said.
                    self.pending = None;
                    return;
                }
                self.last_refusal = refusal(Some(from.to_string()), BY_REQUEST.into());
                let (from, to) =
                    (binary(*from, from_version.as_ref()), binary(*to, to_version.as_ref()));
                self.pending = Some(Upgrade { from, to, at });
            }
            Event::CandidateRefused { id, reason } => {
                let digest = id.map(|id| id.to_string());
                self.last_refusal = refusal(digest, reason.chain());
            }
            Event::RestartAbandoned { reason, .. } => {
                // One in place that waits for its trial has no part in what came there by hand.
                let failed = self.pending.take_if(|_| self.is_restoring);
                let digest = failed.map(|failed| failed.to.digest);
                self.last_refusal = refusal(digest, reason.chain());
            }
            _ => {}
        }
    }

    /// It, for the master that follows.
    pub(super) fn leave(&self) -> Left {
        let upgrade = self.last_upgrade.as_ref().map(|it| UpgradeText {
            from: BinaryText::of(&it.from),
            to: BinaryText::of(&it.to),
            at: seconds(it.at),
        });
        let refusal = self.last_refusal.as_ref().map(|it| RefusalText {
            digest: it.digest.clone(),
            reason: it.reason.clone(),
            at: seconds(it.at),
        });
        Left { upgrade, refusal }
    }
}

/// What a master leaves of its memory.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Left {
    #[serde(default)]
    upgrade: Option<UpgradeText>,
    #[serde(default)]
    refusal: Option<RefusalText>,
}

#[derive(Debug, Serialize, Deserialize)]
struct UpgradeText {
    from: BinaryText,
    to: BinaryText,
    at: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct BinaryText {
    digest: String,
    #[serde(default)]
    version: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RefusalText {
    #[serde(default)]
    digest: Option<String>,
    reason: String,
    at: u64,
}

impl From<Left> for Memory {
    fn from(left: Left) -> Self {
        let last_upgrade = left.upgrade.map(|it| Upgrade {
            from: it.from.into_binary(),
            to: it.to.into_binary(),
            at: time(it.at),
        });
        let last_refusal = left.refusal.map(|it| {
            let RefusalText { digest, reason, at } = it;
            Refusal { digest, reason, at: time(at) }
        });
        Self { last_upgrade, last_refusal, ..Self::default() }
    }
}

impl BinaryText {
    fn of(binary: &Binary) -> Self {
        Self { digest: binary.digest.clone(), version: binary.version.clone() }
    }

    fn into_binary(self) -> Binary {
        Binary { digest: self.digest, version: self.version }
    }
}

pub(super) fn binary(id: BinaryId, version: Option<&String>) -> Binary {
    Binary { digest: id.to_string(), version: version.cloned() }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

const BY_REQUEST: &str = "it was rolled back by request";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;
    use crate::identity::Generation;

    fn id(byte: u8) -> BinaryId {
        BinaryId::from_bytes([byte; 32])
    }

    fn upgraded(from: u8, to: u8) -> Event {
        let to_version = Some("2.0.0".to_owned());
        Event::Upgraded { from: id(from), from_version: None, to: id(to), to_version }
    }

    fn rolled_back(from: u8, to: u8) -> Event {
        let (from, to) = (id(from), id(to));
        Event::RolledBack { from, from_version: None, to, to_version: None }
    }

    fn abandoned() -> Event {
        let reason = Arc::new(Error::new(ErrorKind::NotReady, "it was not ready"));
        Event::RestartAbandoned { generation: Generation::new(2), reason }
    }

    #[test]
    fn an_upgrade_is_the_last_one_once_it_is_kept_and_outlives_the_master() {
        let mut memory = Memory::default();
        memory.did(&Action::Swap);
        memory.hear(&upgraded(1, 2), UNIX_EPOCH);
        assert!(memory.last_upgrade.is_none());
        memory.did(&Action::Keep);
        let text = serde_json::to_value(memory.leave()).unwrap();
        let after = Memory::from(serde_json::from_value::<Left>(text).unwrap());
        let last = after.last_upgrade.unwrap();
        assert_eq!((last.from.digest, last.to.digest), (id(1).to_string(), id(2).to_string()));
        assert_eq!(last.to.version.as_deref(), Some("2.0.0"));
    }

    #[test]
    fn one_that_fails_is_a_refusal_with_its_digest_and_the_last_upgrade_stays() {
        let mut memory = Memory::default();
        memory.hear(&upgraded(1, 2), UNIX_EPOCH);
        memory.did(&Action::Keep);
        memory.did(&Action::Swap);
        memory.hear(&upgraded(2, 3), UNIX_EPOCH);
        memory.did(&Action::Restore(Error::new(ErrorKind::NotReady, "it was not ready")));
        memory.hear(&abandoned(), UNIX_EPOCH);
        memory.hear(&rolled_back(3, 2), UNIX_EPOCH);
        let refusal = memory.last_refusal.as_ref().unwrap();
        assert_eq!(refusal.digest, Some(id(3).to_string()));
        assert_eq!(refusal.reason, "it was not ready");
        // A restart is kept, too, and says nothing of it.
        memory.did(&Action::Keep);
        assert_eq!(memory.last_upgrade.unwrap().to.digest, id(2).to_string());
    }

    #[test]
    fn what_waits_in_place_is_not_blamed_for_a_deploy_by_hand_that_fails() {
        let mut memory = Memory::default();
        memory.did(&Action::Swap);
        memory.hear(&upgraded(1, 2), UNIX_EPOCH);
        memory.did(&Action::Leave);
        memory.hear(&abandoned(), UNIX_EPOCH);
        assert_eq!(memory.last_refusal.as_ref().unwrap().digest, None);
        // Its own trial comes with a later restart.
        memory.did(&Action::Restore(Error::new(ErrorKind::NotReady, "it was not ready")));
        memory.hear(&abandoned(), UNIX_EPOCH);
        assert_eq!(memory.last_refusal.unwrap().digest, Some(id(2).to_string()));
    }

    #[test]
    fn a_reason_without_an_end_is_cut() {
        let mut memory = Memory::default();
        let reason = Arc::new(Error::new(ErrorKind::Rejected, "no".repeat(100_000)));
        memory.hear(&Event::CandidateRefused { id: None, reason }, UNIX_EPOCH);
        assert!(memory.last_refusal.unwrap().reason.len() < 5000);
    }

    #[test]
    fn a_rollback_by_request_refuses_what_it_goes_back_from() {
        let mut memory = Memory::default();
        memory.did(&Action::Swap);
        memory.hear(&rolled_back(2, 1), UNIX_EPOCH);
        memory.did(&Action::Keep);
        assert_eq!(memory.last_refusal.unwrap().digest, Some(id(2).to_string()));
        assert_eq!(memory.last_upgrade.unwrap().to.digest, id(1).to_string());
    }
}
