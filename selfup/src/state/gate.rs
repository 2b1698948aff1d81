//! Whether this process accepts: told by the master, waited for by everybody else.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use super::listener::Listener;
use super::udp::UdpSocket;

/// What a running program may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It was started and is not admitted yet.
    Waiting,
    /// It accepts.
    Serving,
    /// It accepts nothing new, and may be resumed.
    Paused,
    /// It finishes what is open and ends. There is no way back.
    Draining,
}

/// The phase, in the three forms that can be waited for: by a future, by a thread, and by a thread
/// that polls a listener at the same time.
#[derive(Debug)]
pub(crate) struct Gate {
    phase: watch::Sender<Phase>,
    changed: Condvar,
    closed: Mutex<Closed>,
    /// Readable while the phase is any but `Serving`.
    readable: PipeReader,
    /// What is accepted from: woken for connections in `Serving` only, and closed in `Draining`.
    listeners: OnceLock<Vec<Listener>>,
    /// What is read from, while it is `Serving`. In `Draining` it is the program's alone, which may
    /// have to answer by it, and closed when that lets go of it.
    udp: Mutex<Vec<UdpSocket>>,
}

/// The writing end of the pipe, which holds one byte while the gate is closed.
#[derive(Debug)]
struct Closed(PipeWriter);

impl Gate {
    pub(crate) fn new(phase: Phase) -> io::Result<Self> {
        let (readable, mut writer) = io::pipe()?;
        if phase != Phase::Serving {
            writer.write_all(b"x")?;
        }
        let (changed, closed) = (Condvar::new(), Mutex::new(Closed(writer)));
        let (phase, listeners) = (watch::Sender::new(phase), OnceLock::new());
        let udp = Mutex::default();
        Ok(Self { phase, changed, closed, readable, listeners, udp })
    }

    /// Has `listeners` and `udp` follow the phase from now on.
    pub(super) fn hang(&self, listeners: Vec<Listener>, udp: Vec<UdpSocket>) {
        let _ = self.listeners.set(listeners);
        *self.udp() = udp;
    }

    /// The sockets for packets, until there is nothing to be read any more.
    pub(super) fn udp_sockets(&self) -> Vec<UdpSocket> {
        self.udp().clone()
    }

    fn udp(&self) -> MutexGuard<'_, Vec<UdpSocket>> {
        self.udp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Goes to `phase`, unless this process drains already.
    pub(crate) fn set(&self, phase: Phase) {
        let mut closed = self.lock();
        let previous = self.phase();
        if previous == Phase::Draining || previous == phase {
            return;
        }
        // One byte goes in and out of a pipe of our own: this neither blocks nor fails.
        let _ = match (previous, phase) {
            (Phase::Serving, _) => closed.0.write_all(b"x"),
            (_, Phase::Serving) => (&self.readable).read_exact(&mut [0]),
            _ => Ok(()),
        };
        let listeners = || self.listeners.get().into_iter().flatten();
        if phase == Phase::Serving {
            listeners().for_each(Listener::resume);
            self.udp().iter().for_each(UdpSocket::resume);
        }
        self.phase.send_replace(phase);
        self.changed.notify_all();
        match phase {
            Phase::Waiting | Phase::Serving => {}
            Phase::Paused => {
                listeners().for_each(Listener::pause);
                self.udp().iter().for_each(UdpSocket::pause);
            }
            Phase::Draining => {
                listeners().for_each(Listener::close);
                std::mem::take(&mut *self.udp()).iter().for_each(UdpSocket::pause);
            }
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Blocks until `wanted`.
    pub(crate) fn wait_for(&self, wanted: Phase) {
        let mut closed = self.lock();
        while self.phase() != wanted {
            closed = self.changed.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks until this process accepts; `false` if it never will again.
    pub(crate) fn wait_to_accept(&self) -> bool {
        let mut closed = self.lock();
        loop {
            match self.phase() {
                Phase::Serving => return true,
                Phase::Draining => return false,
                Phase::Waiting | Phase::Paused => {}
            }
            closed = self.changed.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Readable while the phase is any but `Serving`.
    #[cfg(unix)]
    pub(crate) fn closed(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.readable)
    }

    fn lock(&self) -> MutexGuard<'_, Closed> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn is_closed(gate: &Gate) -> bool {
        let mut descriptors = [PollFd::new(gate.closed(), PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn the_pipe_is_readable_in_every_phase_but_serving() {
        let gate = Gate::new(Phase::Waiting).unwrap();
        for (phase, closed) in [
            (Phase::Serving, false),
            (Phase::Paused, true),
            (Phase::Serving, false),
            (Phase::Serving, false),
            (Phase::Draining, true),
        ] {
            gate.set(phase);
            assert_eq!(is_closed(&gate), closed, "{phase:?}");
        }
    }

    #[test]
    fn nothing_comes_back_from_a_drain() {
        let gate = Gate::new(Phase::Serving).unwrap();
        gate.set(Phase::Draining);
        gate.set(Phase::Serving);
        assert_eq!(gate.phase(), Phase::Draining);
    }

    #[test]
    fn a_thread_waits_for_a_phase() {
        let gate = std::sync::Arc::new(Gate::new(Phase::Serving).unwrap());
        let waiting = std::thread::spawn({
            let gate = gate.clone();
            move || gate.wait_for(Phase::Draining)
        });
        gate.set(Phase::Draining);
        waiting.join().unwrap();
    }
}
