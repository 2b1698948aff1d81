//! Master, child or probe? Decided once, at start, from one environment variable.
//!
//! `SELFUP_ROLE` names the descriptor of the channel and the inode of that socket:
//! `child:3:123456`, or `probe:3:123456:TOKEN`. A variable that leaked to some other program does
//! not match what is open there; it is removed and ignored, so a program that itself starts selfup
//! programs works, and a child whose master died at birth never becomes a second master.
//!
//! A master that executes another binary in place leaves `master:3:123456:4`: a file with its
//! state, and the number of the binary that it was, for the way back. Without that number the
//! binary is the one that was gone back to.
//!
//! A master that took too long for a binary on trial executes it again, with `overdue:PID`. No process
//! but that one is meant.

use std::ffi::{OsStr, OsString};

use crate::channel::Channel;
use crate::master::Handed;
use crate::sys;

/// What this process is for, as `init` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Owns the sockets and supervises. Serves no traffic.
    Master,
    /// Runs the program under a master.
    Child,
    /// Was started once by a master that wants to know whether this binary answers.
    Probe,
    /// Runs the program without a master.
    Fallback,
}

/// The role with what belongs to it.
#[derive(Debug)]
pub(crate) enum Part {
    Master {
        /// Whether this process has tried to be one before, and came to nothing.
        is_overdue: bool,
    },
    Child(Channel),
    Probe {
        channel: Channel,
        token: String,
    },
    /// The master of a service that runs already, in another binary.
    Successor(Handed),
    Fallback,
}

/// The one variable that passes a role on.
pub(crate) const VARIABLE: &str = "SELFUP_ROLE";

/// The switch for people: `SELFUP=off`.
const SWITCH: &str = "SELFUP";

impl Part {
    /// Reads the environment, and removes the variable from it.
    pub(crate) fn take() -> Self {
        let given = std::env::var_os(VARIABLE);
        if given.is_some() {
            // With other threads about it stays; its descriptor is close-on-exec from here on, so
            // nobody below this process can mistake itself for a child.
            sys::env::remove_if_alone(OsStr::new(VARIABLE));
        }
        if let Some(part) = given.as_deref().and_then(OsStr::to_str).and_then(Self::parse) {
            return part;
        }
        let is_off = std::env::var_os(SWITCH).is_some_and(|value| value == "off");
        let is_overdue = given.is_some_and(|value| value == overdue_variable().1);
        if is_off { Self::Fallback } else { Self::Master { is_overdue } }
    }

    /// The probe's part, if this process is one; nothing is taken from any other process.
    pub(crate) fn take_probe() -> Option<(Channel, String)> {
        let given = std::env::var_os(VARIABLE)?;
        let text = given.to_str().filter(|text| text.starts_with("probe:"))?;
        match Self::parse(text)? {
            Self::Probe { channel, token } => Some((channel, token)),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, ':');
        let kind = fields.next()?;
        let descriptor = fields.next()?.parse().ok()?;
        let inode = fields.next()?.parse().ok()?;
        let token = fields.next();
        if kind == "master" {
            let previous = token.map(str::parse).transpose().ok()?;
            return Handed::take(descriptor, inode, previous).map(Self::Successor);
        }
        if !matches!((kind, token), ("child", None) | ("probe", Some(_))) {
            return None;
        }
        let channel = Channel::take_inherited(descriptor, inode)?;
        Some(match token {
            None => Self::Child(channel),
            Some(token) => Self::Probe { channel, token: token.to_owned() },
        })
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            // Where no master can be had, its part is the program itself.
            Self::Master { .. } if !crate::is_supported() => Role::Fallback,
            Self::Master { .. } | Self::Successor(_) => Role::Master,
            Self::Child(_) => Role::Child,
            Self::Probe { .. } => Role::Probe,
            Self::Fallback => Role::Fallback,
        }
    }
}

/// The variable that makes a child of a process that inherits `channel`.
pub(crate) fn child_variable(channel: &Channel) -> std::io::Result<(OsString, OsString)> {
    Ok(variable("child", channel.inheritance()?, None))
}

/// The variable that makes a probe of a process that inherits `channel`.
pub(crate) fn probe_variable(
    channel: &Channel,
    token: &str,
) -> std::io::Result<(OsString, OsString)> {
    Ok(variable("probe", channel.inheritance()?, Some(token)))
}

/// The variable that makes a master of a process that keeps the file of its state, by number and
/// inode, and the number of the binary to go back to.
pub(crate) fn successor_variable(state: (i32, u64), previous: Option<i32>) -> (OsString, OsString) {
    variable("master", state, previous.map(|number| number.to_string()).as_deref())
}

/// The variable that makes this process, executed again, a master which knows that it took too long.
pub(crate) fn overdue_variable() -> (OsString, OsString) {
    (VARIABLE.into(), format!("overdue:{}", std::process::id()).into())
}

fn variable(
    kind: &str,
    (descriptor, inode): (i32, u64),
    token: Option<&str>,
) -> (OsString, OsString) {
    let mut value = format!("{kind}:{descriptor}:{inode}");
    if let Some(token) = token {
        value.push(':');
        value.push_str(token);
    }
    (VARIABLE.into(), value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_leaked_or_is_garbled_makes_no_child() {
        for text in [
            "",
            "child",
            "child:x:y",
            "child:900:1",
            "probe:900:1",
            "child:0:1:t",
            "x:3:1",
            "master:900:1:4",
        ] {
            assert!(Part::parse(text).is_none(), "{text:?}");
        }
    }

    #[cfg(selfup_supervised)]
    #[test]
    fn a_channel_of_our_own_makes_no_child_of_us() {
        let (ours, _theirs) = Channel::pair().unwrap();
        let (_, value) = child_variable(&ours).unwrap();
        assert!(Part::parse(value.to_str().unwrap()).is_none(), "it is close-on-exec");
    }
}
