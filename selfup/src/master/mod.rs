//! The process that owns the sockets and supervises. Serves no traffic.
//!
//! One loop, and the only one: it turns signals, what is heard from children, deadlines and the
//! upgrade thread's reports into [`Input`]s, and the plan's [`Action`]s into calls. It never waits
//! for one thing alone, and none of the user's code runs on it.

mod orphans;
mod plan;
mod signals;
mod upgrades;

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::time::Instant;

use tokio::sync::mpsc;

use self::orphans::Orphans;
use self::plan::{Action, Input, Limits, Plan};
use self::signals::{Blocked, Signals};
use self::upgrades::{Order, Upgrader};
use crate::channel::message::{FromChild, FromMaster};
use crate::child::{Child, Launch, News, follow};
use crate::config::{Config, RestartSignal};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::identity::Generation;
use crate::listeners::Bound;
use crate::origin::Origin;
use crate::sys::pidfd::Status;
use crate::sys::signal::{self, Queued};

/// How a master's life went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The program ended, or was told to.
    Ended(Status),
    /// No first child could be started: the caller may run the program itself, on these listeners.
    Unsupervised { error: Error, bound: Vec<Bound> },
    /// What was required cannot be had.
    Failed(Error),
}

/// A process that has just become a master, before anything of the user's runs in it.
#[derive(Debug)]
pub(crate) struct Birth {
    origin: Origin,
    signals: Blocked,
}

impl Birth {
    /// Remembers how the process was started, and takes its signals over.
    pub(crate) fn begin() -> Result<Self> {
        if signal::is_ignored(libc::SIGCHLD) {
            // It would lose every exit status.
            signal::reset(libc::SIGCHLD);
        }
        let begun = Origin::capture().and_then(|origin| {
            let signals = Blocked::begin()?;
            Ok(Self { origin, signals })
        });
        begun.context(ErrorKind::Unsupported, || "this process cannot become a master")
    }

    /// Waits for what is needed before the first child, and can be stopped meanwhile.
    pub(crate) fn prepare<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.signals.watching_the_fatal(wait)
    }

    /// Gives the signals back to a process that goes on; what came meanwhile was for the service.
    pub(crate) fn end(&self) {
        self.signals.forget_pending();
        self.signals.give_back();
    }

    /// Supervises until the program ends.
    pub(crate) fn run(&self, config: Config, bound: Vec<Bound>, observer: Observer) -> Outcome {
        for bound in &bound {
            let address = bound.address.to_string();
            observer.tell(&Event::Bound { address, local: bound.local });
        }
        let Self { origin, signals } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let made = runtime.and_then(|runtime| {
            let restart = config.restarts.signal.map(RestartSignal::number);
            let reading = runtime.block_on(async { signals.read(restart) })?;
            Ok((runtime, reading))
        });
        let (runtime, reading) = match made {
            Ok(made) => made,
            Err(source) => {
                signals.give_back();
                let text = "what a master needs cannot be made; raise the limit of open files";
                let error = Error::new(ErrorKind::Unsupported, text).caused_by(source);
                return Outcome::Unsupervised { error, bound };
            }
        };
        let limits = Limits::new(&config);
        let upgrader = match Upgrader::start(config.upgrades, origin, &observer, config.required) {
            Ok(upgrader) => upgrader,
            Err(error) => return Outcome::Failed(error),
        };
        let _orphans = Orphans::reap(&observer);
        let launch = Launch { origin: origin.clone(), listeners: bound, restarts: config.restarts };
        let master = Master::new(limits, launch, reading, upgrader, observer);
        let outcome = runtime.block_on(master.run());
        if matches!(outcome, Outcome::Unsupervised { .. }) {
            signals.give_back();
        }
        outcome
    }
}

impl Limits {
    fn new(config: &Config) -> Self {
        let restarts = config.restarts;
        Self {
            restart_signal: restarts.signal.map(RestartSignal::number),
            restart_after_swap: config.upgrades.restart_after_fetch,
            ready: restarts.ready_timeout,
            probation: restarts.probation,
            terminate: restarts.terminate_timeout,
            max_draining: restarts.max_draining,
        }
    }
}

/// The plan, and everything that it decides about.
struct Master {
    plan: Plan,
    launch: Launch,
    children: BTreeMap<Generation, Child>,
    signals: Signals,
    news: mpsc::Receiver<(Generation, News)>,
    /// What each child's follower gets a clone of.
    tell_news: mpsc::Sender<(Generation, News)>,
    upgrader: Upgrader,
    observer: Observer,
    heard_since_due: usize,
    outcome: Option<Ending>,
}

/// What the loop waits for, beside deadlines.
enum Happening {
    Signal(io::Result<Input>),
    News(Generation, News),
    Report(Input),
}

/// Why the loop ends.
enum Ending {
    With(Status),
    FirstNotStarted(Error),
}

/// So much is heard after a deadline has passed, before it counts.
const MOST_HEARD: usize = 256;

/// So many messages of children may wait for the loop; a child that has more waits to tell them.
const QUEUE: usize = 64;

impl Master {
    fn new(
        limits: Limits,
        launch: Launch,
        signals: Signals,
        upgrader: Upgrader,
        observer: Observer,
    ) -> Self {
        let plan = Plan::new(limits);
        let (tell_news, news) = mpsc::channel(QUEUE);
        Self {
            plan,
            launch,
            children: BTreeMap::new(),
            signals,
            news,
            tell_news,
            upgrader,
            observer,
            heard_since_due: 0,
            outcome: None,
        }
    }

    async fn run(mut self) -> Outcome {
        self.obey(Plan::beginning());
        while self.outcome.is_none() {
            match self.next().await {
                Ok(input) => self.step(input),
                Err(error) => return Outcome::Failed(error),
            }
        }
        self.upgrader.stop();
        match self.outcome {
            Some(Ending::FirstNotStarted(error)) => {
                Outcome::Unsupervised { error, bound: self.launch.listeners }
            }
            Some(Ending::With(status)) => Outcome::Ended(status),
            None => unreachable!("the loop ends only with an outcome"),
        }
    }

    /// Waits for whatever happens first.
    async fn next(&mut self) -> Result<Input> {
        loop {
            let deadline = self.plan.deadline();
            let is_due = deadline.is_some_and(|deadline| deadline <= Instant::now());
            self.heard_since_due = if is_due { self.heard_since_due + 1 } else { 0 };
            if self.heard_since_due > MOST_HEARD {
                self.heard_since_due = 0;
                return Ok(Input::Tick);
            }
            let happening = async {
                tokio::select! {
                    input = self.signals.next() => Happening::Signal(input),
                    Some((generation, news)) = self.news.recv() => Happening::News(generation, news),
                    input = self.upgrader.report() => Happening::Report(input),
                }
            };
            let happening = tokio::select! {
                // What has happened counts before a deadline that has passed: a master that was
                // stopped for a while must not punish its children for it.
                biased;
                happening = happening => happening,
                () = reach(deadline) => return Ok(Input::Tick),
            };
            match happening {
                Happening::Signal(input) => {
                    return input.context(ErrorKind::Signal, || "signals cannot be read any more");
                }
                Happening::Report(input) => return Ok(input),
                Happening::News(generation, news) => {
                    if let Some(input) = self.heard(generation, news) {
                        return Ok(input);
                    }
                }
            }
        }
    }

    fn heard(&mut self, generation: Generation, news: News) -> Option<Input> {
        match news {
            News::Said(FromChild::Ready) => Some(Input::Ready(generation)),
            News::Said(FromChild::Paused) => Some(Input::Paused(generation)),
            News::Said(FromChild::Restart) => Some(Input::Restart),
            News::Said(FromChild::CheckNow) => {
                self.upgrader.check_now();
                None
            }
            News::Said(
                FromChild::Hello { .. } | FromChild::Unhealthy { .. } | FromChild::Unknown,
            ) => None,
            News::NotStarted(error) => {
                self.children.remove(&generation);
                let path = self.launch.origin.path().display().to_string();
                Some(self.not_started(generation, not_executed(&path, error)))
            }
            News::Exited(status) => {
                self.children.remove(&generation);
                Some(Input::Exited(generation, status))
            }
        }
    }

    fn not_started(&mut self, generation: Generation, error: Error) -> Input {
        let text = error.chain();
        if generation == Generation::FIRST {
            // Whatever the plan makes of it, the loop ends.
            self.outcome = Some(Ending::FirstNotStarted(error));
        }
        Input::NotStarted(generation, text)
    }

    /// One step of the plan, and what follows from it at once.
    fn step(&mut self, input: Input) {
        let actions = self.plan.on(Instant::now(), input);
        self.obey(actions);
    }

    fn obey(&mut self, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            if self.outcome.is_some() {
                return;
            }
            if let Some(input) = self.act(action) {
                actions.extend(self.plan.on(Instant::now(), input));
            }
        }
    }

    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Start(generation) => return self.start(generation),
            Action::Admit(generation) => self.tell(generation, &FromMaster::Admit),
            Action::Pause(generation) => self.tell(generation, &FromMaster::Pause),
            Action::Resume(generation) => self.tell(generation, &FromMaster::Resume),
            Action::Drain(generation) => self.tell(generation, &FromMaster::Drain),
            Action::Kill(generation) => self.signal(generation, libc::SIGKILL, None),
            Action::Forward { to, signal } => self.signal(to, signal, self.signals.queued(signal)),
            Action::Swap => self.upgrader.order(Order::Swap),
            Action::Discard => self.upgrader.order(Order::Discard),
            Action::Keep => self.upgrader.order(Order::Keep),
            Action::Restore(reason) => self.upgrader.order(Order::Restore(reason)),
            Action::LetGo => self.launch.listeners.clear(),
            Action::Suspend => signal::stop_this_process(),
            Action::Tell(event) => self.observer.tell(&event),
            Action::End(status) => self.outcome = Some(Ending::With(status)),
        }
        None
    }

    fn start(&mut self, generation: Generation) -> Option<Input> {
        let started = self.launch.start(generation).and_then(|(child, failure)| {
            let followed = follow(&child, failure, self.tell_news.clone());
            let followed = followed.context(ErrorKind::Spawn, || "the child cannot be followed");
            followed.inspect_err(|_| child.discard()).map(|()| child)
        });
        match started {
            Ok(child) => {
                let pid = child.pid().as_raw().cast_unsigned();
                self.observer.tell(&Event::ChildStarted { generation, pid });
                self.children.insert(generation, child);
                None
            }
            Err(error) => Some(self.not_started(generation, error)),
        }
    }

    /// A child that does not hear is dealt with by its deadline, and its end is news anyway.
    fn tell(&self, generation: Generation, message: &FromMaster) {
        if let Some(child) = self.children.get(&generation)
            && let Err(error) = child.tell(message)
        {
            self.observer.warn(error);
        }
    }

    fn signal(&self, generation: Generation, signal: i32, queued: Option<Queued>) {
        if let Some(child) = self.children.get(&generation)
            && let Err(error) = child.signal(signal, queued)
        {
            self.observer.warn(error);
        }
    }
}

fn not_executed(path: &str, source: io::Error) -> Error {
    let advice = match source.raw_os_error() {
        Some(libc::ENOEXEC) => "it is no executable file; put a binary there",
        Some(libc::EACCES) => "it may not be executed; set its mode, or remount without noexec",
        Some(libc::ENOENT) => "it is gone; put a binary there",
        Some(libc::ETXTBSY) => "it is being written; restart once that is done",
        _ => "see the cause",
    };
    Error::new(ErrorKind::Spawn, format!("{path} was not executed: {advice}")).caused_by(source)
}

/// Waits for the deadline, and then until the followers of the children have told what they heard.
async fn reach(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
    for _ in 0..SETTLE {
        tokio::task::yield_now().await;
    }
}

/// So many turns of the runtime are given to what has happened, once a deadline has passed: one to
/// see what the kernel has, one for the followers to hear it, and as many again.
const SETTLE: usize = 4;
