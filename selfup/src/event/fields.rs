//! What an event says, each thing by its own name.

use serde::Serialize;

use super::Event;
use crate::error::Error;
use crate::identity::BinaryId;

/// Names each field once: for JSON, for `tracing`, and for the test that holds both to the table.
macro_rules! fields {
    ($($name:ident: $type:ty,)*) => {
        /// The fields of one event; what it does not say is not there.
        #[derive(Debug, Default, Serialize)]
        pub(crate) struct Fields<'a> {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(crate) $name: Option<$type>,
            )*
        }

        impl Fields<'_> {
            #[cfg(test)]
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];
        }

        /// One event of `tracing`: what is not there is no field of it.
        pub(super) fn trace(event: &Event) {
            let (name, fields) = (event.name(), event.fields());
            if event.is_warning() {
                tracing::warn!(target: "selfup", event = name, $($name = fields.$name,)* "{event}");
            } else {
                tracing::info!(target: "selfup", event = name, $($name = fields.$name,)* "{event}");
            }
        }
    };
}

fields! {
    generation: u64,
    pid: u32,
    status: &'a str,
    address: &'a str,
    local: String,
    connections: usize,
    cut: usize,
    id: String,
    length: u64,
    key: &'a str,
    comment: &'a str,
    from: String,
    from_version: &'a str,
    to: String,
    to_version: &'a str,
    what: &'a str,
    by_uid: u32,
    by_pid: u32,
    reason: String,
    error: String,
    kind: String,
}

impl Event {
    /// What it says beside its [name](Self::name). They are called as the variant's own, and the kind of
    /// a failure comes in addition.
    pub(crate) fn fields(&self) -> Fields<'_> {
        let none = Fields::default();
        match self {
            Self::Bound { address, local } => {
                Fields { address: Some(address), local: Some(local.to_string()), ..none }
            }
            Self::ChildReady { generation }
            | Self::Paused { generation }
            | Self::Resumed { generation }
            | Self::Committed { generation }
            | Self::Draining { generation }
            | Self::DrainTimedOut { generation }
            | Self::MasterReplaced { generation } => {
                Fields { generation: Some(generation.get()), ..none }
            }
            Self::ChildStarted { generation, pid } => {
                Fields { generation: Some(generation.get()), pid: Some(*pid), ..none }
            }
            Self::ChildExited { generation, status } => {
                Fields { generation: Some(generation.get()), status: Some(status), ..none }
            }
            Self::Drained { generation, connections, cut } => Fields {
                generation: Some(generation.get()),
                connections: Some(*connections),
                cut: Some(*cut),
                ..none
            },
            Self::RestartAbandoned { generation, reason } => {
                Fields { generation: Some(generation.get()), ..because(reason) }
            }
            Self::CandidateStaged { id, length } => {
                Fields { id: Some(id.to_string()), length: Some(*length), ..none }
            }
            Self::CandidateVerified { id, key, comment } => {
                let id = Some(id.to_string());
                Fields { id, key: Some(key), comment: Some(comment), ..none }
            }
            Self::CandidateRefused { id, reason } => {
                Fields { id: id.as_ref().map(BinaryId::to_string), ..because(reason) }
            }
            Self::Upgraded { from, from_version, to, to_version }
            | Self::RolledBack { from, from_version, to, to_version } => Fields {
                from: Some(from.to_string()),
                from_version: from_version.as_deref(),
                to: Some(to.to_string()),
                to_version: to_version.as_deref(),
                ..none
            },
            Self::UpgradesDisabled { reason } | Self::Following { reason } => because(reason),
            Self::UpgradesEnabled => none,
            Self::Asked { what, by_uid, by_pid } => {
                Fields { what: Some(what), by_uid: Some(*by_uid), by_pid: Some(*by_pid), ..none }
            }
            Self::FetchFailed { error } | Self::Warning { error } => {
                let Fields { reason, kind, .. } = because(error);
                Fields { error: reason, kind, ..none }
            }
        }
    }
}

fn because<'a>(reason: &Error) -> Fields<'a> {
    let kind = Some(reason.kind().to_string());
    Fields { reason: Some(bounded(reason.chain())), kind, ..Fields::default() }
}

/// `text`, with its end left out if it is too long: what a source or a hook says has no bound of its own.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

/// In bytes.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests;
