//! The program's own word on its health, asked for while a generation is on trial.
//!
//! The hook runs as a task on the program's runtime, so that a runtime that is blocked does not
//! answer, or on a thread of its own where the program has no runtime. It is watched from another
//! thread, with a runtime that only keeps time: whatever the hook or the program blocks, the master
//! hears within [`PATIENCE`].
//!
//! It is asked once when the program is ready, before the master is told, and again and again from
//! the admission to the commit. A run that hangs is given up and not joined by a second one for as
//! long as it cannot be stopped. The thread is gone when the trial is over.
//!
//! The first generation has nothing before it that could go on, so it is on no trial: its hook is
//! asked once, and what it says keeps nobody from serving.

use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{sleep, timeout};

use super::State;
use super::gate::Phase;
use crate::channel::message::FromChild;
use crate::error::{BoxError, chain};

/// The hook of a program.
#[derive(Clone)]
pub(crate) struct Health(Arc<dyn Fn(State) -> Answer + Send + Sync>);

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Health {
    pub(crate) fn new<F, E>(hook: impl Fn(State) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Arc::new(move |state| {
            let answer = hook(state);
            Box::pin(async move { answer.await.map_err(|error| chain(&*error.into())) })
        }))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

/// A generation that is asked for its health, from the moment when it is ready.
#[derive(Debug)]
pub(super) struct Trial {
    state: State,
    health: Health,
    /// Of the program, if it has one.
    runtime: Option<Handle>,
}

impl Trial {
    pub(super) fn new(state: State, health: Health, runtime: Option<Handle>) -> Self {
        Self { state, health, runtime }
    }

    /// Begins on a thread of its own, which tells the master that the program is ready.
    pub(super) fn begin(&self) -> io::Result<()> {
        let (end, ended) = oneshot::channel::<()>();
        let on_its_own =
            || drive("selfup-health", Builder::new_current_thread().enable_all(), ended);
        let runtime = self.runtime.clone().map_or_else(on_its_own, Ok)?;
        let (state, health) = (self.state.clone(), self.health.clone());
        let asking = async move {
            let asking = Asking { state: &state, health, runtime, given_up: None };
            tokio::select! {
                biased;
                () = is_over(&state) => {}
                () = asking.run() => {}
            }
            drop(end);
        };
        drive("selfup-trial", Builder::new_current_thread().enable_time(), asking).map(drop)
    }
}

/// Drives `future` to its end, on a runtime and a thread of its own.
fn drive<F>(name: &str, runtime: &mut Builder, future: F) -> io::Result<Handle>
where
    F: Future + Send + 'static,
{
    // The thread comes first: within the program's runtime, another one must not be dropped.
    let (give, given) = mpsc::channel::<Runtime>();
    let thread = std::thread::Builder::new().name(name.into());
    thread.spawn(move || given.recv().map(|runtime| drop(runtime.block_on(future))))?;
    let runtime = runtime.build()?;
    let handle = runtime.handle().clone();
    // The thread waits for it.
    let _ = give.send(runtime);
    Ok(handle)
}

/// Resolves when nobody needs to be told of this generation's health any more: it is committed, or
/// serves no longer. A master that knows no commit pauses only what it has committed.
async fn is_over(state: &State) {
    let (mut phase, mut committed) = (state.0.gate.subscribe(), state.0.link.committed());
    tokio::select! {
        _ = phase.wait_for(|phase| matches!(phase, Phase::Paused | Phase::Draining)) => {}
        _ = committed.wait_for(|committed| *committed) => {}
    }
}

struct Asking<'a> {
    state: &'a State,
    health: Health,
    runtime: Handle,
    /// A run that did not answer. It ends when its runtime comes to it.
    given_up: Option<Run>,
}

/// The program has ended, and with it whoever could be asked.
struct Gone;

impl Asking<'_> {
    async fn run(mut self) {
        // That there is nobody to ask any more is how it ends, too.
        let _ = self.ask_on().await;
    }

    async fn ask_on(&mut self) -> Result<(), Gone> {
        let link = &self.state.0.link;
        while !self.ask().await? && link.is_on_trial() {
            sleep(PAUSE).await;
        }
        while link.say(&FromChild::Ready).is_err() {
            // A full channel is a master that is busy.
            sleep(PAUSE).await;
        }
        if !link.is_on_trial() {
            return Ok(());
        }
        let mut phase = self.state.0.gate.subscribe();
        let _ = phase.wait_for(|phase| *phase == Phase::Serving).await;
        loop {
            sleep(PAUSE).await;
            self.ask().await?;
        }
    }

    /// Whether the program is well; the master hears it if not.
    async fn ask(&mut self) -> Result<bool, Gone> {
        let Err(reason) = self.answer().await? else { return Ok(true) };
        let reason = reason.chars().take(LONGEST).collect();
        // Unheard, it is said again after the next run.
        let _ = self.state.0.link.say(&FromChild::Unhealthy { reason });
        Ok(false)
    }

    async fn answer(&mut self) -> Result<Result<(), String>, Gone> {
        if let Some(mut run) = self.given_up.take()
            && timeout(PATIENCE, &mut run).await.is_err()
        {
            return Ok(Err(self.give_up(run)));
        }
        let (health, state) = (self.health.clone(), self.state.clone());
        let mut run = self.runtime.spawn(async move { (health.0)(state).await });
        match timeout(PATIENCE, &mut run).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => why_it_ended(error).map(Err),
            Err(_) => Ok(Err(self.give_up(run))),
        }
    }

    fn give_up(&mut self, run: Run) -> String {
        run.abort();
        self.given_up = Some(run);
        let seconds = PATIENCE.as_secs();
        format!("the health hook did not answer within {seconds}s")
    }
}

type Run = JoinHandle<Result<(), String>>;

fn why_it_ended(error: JoinError) -> Result<String, Gone> {
    let panic = error.try_into_panic().map_err(|_| Gone)?;
    Ok(format!("the health hook panicked: {}", text_of(&*panic)))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("see stderr")
}

/// So long one run may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// So long it is between two runs.
const PAUSE: Duration = Duration::from_secs(1);

/// So many characters of a reason are told.
const LONGEST: usize = 500;

#[cfg(selfup_supervised)]
#[cfg(test)]
mod tests;
