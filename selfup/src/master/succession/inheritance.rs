//! What the master before this one left, taken over by copies, until there is no way back any more.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::Pid;

use super::snapshot::{ChildText, GivenText, ListenerText, OriginText, Snapshot};
use super::{Waiting, from_boottime, rewrite};
use crate::channel::Channel;
use crate::child::{Child, Pulse};
use crate::config::{Address, Place};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::identity::Generation;
use crate::listeners::{self, Bound, Given, GivenSocket, Placed};
use crate::master::plan::{Leaving, Standing};
use crate::master::sockets::Used;
use crate::origin::Origin;
use crate::role;
use crate::sys::fd;
use crate::sys::lifeline::{Lifeline, Successor};
use crate::sys::pidfd::Process;
use crate::sys::signal;

/// So long new code may take to be in charge, in seconds, unless a [`patience`] is shorter: its probe
/// had five.
const PATIENCE: u32 = 30;

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
pub(in crate::master) struct Inheritance {
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
    pub(in crate::master) fn read(handed: Handed) -> Result<Self> {
        let Handed { state, previous } = handed;
        let mut state = ManuallyDrop::new(File::from(state));
        let mut text = String::new();
        let read = state.rewind().and_then(|()| state.read_to_string(&mut text));
        let failed = || "the state that the master left cannot be read; restart the service";
        let decoded = read.context(ErrorKind::Succession, failed).and_then(|_| decode(&text));
        // Unread, they have stayed as they are, and so open for the previous binary.
        let descriptors = decoded.as_ref().map(Snapshot::descriptors).unwrap_or_default();
        let watchdog = decoded.as_ref().ok().and_then(|it| origin_of(it).watchdog());
        let patience = patience(watchdog);
        let lifeline = previous.map(|previous| {
            let way_back = way_back(&state, previous, descriptors);
            Ok(Lifeline::arm(way_back.context(ErrorKind::Succession, failed)?, patience))
        });
        let lifeline = lifeline.transpose()?;
        let snapshot = match decoded {
            Ok(snapshot) => snapshot,
            Err(error) => return Err(go_back(lifeline, error)),
        };
        snapshot.descriptors().into_iter().chain(previous).for_each(fd::hide_inherited);
        Ok(Self { snapshot, state, lifeline, previous })
    }

    pub(in crate::master) fn origin(&self) -> Origin {
        origin_of(&self.snapshot)
    }

    /// The service as the plan left it.
    pub(in crate::master) fn standing(&self) -> Standing {
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

    /// What the program asked the master before this one for, in vain.
    pub(in crate::master) fn waiting(&self) -> Waiting {
        let Snapshot { rollback_waits: rollback, clear_waits: clear, .. } = self.snapshot;
        Waiting { rollback, clear }
    }

    /// Copies of the listeners, and the addresses that each generation uses.
    pub(in crate::master) fn listeners(&self) -> Result<(Vec<Bound>, Used)> {
        let listeners = &self.snapshot.listeners;
        let addresses: Vec<_> = listeners.iter().map(|it| it.address.clone()).collect();
        let copies = listeners.iter().map(|listener| self.take(listener.fd));
        let mut bound = listeners::receive(&addresses, copies.collect::<Result<_>>()?)?;
        place(&mut bound, listeners);
        let used = self.snapshot.children.iter().map(|child| {
            let addresses = child.addresses.iter().map(|text| Address::parse(text));
            Ok((Generation::new(child.generation), addresses.collect::<Result<_>>()?))
        });
        Ok((bound, used.collect::<Result<_>>()?))
    }

    /// Which of the listeners is the control socket, and what else is left of it.
    pub(in crate::master) fn control(&self) -> (Option<usize>, Option<serde_json::Value>) {
        let Snapshot { listeners, control, desk, .. } = &self.snapshot;
        let index = control.and_then(|number| listeners.iter().position(|it| it.fd == number));
        (index, desk.clone())
    }

    /// Copies of what the process manager handed to the first master.
    pub(in crate::master) fn given(&self) -> Result<Given> {
        let taken_over = |given: &GivenText| {
            let socket = self.take(given.fd)?;
            Ok(GivenSocket { number: given.number, name: given.name.clone(), socket })
        };
        let sockets = self.snapshot.given.iter().map(taken_over);
        Ok(Given::taken_over(sockets.collect::<Result<_>>()?))
    }

    /// The children, held by copies of the descriptors.
    pub(in crate::master) fn children(&self) -> Result<Vec<Child>> {
        let taken_over = |child: &ChildText| {
            let process = Process::from_parts(Pid::from_raw(child.pid), self.take(child.pidfd)?);
            let channel = Channel::from(self.take(child.channel)?);
            let pulse = Pulse::known(child.beats);
            Ok(Child::taken_over(Generation::new(child.generation), process, channel, pulse))
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
    pub(in crate::master) fn is_return(&self) -> bool {
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
    pub(in crate::master) fn take_charge(self) -> Option<Error> {
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
    pub(in crate::master) fn give_back(mut self, error: Error) -> Error {
        self.snapshot.refusal = Some(error.chain());
        // Without these words it goes on all the same.
        let _ = self.snapshot.encode().map(|text| rewrite(&mut self.state, &text));
        go_back(self.lifeline.take(), error)
    }
}

fn origin_of(snapshot: &Snapshot) -> Origin {
    let OriginText { path, args, env, mask } = snapshot.origin.clone();
    Origin::taken_over(
        std::ffi::OsString::from(path).into(),
        args.into_iter().map(Into::into).collect(),
        env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        signal::set_of(mask),
    )
}

/// In seconds. A watchdog was fed last before this code was executed, and has to be fed again by the
/// binary that is gone back to: that has the other half of its time.
fn patience(watchdog: Option<Duration>) -> u32 {
    let half = watchdog.map(|watchdog| u32::try_from(watchdog.as_secs() / 2).unwrap_or(PATIENCE));
    half.unwrap_or(PATIENCE).clamp(1, PATIENCE)
}

/// Remembers which files the listeners have: those of one path the same.
fn place(bound: &mut [Bound], texts: &[ListenerText]) {
    let mut known = Vec::<Arc<Placed>>::new();
    for (bound, text) in bound.iter_mut().zip(texts) {
        let (Place::Path(path), Some(inode)) = (bound.address.place(), text.inode) else {
            continue;
        };
        let placed = known.iter().find(|placed| placed.is_at(path)).cloned();
        let placed = placed.unwrap_or_else(|| Arc::new(Placed::taken_over(path, inode)));
        known.push(placed.clone());
        bound.placed = Some(placed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_code_has_half_the_time_of_a_watchdog_and_never_none() {
        let patience_for = |seconds| patience(Some(Duration::from_secs(seconds)));
        assert_eq!(patience(None), PATIENCE);
        assert_eq!(patience_for(3600), PATIENCE);
        assert_eq!(patience_for(30), 15);
        // No time at all would be no alarm.
        assert_eq!(patience_for(1), 1);
        assert_eq!(patience(Some(Duration::MAX)), PATIENCE);
    }
}
