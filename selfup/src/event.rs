//! What happens to a service, one [`Event`] a step, and the [`Observer`] that tells it.
//!
//! Every event goes to `tracing` and to the `on_event` hook. A program that installed no
//! subscriber gets the warnings as `[selfup] ...` on stderr (`debug`: all of them, `no_warn`:
//! none); stdout belongs to the program.
//!
//! All three may block for ever: a subscriber and a hook are the user's code, and stderr may be a
//! pipe that nobody reads. So they are told on a thread of their own behind a bounded queue, and
//! whoever tells an event never waits: one that hangs loses events, and nothing else.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::identity::{BinaryId, Generation};

/// One step in the life of a service, as its master sees it.
///
/// The [`Display`](fmt::Display) is one line for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A listener is bound to `local`, for the setting `address`.
    #[non_exhaustive]
    Bound {
        /// The address as it was configured.
        address: String,
        /// What the kernel bound.
        local: SocketAddr,
    },
    /// A child was started.
    #[non_exhaustive]
    ChildStarted {
        /// The generation.
        generation: Generation,
        /// Its process.
        pid: u32,
    },
    /// A child said that it can serve.
    #[non_exhaustive]
    ChildReady {
        /// The generation.
        generation: Generation,
    },
    /// A child ended.
    #[non_exhaustive]
    ChildExited {
        /// The generation.
        generation: Generation,
        /// How, in words: "exit status 1", "signal SIGKILL".
        status: String,
    },
    /// A child was told to accept nothing new, and said that it does not.
    #[non_exhaustive]
    Paused {
        /// The generation.
        generation: Generation,
    },
    /// A paused child was told to accept again.
    #[non_exhaustive]
    Resumed {
        /// The generation.
        generation: Generation,
    },
    /// A generation passed its probation and is the service now.
    #[non_exhaustive]
    Committed {
        /// The generation.
        generation: Generation,
    },
    /// A generation was told to finish its work and end.
    #[non_exhaustive]
    Draining {
        /// The generation.
        generation: Generation,
    },
    /// A draining generation was not done at its deadline and was killed.
    #[non_exhaustive]
    DrainTimedOut {
        /// The generation.
        generation: Generation,
    },
    /// A restart came to nothing; the generation that served goes on.
    #[non_exhaustive]
    RestartAbandoned {
        /// The generation that failed.
        generation: Generation,
        /// Why.
        reason: Arc<Error>,
    },
    /// The fetcher failed; it is asked again at its next poll.
    #[non_exhaustive]
    FetchFailed {
        /// Why.
        error: Arc<Error>,
    },
    /// A candidate is written beside the binary, whole and digested.
    #[non_exhaustive]
    CandidateStaged {
        /// Its identity.
        id: BinaryId,
        /// Its length in bytes.
        length: u64,
    },
    /// A candidate was turned down; the running version goes on.
    #[non_exhaustive]
    CandidateRefused {
        /// Its identity, once its bytes are known.
        id: Option<BinaryId>,
        /// Why.
        reason: Arc<Error>,
    },
    /// A candidate is in place of the binary on disk.
    #[non_exhaustive]
    Upgraded {
        /// The binary that was there.
        from: BinaryId,
        /// The binary that is there now.
        to: BinaryId,
    },
    /// The previous binary is back on disk.
    #[non_exhaustive]
    RolledBack {
        /// The binary that failed.
        from: BinaryId,
        /// The binary that is back.
        to: BinaryId,
    },
    /// The binary cannot be replaced here; the service runs on without upgrades.
    #[non_exhaustive]
    UpgradesDisabled {
        /// Why.
        reason: Arc<Error>,
    },
    /// The master executed the committed binary in place: same process, same children, new code.
    #[non_exhaustive]
    MasterReplaced {
        /// The generation whose binary it runs now.
        generation: Generation,
    },
    /// Something failed that has no event of its own; the service goes on.
    #[non_exhaustive]
    Warning {
        /// What.
        error: Arc<Error>,
    },
}

impl Event {
    /// The stable name, as in `tracing`'s field `event`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bound { .. } => "bound",
            Self::ChildStarted { .. } => "child_started",
            Self::ChildReady { .. } => "child_ready",
            Self::ChildExited { .. } => "child_exited",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Committed { .. } => "committed",
            Self::Draining { .. } => "draining",
            Self::DrainTimedOut { .. } => "drain_timed_out",
            Self::RestartAbandoned { .. } => "restart_abandoned",
            Self::FetchFailed { .. } => "fetch_failed",
            Self::CandidateStaged { .. } => "candidate_staged",
            Self::CandidateRefused { .. } => "candidate_refused",
            Self::Upgraded { .. } => "upgraded",
            Self::RolledBack { .. } => "rolled_back",
            Self::UpgradesDisabled { .. } => "upgrades_disabled",
            Self::MasterReplaced { .. } => "master_replaced",
            Self::Warning { .. } => "warning",
        }
    }

    /// Whether an operator should look at this.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        matches!(
            self,
            Self::DrainTimedOut { .. }
                | Self::RestartAbandoned { .. }
                | Self::FetchFailed { .. }
                | Self::CandidateRefused { .. }
                | Self::RolledBack { .. }
                | Self::UpgradesDisabled { .. }
                | Self::Warning { .. }
        )
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound { address, local } => write!(f, "address {address:?} bound as {local}"),
            Self::ChildStarted { generation, pid } => {
                write!(f, "generation {generation} started as process {pid}")
            }
            Self::ChildReady { generation } => write!(f, "generation {generation} is ready"),
            Self::ChildExited { generation, status } => {
                write!(f, "generation {generation} ended: {status}")
            }
            Self::Paused { generation } => write!(f, "generation {generation} is paused"),
            Self::Resumed { generation } => write!(f, "generation {generation} resumes"),
            Self::Committed { generation } => write!(f, "generation {generation} is committed"),
            Self::Draining { generation } => write!(f, "generation {generation} drains"),
            Self::DrainTimedOut { generation } => {
                write!(f, "generation {generation} was not done in time and was killed")
            }
            Self::RestartAbandoned { generation, reason } => {
                write!(f, "restart abandoned, generation {generation} failed: {}", reason.chain())
            }
            Self::FetchFailed { error } => write!(f, "fetch failed: {}", error.chain()),
            Self::CandidateStaged { id, length } => {
                write!(f, "candidate {} staged, {length} bytes", id.short())
            }
            Self::CandidateRefused { id: Some(id), reason } => {
                write!(f, "candidate {} refused: {}", id.short(), reason.chain())
            }
            Self::CandidateRefused { id: None, reason } => {
                write!(f, "candidate refused: {}", reason.chain())
            }
            Self::Upgraded { from, to } => {
                write!(f, "binary {} replaced by {}", from.short(), to.short())
            }
            Self::RolledBack { from, to } => {
                write!(f, "binary {} rolled back to {}", from.short(), to.short())
            }
            Self::UpgradesDisabled { reason } => write!(f, "upgrades are off: {}", reason.chain()),
            Self::MasterReplaced { generation } => {
                write!(f, "the master runs the binary of generation {generation}")
            }
            Self::Warning { error } => write!(f, "{}", error.chain()),
        }
    }
}

/// Tells events to everybody who listens. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Observer {
    Thread(SyncSender<Told>),
    /// Where no thread can be had, nothing of a master can either: whoever tells waits.
    Here(Arc<Mutex<Listeners>>),
}

/// What a program without a `tracing` subscriber sees on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    Silent,
    Warnings,
    All,
}

/// The user's `on_event`.
pub(crate) type EventHook = Box<dyn FnMut(&Event) + Send>;

/// What the thread is sent.
pub(crate) enum Told {
    Event(Event),
    /// Everything before this was told.
    Mark(SyncSender<()>),
}

/// As many events wait for a slow listener; what comes on top of them is lost.
const QUEUE: usize = 1024;

/// So long the last events of a process are waited for.
const LAST: Duration = Duration::from_secs(1);

impl Observer {
    /// Starts the thread that tells.
    pub(crate) fn start(verbosity: Verbosity, hook: Option<EventHook>) -> Self {
        let (sender, events) = sync_channel(QUEUE);
        let listeners = Arc::new(Mutex::new(Listeners { verbosity, hook }));
        let on_thread = Arc::clone(&listeners);
        let thread = std::thread::Builder::new().name("selfup-events".into());
        let started = thread.spawn(move || {
            for told in events {
                match told {
                    Told::Event(event) => tell(&on_thread, &event),
                    Told::Mark(reached) => drop(reached),
                }
            }
        });
        if started.is_ok() { Self::Thread(sender) } else { Self::Here(listeners) }
    }

    /// Tells `event`, without waiting for anybody.
    pub(crate) fn tell(&self, event: &Event) {
        match self {
            Self::Thread(sender) => drop(sender.try_send(Told::Event(event.clone()))),
            Self::Here(listeners) => tell(listeners, event),
        }
    }

    /// Tells an error that has no event of its own.
    pub(crate) fn warn(&self, error: Error) {
        self.tell(&Event::Warning { error: Arc::new(error) });
    }

    /// Waits a moment until what was told so far is heard, before the process ends.
    pub(crate) fn finish(&self) {
        let (mark, reached) = sync_channel(0);
        if let Self::Thread(sender) = self
            && sender.try_send(Told::Mark(mark)).is_ok()
        {
            let _ = reached.recv_timeout(LAST);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// Who is told.
pub(crate) struct Listeners {
    verbosity: Verbosity,
    hook: Option<EventHook>,
}

impl Listeners {
    fn tell(&mut self, event: &Event) {
        // What panics has said so on stderr, and is told the next event all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| trace(event)));
        if self.prints(event) {
            // Nothing can be done about a stderr that is gone.
            let _ = writeln!(std::io::stderr(), "[selfup] {event}");
        }
        if let Some(hook) = &mut self.hook {
            let _ = catch_unwind(AssertUnwindSafe(|| hook(event)));
        }
    }

    fn prints(&self, event: &Event) -> bool {
        match self.verbosity {
            Verbosity::Silent => false,
            Verbosity::Warnings => event.is_warning() && !tracing::dispatcher::has_been_set(),
            Verbosity::All => !tracing::dispatcher::has_been_set(),
        }
    }
}

fn tell(listeners: &Mutex<Listeners>, event: &Event) {
    listeners.lock().unwrap_or_else(PoisonError::into_inner).tell(event);
}

fn trace(event: &Event) {
    let name = event.name();
    if event.is_warning() {
        tracing::warn!(target: "selfup", event = name, "{event}");
    } else {
        tracing::info!(target: "selfup", event = name, "{event}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_panics_is_told_the_next_event() {
        let (seen, names) = std::sync::mpsc::channel();
        let hook = move |event: &Event| {
            seen.send(event.name()).unwrap();
            assert_ne!(event.name(), "paused", "the hook panics, as the test asks it to");
        };
        let observer = Observer::start(Verbosity::Silent, Some(Box::new(hook)));
        observer.tell(&Event::Paused { generation: Generation::FIRST });
        observer.tell(&Event::Resumed { generation: Generation::FIRST });
        assert_eq!(names.recv(), Ok("paused"));
        assert_eq!(names.recv(), Ok("resumed"));
    }

    #[test]
    fn a_hook_that_hangs_holds_nobody_up() {
        let (told, is_told) = std::sync::mpsc::channel();
        let hook = move |_: &Event| {
            told.send(()).unwrap();
            loop {
                std::thread::park();
            }
        };
        let observer = Observer::start(Verbosity::Silent, Some(Box::new(hook)));
        observer.tell(&Event::Paused { generation: Generation::FIRST });
        is_told.recv().unwrap();
        for _ in 0..2 * QUEUE {
            observer.tell(&Event::Resumed { generation: Generation::FIRST });
        }
    }
}
