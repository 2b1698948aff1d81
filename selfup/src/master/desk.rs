//! The loop's side of the control socket: an operator is told how things are, and what came of what
//! he asked for.
//!
//! Requests come by a bounded channel, from the thread that [serves](crate::control) the socket, and each
//! has an end of its own for the answer. None of them is waited for: what takes time is a
//! [ticket](tickets), which is answered by what the plan decides and the upgrade thread reports in any
//! case. So whoever asks, hangs up or floods moves the service no more than a signal does.
//!
//! How many connections a child has only that child knows, so each is asked when somebody wants the
//! [status], and has a second to answer; who wants it meanwhile has the same answer. What was upgraded
//! and refused is [remembered](memory) from the events; which binary runs is known from the pipeline, or
//! [found out](identities) beside the loop.
//!
//! The [socket](front) is bound through the code for UNIX sockets of the service, and stays until the end: a
//! service that drains for long is one that an operator wants to see. A master that is about to be
//! replaced stops the thread first; who connects meanwhile waits in the socket's queue for the next one.
//! The socket is among the listeners of the snapshot, so that a version that has no use for it closes
//! it as one that no address needs. Polls that are asked for have a few seconds to end. Who waits for a
//! restart or a rollback is told that the next master does it, and everybody else to ask again, for a
//! connection that was accepted ends with the thread.
//!
//! Rejected: handing accepted connections over, with what was read of them. It would take a parser that
//! can be interrupted anywhere, for clients that can ask again.
//!
//! Limits: what is remembered of an upgrade is lost with the service; the history beside the binary is
//! not. A socket that could not be bound is tried again at the next commit only.

mod front;
mod identities;
mod memory;
mod requests;
mod status;
mod tickets;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::front::Front;
pub(super) use self::front::take_out;
use self::identities::Identities;
use self::memory::{Left, Memory};
use self::status::Question;
use self::tickets::Tickets;
use super::Master;
use super::plan::Action;
use super::upgrades::{Offer, Polled};
use crate::config::Address;
use crate::control::Asked;
use crate::error::Result;
use crate::event::{Counts, Observer, Tap};
use crate::identity::Generation;
use crate::listeners::Bound;
use crate::upgrade::Vetted;

/// Everything that is between the socket and the plan.
#[derive(Debug)]
pub(super) struct Desk {
    front: Front,
    /// What the thread of the socket gets a clone of.
    ask: mpsc::Sender<Asked>,
    asked: mpsc::Receiver<Asked>,
    tickets: Tickets,
    question: Option<Question>,
    identities: Identities,
    memory: Memory,
    /// None, without a socket.
    tap: Option<Tap>,
    /// Until when a succession waits for what may be over in a moment.
    held_until: Option<Instant>,
}

/// What the loop hears.
#[derive(Debug)]
pub(super) enum Heard {
    Asked(Asked),
    /// Something more is known of what runs.
    Found,
}

/// What a master leaves to the next one, beside the socket.
#[derive(Debug, Serialize, Deserialize)]
struct Legacy {
    #[serde(default)]
    is_paused: bool,
    #[serde(default)]
    memory: Left,
    #[serde(default)]
    counts: Counts,
}

/// So many requests wait for the loop; the server lets in few more.
const QUEUE: usize = 16;

/// So long a succession waits for a poll that somebody asked for, and for a status.
const HOLD: Duration = Duration::from_secs(5);

impl Desk {
    /// Without a socket, if there is no `address` for it.
    pub(super) fn new(
        address: Option<Address>,
        backlog: i32,
        has_restarts: bool,
        observer: &Observer,
    ) -> Self {
        let (ask, asked) = mpsc::channel(QUEUE);
        let tap = address.is_some().then(|| observer.subscribe());
        Self {
            front: Front::new(address, backlog, observer.clone()),
            ask,
            asked,
            tickets: Tickets::new(has_restarts),
            question: None,
            identities: Identities::default(),
            memory: Memory::default(),
            tap,
            held_until: None,
        }
    }

    /// Binds the socket, for the first master of a service.
    pub(super) fn bind(&mut self) -> Result<()> {
        self.front.bind()
    }

    /// Takes over what a master before this one left. Says whether polls are to pause.
    pub(super) fn take_over(
        &mut self,
        bound: Option<Bound>,
        legacy: Option<serde_json::Value>,
    ) -> bool {
        self.front.take_over(bound);
        // What cannot be read says nothing.
        let legacy = legacy.and_then(|legacy| serde_json::from_value::<Legacy>(legacy).ok());
        let (Some(Legacy { is_paused, memory, counts }), Some(tap)) = (legacy, &self.tap) else {
            // Nobody could have them go on.
            return false;
        };
        self.memory = memory.into();
        tap.add(counts);
        is_paused
    }

    /// There is no way back to the master before this one.
    pub(super) fn take_charge(&mut self) {
        self.front.take_charge();
        self.begin();
    }

    /// The socket, and what else is left to the next master, which `is_paused`.
    pub(super) fn estate(&self, is_paused: bool) -> (Option<&Bound>, Option<serde_json::Value>) {
        let legacy = self.tap.as_ref().and_then(|tap| {
            let (memory, counts) = (self.memory.leave(), tap.counts());
            serde_json::to_value(Legacy { is_paused, memory, counts }).ok()
        });
        (self.front.bound(), legacy)
    }

    /// There is a child: from here on somebody may ask for it. Says whether that is news.
    pub(super) fn begin(&mut self) -> bool {
        self.front.begin()
    }

    /// Has the socket served, if it can be.
    pub(super) fn open(&mut self) {
        self.held_until = None;
        self.front.open(&self.ask);
    }

    /// Whether something should be over before this master becomes other code, and when to look
    /// again.
    pub(super) fn holds_up(&mut self, now: Instant) -> bool {
        let is_busy = self.tickets.is_polling() || self.question.is_some();
        is_busy && now < *self.held_until.get_or_insert(now + HOLD)
    }

    /// Answers everybody, as it is while `serving` does, and has the socket served no more. Says
    /// whether that is so.
    pub(super) fn close(&mut self, serving: Generation) -> bool {
        // What is still on its way to the loop is not taken up, which its client is told.
        while self.asked.try_recv().is_ok() {}
        self.tickets.succeed(serving);
        self.front.close()
    }

    /// The service is at its end.
    pub(super) fn end(&mut self) {
        self.front.end();
    }

    /// What comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            // This desk keeps a sender: it never ends.
            Some(asked) = self.asked.recv(), if !self.front.is_closing() => Heard::Asked(asked),
            () = self.identities.found() => Heard::Found,
        }
    }

    /// When the status is told, whoever has not answered by then; or when to look at the socket.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let question = self.question.as_ref().map(Question::until);
        question.into_iter().chain(self.front.deadline()).min()
    }

    pub(super) fn offered(&mut self, vetted: &Vetted, offer: Offer) {
        self.identities.note(vetted);
        self.tickets.offered(offer);
    }

    /// The upgrade thread asks for a restart.
    pub(super) fn restarted(&mut self) {
        self.tickets.restarted();
    }

    pub(super) fn polling(&mut self, number: u64) {
        self.tickets.polling(number);
    }

    pub(super) fn polled(&mut self, polled: &Polled, serving: Generation) {
        self.tickets.polled(polled, serving);
    }

    pub(super) fn answered(&mut self, number: u64, came: &std::result::Result<(), String>) {
        self.tickets.answered(number, came);
    }

    pub(super) fn rests(&mut self, rests: Duration) {
        self.tickets.rests(rests);
    }

    pub(super) fn resting(&mut self, number: u64) {
        self.tickets.resting(number);
    }

    /// Takes note of the events so far.
    fn listen(&mut self) {
        let Some(tap) = &mut self.tap else { return };
        while let Some(heard) = tap.try_next() {
            self.memory.hear(&heard.told.event, heard.told.at);
        }
    }
}

impl Master {
    /// The plan has this done.
    pub(super) fn note(&mut self, action: &Action) {
        self.desk.listen();
        self.desk.memory.did(action);
        if !self.desk.tickets.is_empty() {
            let restart_waits = self.plan.view().restart_waits;
            self.desk.tickets.did(action, restart_waits);
        }
        if let Action::Commit(_) = action {
            self.desk.front.try_again();
        }
    }

    /// Answers who can be answered by now.
    pub(super) fn attend(&mut self) {
        self.desk.listen();
        if !self.desk.tickets.is_empty() {
            let view = self.plan.view();
            let is_up = view.serving.is_some_and(|serving| self.children.is_ready(serving));
            self.desk.tickets.settle(&view, is_up);
        }
        self.tell_status();
    }
}
