//! What the master holds of a running program: its process and its channel.
//!
//! A [`Child`] only tells; what comes back, be it a message, a failed start or the end, is read by
//! [`watch::follow`] and arrives in the master's loop as [`News`].

mod pulse;
mod spawn;
mod watch;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use nix::unistd::Pid;

#[cfg(feature = "control")]
pub(crate) use self::pulse::Beat;
pub(crate) use self::pulse::Pulse;
pub(crate) use self::spawn::{Launch, Newcomer};
pub(crate) use self::watch::{News, follow};
use crate::channel::Channel;
use crate::channel::message::FromMaster;
use crate::error::{Context as _, ErrorKind, Result};
use crate::identity::Generation;
use crate::sys::pidfd::Process;
use crate::sys::signal::Queued;

/// A running program, or one that was running a moment ago.
#[derive(Debug)]
pub(crate) struct Child {
    generation: Generation,
    process: Arc<Process>,
    channel: Arc<Channel>,
    is_ready: bool,
    pulse: Pulse,
}

impl Child {
    /// One that a master before this one started, in the same process.
    pub(crate) fn taken_over(
        generation: Generation,
        process: Process,
        channel: Channel,
        pulse: Pulse,
    ) -> Self {
        let (process, channel) = (process.into(), channel.into());
        // Whether it said so to another master is of no consequence: that one committed it.
        Self { generation, process, channel, is_ready: true, pulse }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether its program said that it can serve.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    pub(crate) fn set_ready(&mut self) {
        self.is_ready = true;
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    pub(crate) fn pulse_mut(&mut self) -> &mut Pulse {
        &mut self.pulse
    }

    /// Asks for a beat, unless it has some to answer already.
    pub(crate) fn ask_for_beat(&mut self) {
        // Unheard, it is asked again.
        if self.pulse.asks() && self.channel.send(&FromMaster::Beat).is_err() {
            self.pulse.was_not_asked();
        }
    }

    /// What another master needs to hold it: the descriptors of its process and its channel.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.process.as_fd(), self.channel.as_fd()]
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Says `message`, without waiting for it to be heard.
    pub(crate) fn tell(&self, message: &FromMaster) -> Result<()> {
        self.channel.send(message).context(ErrorKind::Handoff, || {
            let generation = self.generation;
            format!("generation {generation} was not told {message:?}; its deadline decides")
        })
    }

    /// Kills and reaps it, if it cannot be followed.
    pub(crate) fn discard(&self) {
        self.process.discard();
    }

    /// Sends a signal, by number, with what came with it.
    pub(crate) fn signal(&self, signal: i32, queued: Option<Queued>) -> Result<()> {
        let sent = match queued {
            Some(queued) => self.process.queue(signal, queued),
            None => self.process.signal(signal),
        };
        sent.context(ErrorKind::Signal, || {
            format!("signal {signal} was not delivered to generation {}", self.generation)
        })
    }
}
