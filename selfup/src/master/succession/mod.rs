//! The master becomes the binary that it has just committed: same process, same children, same
//! sockets, new code.
//!
//! Going: everything that lives is written down as a [`Snapshot`] in a file of memory, and the new
//! binary is executed in place. The descriptors stay open under their numbers; signals stay
//! blocked, so those that come meanwhile wait. If the execution fails, nothing has happened.
//!
//! Coming: the new binary finds the snapshot by its role, evaluates its config, and takes copies of
//! the descriptors. Until it is in charge, the originals stay as they are, and a [`Lifeline`] leads
//! back: an error, a panic, a crash, an exit or a hang of the new code executes the previous
//! binary, which finds the same snapshot. No child notices any of this.
//!
//! Rejected: a second process that takes over (the PID would change, and children cannot be given
//! away); binding anew (a gap).
//!
//! Limits: what the program itself has opened in the master without close-on-exec, in `init`, is
//! its own to look after. A binary whose `main` never comes to selfup is in nobody's hands; its
//! probe has shown that it does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::SigSet;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

pub(crate) use self::inheritance::Handed;
pub(super) use self::inheritance::Inheritance;
pub(super) use self::preparation::{Preparation, Progress};
use self::snapshot::{
    ChildText, DrainingText, GivenText, ListenerText, OriginText, Snapshot, VERSION,
};
use super::plan::Standing;
use super::sockets::Sockets;
use crate::child::Child;
use crate::config::Address;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::Generation;
use crate::listeners::{Bound, GivenSocket};
use crate::origin::Origin;
use crate::role;
use crate::sys::fd;
use crate::sys::lifeline::Successor;
use crate::sys::signal;

mod inheritance;
mod preparation;
mod snapshot;

/// Whether this binary could take over from the master that wrote `text`.
pub(crate) fn rehearse(text: &str) -> Result<()> {
    Snapshot::decode(text).map(drop)
}

/// What the program asked for, and nobody has done yet.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    /// The previous binary.
    pub(super) rollback: bool,
    /// That what was turned down is forgotten.
    pub(super) clear: bool,
}

/// What a master holds, to be written down.
pub(super) struct Estate<'a> {
    pub(super) standing: Standing,
    pub(super) waiting: Waiting,
    pub(super) origin: &'a Origin,
    pub(super) sockets: &'a Sockets,
    pub(super) children: &'a BTreeMap<Generation, Child>,
    /// The control socket, and what else belongs to it.
    pub(super) control: Option<&'a Bound>,
    pub(super) desk: Option<serde_json::Value>,
}

impl Estate<'_> {
    /// What a candidate is asked to read in its probe: everything but the environment, which it
    /// has, and which may be long.
    pub(super) fn rehearsal(&self) -> Option<String> {
        let mut snapshot = self.snapshot();
        snapshot.origin.env.clear();
        snapshot.encode().ok()
    }

    /// Executes the binary at the path in place. Returns only if that failed, with nothing changed.
    pub(super) fn hand_over(&self) -> Error {
        match self.prepare() {
            Ok((successor, _state, _previous)) => {
                let error = successor.execute();
                let text = "the new binary was not executed in place";
                Error::new(ErrorKind::Succession, text).caused_by(std::io::Error::from(error))
            }
            Err(error) => error,
        }
    }

    fn prepare(&self) -> Result<(Successor, File, File)> {
        let failed = || "what a succession needs cannot be made; raise the limit of open files";
        let snapshot = self.snapshot();
        let state = keep_in_memory(&snapshot)?;
        let own = "/proc/self/exe";
        let previous = File::open(own).context(ErrorKind::Succession, failed)?;
        let number = fd::inode(&state).context(ErrorKind::Succession, failed)?;
        let mut env = self.origin.env().to_vec();
        let state_is = (state.as_raw_fd(), number);
        env.push(role::successor_variable(state_is, Some(previous.as_raw_fd())));
        let mut keep = snapshot.descriptors();
        keep.extend([state.as_raw_fd(), previous.as_raw_fd()]);
        let (path, args) = (self.origin.path(), self.origin.args());
        let successor = SigSet::thread_get_mask()
            .map_err(std::io::Error::from)
            .and_then(|mask| Successor::new(path, args, &env, keep, mask))
            .context(ErrorKind::Succession, failed)?;
        Ok((successor, state, previous))
    }

    fn snapshot(&self) -> Snapshot {
        let child = |(&generation, child): (&Generation, &Child)| {
            let [pidfd, channel] = child.descriptors();
            let used = self.sockets.used_by(generation);
            let leaving = self.standing.draining.iter().find(|it| it.generation == generation);
            ChildText {
                generation: generation.get(),
                pid: child.pid().as_raw(),
                pidfd: pidfd.as_raw_fd(),
                channel: channel.as_raw_fd(),
                addresses: used.iter().map(Address::to_string).collect(),
                beats: child.pulse().is_known(),
                draining: leaving.map(|leaving| DrainingText {
                    until_ms: to_boottime(leaving.until),
                    is_killed: leaving.is_killed,
                }),
            }
        };
        let listener = |bound: &Bound| ListenerText {
            address: bound.address.to_string(),
            fd: bound.socket.as_raw_fd(),
            inode: bound.placed.as_ref().map(|placed| placed.inode()),
        };
        let given = |it: &GivenSocket| GivenText {
            number: it.number,
            name: it.name.clone(),
            fd: it.socket.as_raw_fd(),
        };
        let origin = self.origin;
        Snapshot {
            version: VERSION,
            needs: VERSION,
            pid: Pid::this().as_raw(),
            origin: OriginText {
                path: origin.path().as_os_str().into(),
                args: origin.args().iter().map(|text| text.as_os_str().into()).collect(),
                env: origin
                    .env()
                    .iter()
                    .chain(origin.private())
                    .map(|(name, value)| (name.as_os_str().into(), value.as_os_str().into()))
                    .collect(),
                mask: signal::numbers(&origin.mask()),
            },
            newest: self.standing.newest.get(),
            serving: self.standing.serving.get(),
            restart_waits: self.standing.restart_waits,
            rollback_waits: self.waiting.rollback,
            clear_waits: self.waiting.clear,
            children: self.children.iter().map(child).collect(),
            listeners: self.sockets.bound().iter().chain(self.control).map(listener).collect(),
            given: self.sockets.given().sockets().iter().map(given).collect(),
            refusal: None,
            control: self.control.map(|bound| bound.socket.as_raw_fd()),
            desk: self.desk.clone(),
        }
    }
}

fn keep_in_memory(snapshot: &Snapshot) -> Result<File> {
    let text = snapshot.encode()?;
    let file = memfd_create("selfup", MFdFlags::MFD_CLOEXEC).map(File::from);
    let file = file.map_err(std::io::Error::from).and_then(|mut file| {
        rewrite(&mut file, &text)?;
        Ok(file)
    });
    file.context(ErrorKind::Succession, || "no memory for the state of the master")
}

fn rewrite(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// A point in time as any process of this system tells it, suspended time included.
fn to_boottime(at: Instant) -> u64 {
    let left = at.saturating_duration_since(Instant::now());
    u64::try_from((boottime() + left).as_millis()).unwrap_or(u64::MAX)
}

fn from_boottime(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis).saturating_sub(boottime())
}

fn boottime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_the_same_moment_for_both_masters() {
        let now = Instant::now();
        let until = now + Duration::from_secs(20);
        let again = from_boottime(to_boottime(until));
        let difference = again.max(until) - again.min(until);
        assert!(difference < Duration::from_secs(1), "{difference:?}");
        assert!(from_boottime(0) >= now, "what has passed is due now");
    }
}
