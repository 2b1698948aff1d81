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
use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::SigSet;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

pub(super) use self::preparation::{Preparation, Progress};
use self::snapshot::{ChildText, DrainingText, ListenerText, OriginText, Snapshot, VERSION};
use super::plan::{Leaving, Standing};
use super::sockets::{Sockets, Used};
use crate::channel::Channel;
use crate::child::Child;
use crate::config::Address;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::Generation;
use crate::listeners::{self, Bound};
use crate::origin::Origin;
use crate::role;
use crate::sys::fd;
use crate::sys::lifeline::{Lifeline, Successor};
use crate::sys::pidfd::Process;
use crate::sys::signal;

mod preparation;
mod snapshot;

/// So long new code may take to be in charge, in seconds: its probe had five.
const PATIENCE: u32 = 30;

/// Whether this binary could take over from the master that wrote `text`.
pub(crate) fn rehearse(text: &str) -> Result<()> {
    Snapshot::decode(text).map(drop)
}

/// What a master holds, to be written down.
pub(super) struct Estate<'a> {
    pub(super) standing: Standing,
    pub(super) origin: &'a Origin,
    pub(super) sockets: &'a Sockets,
    pub(super) children: &'a BTreeMap<Generation, Child>,
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
                draining: leaving.map(|leaving| DrainingText {
                    until_ms: to_boottime(leaving.until),
                    is_killed: leaving.is_killed,
                }),
            }
        };
        let listener = |bound: &Bound| ListenerText {
            address: bound.address.to_string(),
            fd: bound.socket.as_raw_fd(),
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
                    .map(|(name, value)| (name.as_os_str().into(), value.as_os_str().into()))
                    .collect(),
                mask: signal::numbers(&origin.mask()),
            },
            newest: self.standing.newest.get(),
            serving: self.standing.serving.get(),
            restart_waits: self.standing.restart_waits,
            children: self.children.iter().map(child).collect(),
            listeners: self.sockets.bound().iter().map(listener).collect(),
            refusal: None,
        }
    }
}

/// What the master before this one left, in the same process.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Its state.
    state: OwnedFd,
    /// The binary that it was, by number; nobody owns it yet.
    previous: Option<i32>,
}

impl Handed {
    /// Takes the state that is open under this number, if it is the file with this inode number.
    pub(crate) fn take(descriptor: i32, inode: u64, previous: Option<i32>) -> Option<Self> {
        let state = fd::take_inherited_file(descriptor, inode)?;
        Some(Self { state, previous })
    }
}

/// What the master before this one left, while this one is not in charge yet.
#[derive(Debug)]
pub(super) struct Inheritance {
    snapshot: Snapshot,
    /// Open until this master is in charge: should it panic before, who unwinds the stack must not
    /// close what the way back leads to.
    state: ManuallyDrop<File>,
    lifeline: Option<Lifeline>,
    /// The previous binary, by number.
    previous: Option<i32>,
}

impl Inheritance {
    /// Reads it. From here on, every way in which this code may fail leads back.
    pub(super) fn read(handed: Handed) -> Result<Self> {
        let Handed { state, previous } = handed;
        let mut state = ManuallyDrop::new(File::from(state));
        let mut text = String::new();
        let read = state.rewind().and_then(|()| state.read_to_string(&mut text));
        let failed = || "the state that the master left cannot be read; restart the service";
        let decoded = read.context(ErrorKind::Succession, failed).and_then(|_| decode(&text));
        // Unread, they have stayed as they are, and so open for the previous binary.
        let descriptors = decoded.as_ref().map(Snapshot::descriptors).unwrap_or_default();
        let lifeline = previous.map(|previous| {
            let way_back = way_back(&state, previous, descriptors);
            Ok(Lifeline::arm(way_back.context(ErrorKind::Succession, failed)?, PATIENCE))
        });
        let lifeline = lifeline.transpose()?;
        let snapshot = match decoded {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(go_back(lifeline, error)),
        };
        snapshot.descriptors().into_iter().chain(previous).for_each(fd::hide_inherited);
        Ok(Self { snapshot, state, lifeline, previous })
    }

    pub(super) fn origin(&self) -> Origin {
        let OriginText { path, args, env, mask } = self.snapshot.origin.clone();
        Origin::taken_over(
            std::ffi::OsString::from(path).into(),
            args.into_iter().map(Into::into).collect(),
            env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            signal::set_of(mask),
        )
    }

    /// The service as the plan left it.
    pub(super) fn standing(&self) -> Standing {
        let leaving = |child: &ChildText| {
            let draining = child.draining.as_ref()?;
            Some(Leaving {
                generation: Generation::new(child.generation),
                until: from_boottime(draining.until_ms),
                is_killed: draining.is_killed,
            })
        };
        Standing {
            newest: Generation::new(self.snapshot.newest),
            serving: Generation::new(self.snapshot.serving),
            restart_waits: self.snapshot.restart_waits,
            draining: self.snapshot.children.iter().filter_map(leaving).collect(),
        }
    }

    /// Copies of the listeners, and the addresses that each generation uses.
    pub(super) fn listeners(&self) -> Result<(Vec<Bound>, Used)> {
        let listeners = &self.snapshot.listeners;
        let addresses: Vec<_> = listeners.iter().map(|it| it.address.clone()).collect();
        let copies = listeners.iter().map(|listener| self.take(listener.fd));
        let bound = listeners::receive(&addresses, copies.collect::<Result<_>>()?)?;
        let used = self.snapshot.children.iter().map(|child| {
            let addresses = child.addresses.iter().map(|text| Address::parse(text));
            Ok((Generation::new(child.generation), addresses.collect::<Result<_>>()?))
        });
        Ok((bound, used.collect::<Result<_>>()?))
    }

    /// The children, held by copies of the descriptors.
    pub(super) fn children(&self) -> Result<Vec<Child>> {
        let taken_over = |child: &ChildText| {
            let process = Process::from_parts(Pid::from_raw(child.pid), self.take(child.pidfd)?);
            let channel = Channel::from(self.take(child.channel)?);
            Ok(Child::taken_over(Generation::new(child.generation), process, channel))
        };
        self.snapshot.children.iter().map(taken_over).collect()
    }

    /// A copy of what the master before this one left under a number, so that the original stays for
    /// the way back. Where there is none, the original: going back must not fail for want of a
    /// number.
    fn take(&self, number: i32) -> Result<OwnedFd> {
        if self.is_return() {
            return Ok(fd::own_inherited(number));
        }
        fd::copy_inherited(number).context(
            ErrorKind::Succession,
            || "a descriptor that the master left is not there; raise the limit of open files",
        )
    }

    /// Whether this is the binary that was gone back to.
    pub(super) fn is_return(&self) -> bool {
        self.previous.is_none()
    }

    fn refusal(&self) -> Option<Error> {
        if !self.is_return() {
            return None;
        }
        let reason = self.snapshot.refusal.clone();
        let reason = reason.unwrap_or_else(|| "it crashed or hung; see stderr".into());
        let text = "the new binary's master did not take over, and the previous one goes on";
        Some(Error::new(ErrorKind::Succession, text).caused_by(reason))
    }

    /// This master is in charge: there is no way back any more, and the originals are closed. Why
    /// it is this one although another was to take over, if that is so.
    pub(super) fn take_charge(self) -> Option<Error> {
        let (refusal, is_return) = (self.refusal(), self.is_return());
        if is_return {
            self.take_name_back();
        }
        if let Some(lifeline) = self.lifeline {
            lifeline.disarm();
        }
        if !is_return {
            let numbers = self.snapshot.descriptors().into_iter().chain(self.previous);
            numbers.for_each(fd::close_inherited);
        }
        drop(ManuallyDrop::into_inner(self.state));
        refusal
    }

    /// A binary that is executed by the number of its descriptor is called by that number in `ps`.
    fn take_name_back(&self) {
        let path = self.origin().path().to_owned();
        let name = path.file_name().map(|name| CString::new(name.as_bytes()));
        if let Some(Ok(name)) = name {
            // Under another name it works as well.
            let _ = nix::sys::prctl::set_name(&name);
        }
    }

    /// This master cannot take over because of `error`: the previous binary goes on. Returns only
    /// if there is none, or if it cannot be executed.
    pub(super) fn give_back(mut self, error: Error) -> Error {
        self.snapshot.refusal = Some(error.chain());
        // Without these words it goes on all the same.
        let _ = self.snapshot.encode().map(|text| rewrite(&mut self.state, &text));
        go_back(self.lifeline.take(), error)
    }
}

fn decode(text: &str) -> Result<Snapshot> {
    let snapshot = Snapshot::decode(text)?;
    let (found, own) = (snapshot.pid, Pid::this().as_raw());
    if found != own {
        let text = format!("the state of master {found} was left to process {own}");
        return Err(Error::new(ErrorKind::Succession, text));
    }
    let mut children = snapshot.children.iter();
    if !children.any(|child| child.generation == snapshot.serving) {
        let text = format!("generation {} is to serve, and no child is", snapshot.serving);
        return Err(Error::new(ErrorKind::Succession, text));
    }
    Ok(snapshot)
}

/// The previous binary, as it is executed if this one fails.
fn way_back(state: &File, previous: i32, mut keep: Vec<i32>) -> std::io::Result<Successor> {
    let args: Vec<_> = std::env::args_os().collect();
    let mut env: Vec<_> = std::env::vars_os().filter(|(name, _)| name != role::VARIABLE).collect();
    env.push(role::successor_variable((state.as_raw_fd(), fd::inode(state)?), None));
    keep.push(state.as_raw_fd());
    let path = PathBuf::from(format!("/proc/self/fd/{previous}"));
    Successor::new(&path, &args, &env, keep, SigSet::thread_get_mask()?)
}

/// Executes the previous binary because of `error`. Returns only if there is none, or if that
/// failed.
fn go_back(lifeline: Option<Lifeline>, error: Error) -> Error {
    let Some(lifeline) = lifeline else { return error };
    let failed = lifeline.pull();
    let text = "the service has no master any more: neither binary could take over";
    Error::new(ErrorKind::Succession, format!("{text} ({failed})")).caused_by(error)
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
