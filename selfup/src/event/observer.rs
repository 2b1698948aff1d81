use std::fmt;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(all(selfup_supervised, feature = "control"))]
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Event;
use super::fields::trace;
#[cfg(all(selfup_supervised, feature = "control"))]
use super::tap::{Ring, Tap};
use crate::error::Error;

/// Tells events to everybody who listens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Observer {
    teller: Teller,
    /// Made for who subscribes first.
    #[cfg(all(selfup_supervised, feature = "control"))]
    ring: Arc<OnceLock<Arc<Ring>>>,
}

#[derive(Clone)]
enum Teller {
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
enum Told {
    Event(Event),
    /// Everything before this was told: the other end hears of it by the end of its channel.
    Mark(Box<dyn Send>),
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
        let teller = if started.is_ok() { Teller::Thread(sender) } else { Teller::Here(listeners) };
        Self {
            teller,
            #[cfg(all(selfup_supervised, feature = "control"))]
            ring: Arc::default(),
        }
    }

    /// Tells `event`, without waiting for anybody.
    pub(crate) fn tell(&self, event: &Event) {
        #[cfg(all(selfup_supervised, feature = "control"))]
        if let Some(ring) = self.ring.get() {
            ring.put(event.clone());
        }
        match &self.teller {
            Teller::Thread(sender) => drop(sender.try_send(Told::Event(event.clone()))),
            Teller::Here(listeners) => tell(listeners, event),
        }
    }

    /// The events since somebody first asked for them, to read on. Whatever hangs on another way to be
    /// told does not keep them.
    #[cfg(all(selfup_supervised, feature = "control"))]
    pub(crate) fn subscribe(&self) -> Tap {
        self.ring.get_or_init(|| Arc::new(Ring::new())).tap()
    }

    /// Tells an error that has no event of its own.
    pub(crate) fn warn(&self, error: Error) {
        self.tell(&Event::Warning { error: Arc::new(error) });
    }

    /// Ends when what was told so far is heard.
    pub(crate) fn flush(&self) -> oneshot::Receiver<()> {
        let (mark, reached) = oneshot::channel::<()>();
        if let Teller::Thread(sender) = &self.teller {
            // With a queue that is full it is dropped, and nothing is waited for.
            drop(sender.try_send(Told::Mark(Box::new(mark))));
        }
        reached
    }

    /// Waits a moment until what was told so far is heard, before the process ends.
    pub(crate) fn finish(&self) {
        let (mark, reached) = sync_channel::<()>(0);
        if let Teller::Thread(sender) = &self.teller
            && sender.try_send(Told::Mark(Box::new(mark))).is_ok()
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
struct Listeners {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Generation;

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

    /// One whose hook hangs on an event.
    fn hanging() -> Observer {
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
        observer
    }

    #[test]
    fn a_hook_that_hangs_holds_nobody_up() {
        let observer = hanging();
        for _ in 0..2 * QUEUE {
            observer.tell(&Event::Resumed { generation: Generation::FIRST });
        }
    }

    #[cfg(all(selfup_supervised, feature = "control"))]
    #[tokio::test]
    async fn a_hook_that_hangs_keeps_no_event_from_who_subscribed() {
        let observer = hanging();
        let mut tap = observer.subscribe();
        for number in 1..=2 * QUEUE as u64 {
            observer.tell(&Event::Resumed { generation: Generation::FIRST });
            let heard = tap.next().await;
            assert_eq!((heard.missed, heard.told.number), (0, number));
        }
    }
}
