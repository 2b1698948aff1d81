//! What the two sides say.
//!
//! An old master talks to a new child and a new master to an old one, so every message is
//! self-describing: unknown messages and unknown fields are ignored, and a field that a later
//! version adds needs a default.

use serde::{Deserialize, Serialize};

/// The version of this vocabulary, for a later one that cannot be understood by defaults alone.
pub(crate) const PROTOCOL: u32 = 1;

/// From the child to its master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FromChild {
    /// The child understood its welcome.
    Hello {
        protocol: u32,
        /// Whether it answers beats, as the first version did not.
        #[serde(default)]
        beats: bool,
    },
    /// The program can serve.
    Ready,
    /// Nothing new is accepted any more.
    Paused,
    /// The program's health hook failed, or did not answer in time.
    Unhealthy { reason: String },
    /// The program asks for a restart.
    Restart,
    /// The program asks for a poll of the fetcher.
    CheckNow,
    /// The program asks for the previous binary.
    RollBack,
    /// The program asks for another try of everything that was turned down.
    ClearRefused,
    /// `serve` is at its end: so many connections there were, and so many of them were cut.
    Drained { connections: usize, cut: usize },
    /// The answer to a beat, by the program's runtime where it has one: so many connections are open,
    /// if they can be counted.
    Beat {
        #[serde(default)]
        open: Option<usize>,
    },
    /// From a later version.
    #[serde(other)]
    Unknown,
}

/// From the master to its child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FromMaster {
    /// The first message, with the listeners attached.
    Welcome(Welcome),
    /// Accept.
    Admit,
    /// Accept nothing new, keep everything.
    Pause,
    /// Accept again.
    Resume,
    /// The probation is over: this generation is the service now.
    Commit,
    /// Finish what is open and end.
    Drain,
    /// Say that you live. Who said in its hello that it answers beats, does; nobody else hears of it.
    Beat,
    /// From a later version.
    #[serde(other)]
    Unknown,
}

/// Everything that a child is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    pub(crate) generation: u64,
    pub(crate) master_pid: u32,
    /// The addresses as configured, in the order of the attached listeners.
    pub(crate) addresses: Vec<String>,
    /// How long an orphan may drain, in milliseconds.
    pub(crate) terminate_timeout_ms: u64,
    /// Whether the program says itself when it is ready.
    #[serde(default)]
    pub(crate) ready_manually: bool,
    /// Whether there is a generation before this one that can go on in its place.
    #[serde(default)]
    pub(crate) on_trial: bool,
}

/// What a candidate that is probed finds on its channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProbeQuestion {
    /// The master's state, as a succession would hand it on.
    #[serde(default)]
    pub(crate) snapshot: Option<String>,
}

/// What a candidate answers when it is probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProbeAnswer {
    pub(crate) protocol: u32,
    /// The token that it was given.
    pub(crate) token: String,
    /// The addresses that it is configured to listen on, if it evaluated its config.
    #[serde(default)]
    pub(crate) addresses: Option<Vec<String>>,
    /// Why it cannot work here, in words that need no others.
    #[serde(default)]
    pub(crate) error: Option<String>,
    /// Whether, as a master, it tells the process manager that the service lives. No version that did
    /// left this out.
    #[serde(default)]
    pub(crate) notifies: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_version_says_is_ignored_and_not_an_error() {
        let message: FromChild = serde_json::from_str(r#"{"type":"sing","song":1}"#).unwrap();
        assert_eq!(message, FromChild::Unknown);
        let message: FromMaster = serde_json::from_str(r#"{"type":"pause","why":"x"}"#).unwrap();
        assert_eq!(message, FromMaster::Pause);
        let drained = r#"{"type":"drained","connections":7,"cut":1,"why":"x"}"#;
        let message: FromChild = serde_json::from_str(drained).unwrap();
        assert_eq!(message, FromChild::Drained { connections: 7, cut: 1 });
    }

    #[test]
    fn a_beat_is_for_who_knows_beats() {
        let hello: FromChild = serde_json::from_str(r#"{"type":"hello","protocol":1}"#).unwrap();
        assert_eq!(hello, FromChild::Hello { protocol: 1, beats: false });
        let beat: FromChild = serde_json::from_str(r#"{"type":"beat"}"#).unwrap();
        assert_eq!(beat, FromChild::Beat { open: None });
    }

    #[test]
    fn the_first_versions_messages_are_read_for_ever() {
        let text = r#"{"type":"welcome","protocol":1,"generation":7,"master_pid":42,
            "addresses":[":3000"],"terminate_timeout_ms":30000}"#;
        let FromMaster::Welcome(welcome) = serde_json::from_str(text).unwrap() else { panic!() };
        assert_eq!((welcome.generation, welcome.master_pid), (7, 42));
        assert!(!welcome.ready_manually && !welcome.on_trial);
    }
}
