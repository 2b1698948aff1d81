//! The child's end of the channel.
//!
//! It is served from a thread of its own, so that a program that blocks its runtime cannot block
//! it. The end of the channel means that the master is gone: the listeners are closed at once, so
//! that a new master can bind, and the program drains.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::gate::{Gate, Phase};
use super::health::Trial;
use crate::channel::message::{FromChild, FromMaster, Welcome};
use crate::channel::{Channel, Received};
use crate::sys;

/// What a program can say to its master, if it has one.
#[derive(Debug)]
pub(crate) struct Link {
    channel: Option<Channel>,
    ready_manually: bool,
    is_on_trial: bool,
    /// How long a drain may take.
    #[cfg(feature = "serve")]
    terminate_timeout: Option<Duration>,
    is_ready: AtomicBool,
    /// Has the last word on whether the program is ready, if there is one.
    trial: OnceLock<Trial>,
    is_committed: watch::Sender<bool>,
}

impl Link {
    /// The link of a program without a master.
    pub(super) fn none() -> Self {
        Self {
            channel: None,
            ready_manually: false,
            is_on_trial: false,
            #[cfg(feature = "serve")]
            terminate_timeout: None,
            is_ready: AtomicBool::new(true),
            trial: OnceLock::new(),
            is_committed: watch::Sender::new(false),
        }
    }

    pub(super) fn new(channel: Channel, welcome: &Welcome) -> Self {
        Self {
            channel: Some(channel),
            ready_manually: welcome.ready_manually,
            is_on_trial: welcome.on_trial,
            #[cfg(feature = "serve")]
            terminate_timeout: Some(Duration::from_millis(welcome.terminate_timeout_ms)),
            is_ready: AtomicBool::new(false),
            ..Self::none()
        }
    }

    pub(super) fn is_supervised(&self) -> bool {
        self.channel.is_some()
    }

    /// How long a drain may take, before the master ends it.
    #[cfg(feature = "serve")]
    pub(super) fn terminate_timeout(&self) -> Option<Duration> {
        self.terminate_timeout
    }

    /// Whether an older generation waits for what becomes of this one.
    pub(super) fn is_on_trial(&self) -> bool {
        self.is_on_trial
    }

    /// Whether that is decided, and for this one.
    pub(super) fn committed(&self) -> watch::Receiver<bool> {
        self.is_committed.subscribe()
    }

    /// Has `trial` say that the program is ready, when it is found well.
    pub(super) fn put_on(&self, trial: Trial) {
        let _ = self.trial.set(trial);
    }

    /// Says something; an error without a master.
    pub(super) fn say(&self, message: &FromChild) -> io::Result<()> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        channel.send(message)
    }

    /// Says once that the program can serve, or begins its trial, which then says so.
    pub(super) fn ready(&self) -> io::Result<()> {
        if self.is_ready.swap(true, Ordering::AcqRel) || self.channel.is_none() {
            return Ok(());
        }
        let said = self.trial.get().map_or_else(|| self.say(&FromChild::Ready), Trial::begin);
        said.inspect_err(|_| self.is_ready.store(false, Ordering::Release))
    }

    pub(super) fn ready_if_automatic(&self) {
        if !self.ready_manually && !self.is_ready.load(Ordering::Acquire) {
            // A full channel is a master that is busy; the next accept says it again.
            let _ = self.ready();
        }
    }

    /// Serves the channel on a thread of its own.
    pub(super) fn serve(
        self: &Arc<Self>,
        gate: Arc<Gate>,
        terminate_timeout: Duration,
    ) -> io::Result<()> {
        let link = self.clone();
        let thread = std::thread::Builder::new().name("selfup-channel".into());
        thread.spawn(move || {
            link.obey(&gate);
            // The master is gone. Nobody else bounds this drain.
            gate.set(Phase::Draining);
            std::thread::sleep(terminate_timeout);
            sys::signal::kill_this_process();
        })?;
        Ok(())
    }

    /// Does what the master says, until it is gone.
    fn obey(&self, gate: &Gate) {
        let Some(channel) = &self.channel else { return };
        loop {
            let message = match channel.receive() {
                Ok(Received::Message(message, _)) => message,
                // What cannot be read comes from a later version.
                Err(error) if error.get_ref().is_some() => continue,
                Ok(Received::End) | Err(_) => return,
            };
            match message {
                FromMaster::Admit | FromMaster::Resume => gate.set(Phase::Serving),
                FromMaster::Pause => {
                    gate.set(Phase::Paused);
                    // Unheard, it costs the master its patience for this one message.
                    let _ = self.say(&FromChild::Paused);
                }
                FromMaster::Drain => gate.set(Phase::Draining),
                FromMaster::Commit => drop(self.is_committed.send_replace(true)),
                FromMaster::Welcome(_) | FromMaster::Unknown => {}
            }
        }
    }
}
