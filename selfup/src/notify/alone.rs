//! A program without a master, which tells the manager itself: that it serves, and that it lives.
//!
//! Otherwise a service of `Type=notify` that falls back would be given up at its start, and one with
//! `WatchdogSec=` soon after. Its listeners are bound by then, so it is ready; and it lives as long as
//! its runtime does, as under a master.

use std::ffi::OsString;
use std::sync::mpsc;

use super::Manager;
use crate::event::Observer;
use crate::state::State;

/// Tells the manager that `env` names of the program that is about to run with `state`.
pub(crate) fn tell(env: &[(OsString, OsString)], observer: &Observer, state: &State) {
    let Some(mut manager) = Manager::of(env, observer) else { return };
    manager
        .say("READY=1\nSTATUS=the program runs without a master: no restarts, no upgrades".into());
    let Some(every) = manager.beat_every() else { return };
    let state = state.clone();
    let beat = move || {
        loop {
            let (answer, answered) = mpsc::channel();
            state.beat(move || {
                let _ = answer.send(());
            });
            // Its runtime is gone, and the process is about to be.
            let Ok(()) = answered.recv() else { return };
            manager.say_alive();
            std::thread::sleep(every);
        }
    };
    // Without a thread for it the manager starts the service again, which is what it is for.
    let _ = std::thread::Builder::new().name("selfup-notify".into()).spawn(beat);
}
