//! What the process manager is told of the service whenever that has changed, by [`crate::notify`].
//!
//! A restart is over for it when the new generation is admitted, or has failed. What becomes of the
//! generation later, on its probation, is in the status.
//!
//! It hears that the service lives when the child that clients reach has answered a beat, and so as
//! long as this loop runs and that child's runtime does. A child that cannot be expected to answer
//! has nothing to prove: one of an older version, or one that has not come to its program. Neither has
//! one on trial: whether that lives is decided by [`super::beats`], and the generation that waits behind
//! it must not be killed for it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::children::Children;
use super::plan::{Phase, View};
use super::{Ending, Master};
use crate::event::{Event, Observer};
use crate::identity::Generation;
use crate::note;
use crate::notify::{Kept, Manager, Situation, State, Told as Said, monotonic_usec};
use crate::origin::Origin;

/// The process manager, if there is one that wants to hear.
#[derive(Debug, Default)]
pub(super) struct Managed(Option<Told>);

/// A process manager, and what it knows.
#[derive(Debug)]
struct Told {
    manager: Manager,
    said: Said,
    kept: Kept,
    /// When it is to hear next that the service lives, and how often it is to.
    alive: Option<(Instant, Duration)>,
    /// When the first generation has to be ready; nothing, once it was.
    first_until: Option<Instant>,
    /// Why the last restart came to nothing, if it did.
    failure: Option<String>,
    /// Whom clients reach, and its version.
    version: Option<(Generation, Option<String>)>,
    /// The version that is being read, if one is.
    reading: Option<oneshot::Receiver<Option<String>>>,
}

impl Managed {
    /// The one that started this process. What it `kept` for the service is the service's still. The
    /// first generation has until `first_until` to be ready, if there is none yet.
    pub(super) fn begin(
        origin: &Origin,
        observer: &Observer,
        kept: Vec<String>,
        first_until: Option<Instant>,
    ) -> Self {
        Self(Manager::of(origin.private(), observer).map(|manager| Told {
            alive: manager.beat_every().map(|every| (Instant::now(), every)),
            manager,
            said: Said::default(),
            kept: Kept::begin(kept),
            first_until,
            failure: None,
            version: None,
            reading: None,
        }))
    }

    /// All that is bound is the service's, whatever this master will make of it.
    pub(super) fn keep(&mut self, children: &Children) {
        if let Self(Some(told)) = self {
            told.kept.follow(children.bound(), &mut told.manager);
        }
    }

    /// When it is to hear something although nothing has happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let told = self.0.as_ref()?;
        told.manager.retry_at().into_iter().chain(told.alive.map(|(at, _)| at)).min()
    }

    /// Until a version is known that was read. Cancel-safe.
    pub(super) async fn found(&mut self) {
        let reading = self.0.as_mut().and_then(|told| told.reading.as_mut());
        let Some(reading) = reading else { return std::future::pending().await };
        let found = reading.await.ok().flatten();
        if let Self(Some(told)) = self {
            told.reading = None;
            if let Some((_, version)) = &mut told.version {
                *version = found;
            }
        }
    }

    /// Notices what is told as an event, and is no part of the plan's view.
    pub(super) fn hear(&mut self, event: &Event) {
        let Self(Some(told)) = self else { return };
        match event {
            Event::RestartAbandoned { reason, .. } => told.failure = Some(reason.chain()),
            Event::Committed { .. } => told.failure = None,
            _ => {}
        }
    }

    /// Says that the service lives, if it is to be said at all.
    pub(super) fn say_alive(&mut self) {
        if let Self(Some(told)) = self
            && told.alive.is_some()
        {
            told.manager.say_alive();
        }
    }
}

impl Master {
    /// Tells what has changed.
    pub(super) fn show(&mut self) {
        if let (Managed(Some(told)), None | Some(Ending::With(_))) =
            (&mut self.managed, &self.outcome)
        {
            let is_trial = self.beats.is_trial();
            told.show(&self.plan.view(), &mut self.children, is_trial, Instant::now());
        }
    }

    /// A child has said that it lives.
    pub(super) fn felt(&mut self, generation: Generation) {
        if self.managed.0.is_some() && self.plan.view().acting == Some(generation) {
            self.managed.say_alive();
        }
    }
}

impl Told {
    fn show(&mut self, view: &View, children: &mut Children, is_trial: bool, now: Instant) {
        self.manager.try_again(now);
        let is_up = view.acting.is_some_and(|acting| children.is_ready(acting));
        if is_up {
            self.first_until = None;
        }
        let state = self.state(view, is_up);
        // When a service has stopped, only its manager knows whether it will be back.
        if state != State::Stopping {
            self.kept.follow(children.bound(), &mut self.manager);
        }
        let drained = view.draining.iter().map(|leaving| leaving.until);
        let until = drained.chain(view.until).chain(self.first_until).max();
        let status = self.status(view, is_up, children);
        let situation = Situation { state, asked: view.restarts_asked, status, until };
        let said = self.said.tell(situation, now, monotonic_usec());
        for text in said {
            self.manager.say(text);
        }
        self.ask(view, children, is_trial, now);
    }

    fn state(&self, view: &View, is_up: bool) -> State {
        let is_moving = matches!(view.phase, Phase::Examining | Phase::Yielding | Phase::Starting);
        match view.phase {
            Phase::Stopping => State::Stopping,
            _ if self.first_until.is_some() => State::Starting,
            _ if is_moving || view.restart_waits || !is_up => State::Reloading,
            _ => State::Ready,
        }
    }

    /// Asks the child that clients reach whether it lives, when that is due.
    fn ask(&mut self, view: &View, children: &mut Children, is_trial: bool, now: Instant) {
        let Some((at, every)) = self.alive else { return };
        if at > now {
            return;
        }
        self.alive = Some((now + every, every));
        let is_asked = view.phase != Phase::Stopping
            && !is_trial
            && view.acting.is_some_and(|acting| children.ask_for_beat(acting));
        if !is_asked {
            self.manager.say_alive();
        }
    }

    fn status(&mut self, view: &View, is_up: bool, children: &Children) -> String {
        let mut parts = Vec::new();
        if let Some(acting) = view.acting {
            let version = self.version_of(acting, children);
            let version = version.map(|version| format!(" ({version})")).unwrap_or_default();
            let does = match view.phase {
                Phase::Stopping => "drains",
                Phase::Handover | Phase::Probation => "serves on probation",
                _ if is_up => "serves",
                _ => "starts",
            };
            parts.push(format!("generation {acting}{version} {does}"));
        }
        match view.phase {
            Phase::Examining => parts.push("the file for a restart is looked at".into()),
            Phase::Yielding => parts.push("the next generation starts behind it".into()),
            Phase::Starting => {
                parts.extend(
                    view.candidate.map(|candidate| format!("generation {candidate} starts")),
                );
            }
            _ if view.restart_waits => parts.push("a restart waits".into()),
            _ => {}
        }
        let leaving = view.draining.iter().filter(|it| Some(it.generation) != view.acting);
        parts.extend(leaving.map(|leaving| {
            let does = if leaving.is_killed { "is killed" } else { "drains" };
            format!("generation {} {does}", leaving.generation)
        }));
        parts.extend(self.failure.iter().map(|why| format!("the last restart failed: {why}")));
        parts.join("; ")
    }

    /// As its note says, once that was read.
    fn version_of(&mut self, generation: Generation, children: &Children) -> Option<&str> {
        if self.version.as_ref().is_none_or(|(of, _)| *of != generation)
            && children.is_ready(generation)
        {
            self.version = Some((generation, None));
            self.reading = children.binary_of(generation).and_then(read);
        }
        let (of, version) = self.version.as_ref()?;
        version.as_deref().filter(|_| *of == generation)
    }
}

/// The version that the note of `binary` tells, read on a thread of its own: the file system may not
/// answer.
fn read(binary: PathBuf) -> Option<oneshot::Receiver<Option<String>>> {
    let (tell, told) = oneshot::channel();
    let reading = move || {
        let note = note::read(&binary).ok().flatten();
        let version = note.map(|note| note.version().to_owned());
        // Another generation may be of interest by now.
        let _ = tell.send(version.filter(|version| !version.is_empty()));
    };
    // Without a thread the status is without a version.
    let thread = std::thread::Builder::new().name("selfup-version".into()).spawn(reading);
    thread.ok().map(|_| told)
}
