//! The child's end of the channel.
//!
//! It is served from a thread of its own, so that a program that blocks its runtime cannot block
//! it. The end of the channel means that the master is gone: the listeners are closed at once, so
//! that a new master can bind, and the program drains.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::gate::{Gate, Phase};
use super::health::Trial;
use super::open::Open;
use crate::channel::message::{FromChild, FromMaster, Welcome};
use crate::channel::{self, Channel, Received};
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
    open: Arc<Open>,
    /// Of the program, which answers beats by it.
    runtime: OnceLock<Handle>,
    /// Whether a beat waits for the runtime to answer it.
    is_beating: AtomicBool,
    /// Held by who asks the master for something.
    asking: Mutex<()>,
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
            open: Arc::default(),
            runtime: OnceLock::new(),
            is_beating: AtomicBool::new(false),
            asking: Mutex::default(),
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

    /// The connections of this process.
    pub(super) fn open(&self) -> &Arc<Open> {
        &self.open
    }

    /// Has `runtime` answer beats from now on.
    pub(super) fn set_runtime(&self, runtime: Handle) {
        let _ = self.runtime.set(runtime);
    }

    /// Says something; an error without a master.
    pub(super) fn say(&self, message: &FromChild) -> io::Result<()> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        channel.send(message)
    }

    /// Says what the program wants of its master; an error without one, or if that has plenty to read.
    pub(super) fn ask(&self, message: &FromChild) -> io::Result<()> {
        let channel = self.channel.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let _one_at_a_time = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        channel.ask(message)
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
    fn obey(self: &Arc<Self>, gate: &Gate) {
        let Some(line) = &self.channel else { return };
        loop {
            let message = match line.receive() {
                Ok(Received::Message(message, _)) => message,
                // What cannot be read comes from a later version.
                Err(error) if error.get_ref().is_some() => continue,
                Err(error) if channel::is_passing(&error) => {
                    std::thread::sleep(channel::PAUSE);
                    continue;
                }
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
                FromMaster::Beat => self.beat(),
                FromMaster::Welcome(_) | FromMaster::Unknown => {}
            }
        }
    }

    /// Answers by the program's runtime, so that one that is blocked does not; or at once, if it has
    /// none. Those that come before the answer have the same one.
    fn beat(self: &Arc<Self>) {
        if !self.is_beating.swap(true, Ordering::AcqRel) {
            let link = self.clone();
            self.when_it_runs(move || {
                link.is_beating.store(false, Ordering::Release);
                link.say_beat();
            });
        }
    }

    /// Calls `call` on the program's runtime, or at once if it has none.
    pub(super) fn when_it_runs(&self, call: impl FnOnce() + Send + 'static) {
        match self.runtime.get() {
            Some(runtime) => drop(runtime.spawn(async { call() })),
            None => call(),
        }
    }

    fn say_beat(&self) {
        // Unheard, it is asked for again.
        let _ = self.say(&FromChild::Beat { open: self.open.count() });
    }
}

#[cfg(selfup_supervised)]
#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use nix::poll::{PollFd, PollFlags, poll};

    use super::*;

    /// A child that obeys, and the master's end of its channel.
    fn linked() -> (Arc<Link>, Channel) {
        let welcome = r#"{"protocol":1,"generation":1,"master_pid":1,"addresses":[],
            "terminate_timeout_ms":1}"#;
        let (ours, theirs) = Channel::pair().unwrap();
        let link = Arc::new(Link::new(theirs, &serde_json::from_str(welcome).unwrap()));
        let obeying = link.clone();
        std::thread::spawn(move || obeying.obey(&Gate::new(Phase::Serving).unwrap()));
        (link, ours)
    }

    fn heard(master: &Channel) -> FromChild {
        let mut readable = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut readable, 60_000_u16), Ok(1), "it says nothing");
        match master.receive().unwrap() {
            Received::Message(message, _) => message,
            Received::End => panic!("the channel ended"),
        }
    }

    #[test]
    fn a_program_without_a_runtime_has_its_beats_answered_by_the_channel() {
        let (link, master) = linked();
        master.send(&FromMaster::Beat).unwrap();
        assert_eq!(heard(&master), FromChild::Beat { open: None });
        link.open().begin();
        master.send(&FromMaster::Beat).unwrap();
        assert_eq!(heard(&master), FromChild::Beat { open: Some(0) });
    }

    #[test]
    fn what_is_owed_to_the_master_reaches_it_however_much_the_program_asks_for() {
        let (link, master) = linked();
        let ask = || (0..10_000).filter(|_| link.ask(&FromChild::CheckNow).is_ok()).count();
        let asked = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum::<usize>()
        });
        assert!((50..10_000).contains(&asked), "asked {asked} times");
        for _ in 0..8 {
            master.send(&FromMaster::Beat).unwrap();
        }
        master.send(&FromMaster::Pause).unwrap();
        let owed = std::iter::from_fn(|| Some(heard(&master))).skip(asked).take(9);
        let beats = owed.take_while(|said| matches!(said, FromChild::Beat { .. })).count();
        assert_eq!(beats, 8, "and then the pause");
    }

    #[test]
    fn a_runtime_that_is_blocked_answers_no_beat_and_one_when_it_goes_on() {
        let (link, master) = linked();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        link.set_runtime(runtime.handle().clone());
        for _ in 0..3 {
            master.send(&FromMaster::Beat).unwrap();
        }
        // It answers after the three.
        master.send(&FromMaster::Pause).unwrap();
        assert_eq!(heard(&master), FromChild::Paused);
        let nothing = master.try_receive::<FromChild>().unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        runtime.block_on(tokio::task::yield_now());
        assert_eq!(heard(&master), FromChild::Beat { open: None });
        let nothing = master.try_receive::<FromChild>().unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }
}
