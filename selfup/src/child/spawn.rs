use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::{Child, Pulse};
use crate::channel::Channel;
use crate::channel::message::{FromMaster, PROTOCOL, Welcome};
use crate::config::{Address, Restarts};
use crate::error::{Context as _, ErrorKind, Result};
use crate::identity::Generation;
use crate::listeners::Bound;
use crate::origin::Origin;
use crate::role;
use crate::sys::process::{Start, Started};

/// What every child of a master has in common.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) origin: Origin,
    pub(crate) restarts: Restarts,
}

/// What one child has for itself.
#[derive(Debug)]
pub(crate) struct Newcomer<'a> {
    pub(crate) generation: Generation,
    /// The file that it executes.
    pub(crate) path: &'a Path,
    /// Its addresses, each with its socket.
    pub(crate) listeners: &'a [(&'a Address, &'a Bound)],
    /// Whether another generation waits for its end.
    pub(crate) on_trial: bool,
}

impl Launch {
    /// Forks a child, with its welcome and its listeners waiting for it on its channel.
    ///
    /// The second part tells whether the file was executed at all; see [`Started::failure`].
    pub(crate) fn start(&self, newcomer: &Newcomer<'_>) -> Result<(Child, OwnedFd)> {
        let started = self.try_start(newcomer);
        started.map_err(|error| error.in_generation(newcomer.generation))
    }

    fn try_start(&self, newcomer: &Newcomer<'_>) -> Result<(Child, OwnedFd)> {
        let (ours, theirs) = Channel::pair().context(
            ErrorKind::Spawn,
            || "no channel for a child; raise the limit of open files",
        )?;
        self.welcome(newcomer, &ours)?;
        let mut env = self.origin.env().to_vec();
        let variable = role::child_variable(&theirs);
        env.push(variable.context(ErrorKind::Spawn, || "the channel has no inode")?);
        let start = Start {
            path: newcomer.path,
            args: self.origin.args(),
            env: &env,
            keep: &[theirs.as_fd()],
            stdio: [None; 3],
            mask: self.origin.mask(),
            core: true,
        };
        let Started { process, failure } = start.start().context(ErrorKind::Spawn, || {
            "no process for a child; raise the limit of processes (`ulimit -u`, `TasksMax=`) \
             and that of open files"
        })?;
        let (process, channel) = (Arc::new(process), Arc::new(ours));
        let generation = newcomer.generation;
        let pulse = Pulse::default();
        let child = Child { generation, process, channel, is_ready: false, pulse };
        Ok((child, failure))
    }

    fn welcome(&self, newcomer: &Newcomer<'_>, channel: &Channel) -> Result<()> {
        let Newcomer { generation, listeners, on_trial, .. } = *newcomer;
        let terminate_timeout = self.restarts.terminate_timeout.as_millis();
        let welcome = FromMaster::Welcome(Welcome {
            protocol: PROTOCOL,
            generation: generation.get(),
            master_pid: std::process::id(),
            addresses: listeners.iter().map(|(address, _)| address.to_string()).collect(),
            terminate_timeout_ms: u64::try_from(terminate_timeout).unwrap_or(u64::MAX),
            ready_manually: self.restarts.ready_manually,
            on_trial,
        });
        let descriptors: Vec<_> = listeners.iter().map(|(_, bound)| bound.socket.as_fd()).collect();
        channel.send_with(&welcome, &descriptors).context(ErrorKind::Handoff, || {
            format!("{} listeners do not fit into a welcome; use fewer", descriptors.len())
        })
    }
}
