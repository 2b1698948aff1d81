//! What a master leaves to the one that takes its place, as text.
//!
//! Self-describing JSON: unknown fields are ignored, and a field that a later version adds needs a
//! default. A version that cannot be understood by that alone says so in `needs`, and whoever knows
//! less refuses the snapshot, in the probe already.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use serde::{Deserialize, Serialize};

use crate::error::{Context as _, Error, ErrorKind, Result};

/// The version that this code writes, and the highest that it reads.
pub(super) const VERSION: u32 = 1;

/// Everything that survives. Descriptors are numbers here, and open under them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) version: u32,
    /// The lowest version that reads this.
    pub(super) needs: u32,
    /// The one process that this is for.
    pub(super) pid: i32,
    pub(super) origin: OriginText,
    pub(super) newest: u64,
    pub(super) serving: u64,
    #[serde(default)]
    pub(super) restart_waits: bool,
    /// Whether the program asked for the previous binary, and nobody has answered yet.
    #[serde(default)]
    pub(super) rollback_waits: bool,
    /// Whether the program asked for what was turned down to be forgotten, and nobody has done it yet.
    #[serde(default)]
    pub(super) clear_waits: bool,
    pub(super) children: Vec<ChildText>,
    pub(super) listeners: Vec<ListenerText>,
    /// What the process manager handed in, whether a listener is made of it or not.
    #[serde(default)]
    pub(super) given: Vec<GivenText>,
    /// Why the binary that was to take over did not, told to the one that takes it back.
    #[serde(default)]
    pub(super) refusal: Option<String>,
    /// The control socket, which is one of the listeners, for a version that has no use for it.
    #[serde(default)]
    pub(super) control: Option<RawFd>,
    /// What else the desk leaves to the next one, in its own words.
    #[serde(default)]
    pub(super) desk: Option<serde_json::Value>,
}

/// How the first master of this service was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OriginText {
    pub(super) path: Text,
    pub(super) args: Vec<Text>,
    pub(super) env: Vec<(Text, Text)>,
    /// The signals that were blocked.
    pub(super) mask: Vec<i32>,
}

/// A child that lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChildText {
    pub(super) generation: u64,
    pub(super) pid: i32,
    pub(super) pidfd: RawFd,
    pub(super) channel: RawFd,
    /// The addresses of its listeners.
    pub(super) addresses: Vec<String>,
    /// Whether it answers beats.
    #[serde(default)]
    pub(super) beats: bool,
    #[serde(default)]
    pub(super) draining: Option<DrainingText>,
}

/// What bounds a drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DrainingText {
    /// The deadline, in milliseconds of `CLOCK_BOOTTIME`.
    pub(super) until_ms: u64,
    #[serde(default)]
    pub(super) is_killed: bool,
}

/// A listener that is bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListenerText {
    pub(super) address: String,
    pub(super) fd: RawFd,
    /// Device and number of the file that a UNIX socket has in the file system, by which whoever
    /// removes it knows it.
    #[serde(default)]
    pub(super) inode: Option<(u64, u64)>,
}

/// A socket that the process manager handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GivenText {
    /// The number that it was handed in as.
    pub(super) number: i32,
    pub(super) name: String,
    pub(super) fd: RawFd,
}

/// A string of the system, which need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Utf8(String),
    Bytes(Vec<u8>),
}

impl Snapshot {
    pub(super) fn encode(&self) -> Result<String> {
        let text = serde_json::to_string(self);
        text.context(ErrorKind::Succession, || "the state of the master cannot be written down")
    }

    pub(super) fn decode(text: &str) -> Result<Self> {
        let needed: Needed = serde_json::from_str(text).context(ErrorKind::Succession, garbled)?;
        if needed.needs > VERSION {
            let text = format!(
                "the state of the master is of version {} and this binary reads up to {VERSION}; \
                 publish one with a later selfup, or restart the service",
                needed.needs
            );
            return Err(Error::new(ErrorKind::Succession, text));
        }
        serde_json::from_str(text).context(ErrorKind::Succession, garbled)
    }

    /// The numbers of all descriptors.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        let of_children = self.children.iter().flat_map(|child| [child.pidfd, child.channel]);
        let of_listeners = self.listeners.iter().map(|listener| listener.fd);
        of_children.chain(of_listeners).chain(self.given.iter().map(|given| given.fd)).collect()
    }
}

/// What is read before anything else, for the rest may be of another shape.
#[derive(Deserialize)]
struct Needed {
    needs: u32,
}

fn garbled() -> &'static str {
    "the state that the master left is not understood; restart the service"
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        match text.to_str() {
            Some(text) => Self::Utf8(text.to_owned()),
            None => Self::Bytes(text.as_bytes().to_vec()),
        }
    }
}

impl From<Text> for OsString {
    fn from(text: Text) -> Self {
        match text {
            Text::Utf8(text) => text.into(),
            Text::Bytes(bytes) => Self::from_vec(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version of this code wrote it. It is never changed: masters of that version
    /// hand it to whatever is published next.
    const FIRST: &str = include_str!("snapshot-1.json");

    #[test]
    fn the_first_versions_snapshot_is_read_for_ever() {
        let snapshot = Snapshot::decode(FIRST).unwrap();
        assert_eq!((snapshot.pid, snapshot.newest, snapshot.serving), (4711, 7, 7));
        assert_eq!(snapshot.descriptors(), [12, 11, 14, 13, 9, 10]);
        assert_eq!(OsString::from(snapshot.origin.args[1].clone()), *OsStr::from_bytes(b"\xff"));
        let draining = snapshot.children[0].draining.as_ref().unwrap();
        assert_eq!((draining.until_ms, draining.is_killed), (123_456, false));
        assert!(!snapshot.children[0].beats);
        assert_eq!((snapshot.listeners[0].inode, snapshot.given.len()), (None, 0));
        assert_eq!((snapshot.rollback_waits, snapshot.clear_waits), (false, false));
        assert_eq!((snapshot.refusal, snapshot.control, snapshot.desk), (None, None, None));
    }

    #[test]
    fn what_was_added_since_is_read_as_it_was_written() {
        let mut snapshot = Snapshot::decode(FIRST).unwrap();
        snapshot.listeners[0].inode = Some((u64::MAX, 1));
        (snapshot.rollback_waits, snapshot.clear_waits) = (true, true);
        snapshot.children[0].beats = true;
        (snapshot.control, snapshot.desk) =
            (Some(9), Some(serde_json::json!({ "is_paused": true })));
        snapshot.given.push(GivenText { number: 3, name: "web".into(), fd: 20 });
        assert_eq!(Snapshot::decode(&snapshot.encode().unwrap()).unwrap(), snapshot);
        assert!(snapshot.descriptors().contains(&20));
    }

    #[test]
    fn what_is_written_now_reads_as_the_first_version_did() {
        let snapshot = Snapshot::decode(FIRST).unwrap();
        let again = Snapshot::decode(&snapshot.encode().unwrap()).unwrap();
        assert_eq!(again, snapshot);
    }

    #[test]
    fn a_later_version_may_say_more_and_may_refuse_this_one() {
        let more = FIRST.replacen("\"version\": 1", "\"version\": 2, \"weather\": [1]", 1);
        assert_eq!(Snapshot::decode(&more).unwrap().version, 2);
        let refused = FIRST.replacen("\"needs\": 1", "\"needs\": 2", 1);
        let error = Snapshot::decode(&refused).unwrap_err().to_string();
        assert!(error.contains("version 2") && error.contains("up to 1"), "{error}");
    }

    #[test]
    fn what_is_no_snapshot_is_an_error() {
        for text in ["", "{}", "[]", "{\"needs\":1}", "null"] {
            assert_eq!(Snapshot::decode(text).unwrap_err().kind(), ErrorKind::Succession);
        }
    }
}
