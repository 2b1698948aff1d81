//! The process that owns the sockets and supervises. Serves no traffic.
//!
//! One loop, and the only one: it turns signals, what is heard from children, deadlines and the
//! reports of the threads beside it into [`Input`]s, and the plan's [`Action`]s into calls. It never
//! waits for one thing alone, and none of the user's code runs on it.

mod acts;
mod beats;
mod birth;
mod busy;
mod children;
#[cfg_attr(not(feature = "control"), path = "desk_without.rs")]
mod desk;
mod examiner;
mod hear;
#[cfg_attr(not(feature = "systemd"), path = "managed_without.rs")]
mod managed;
mod orphans;
mod plan;
mod proof;
mod reports;
mod signals;
mod sockets;
mod succeed;
mod succession;
mod upgrades;

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Instant;

use tokio::sync::mpsc;

use self::beats::Beats;
pub(crate) use self::birth::{Birth, Succession};
use self::children::Children;
use self::desk::{Desk, Heard};
use self::examiner::Examiner;
use self::managed::Managed;
use self::plan::{Action, Finding, Input, Plan, Standing};
use self::proof::Proof;
use self::signals::Signals;
use self::sockets::Sockets;
use self::succession::Preparation;
pub(crate) use self::succession::{Handed, rehearse};
use self::upgrades::{Report, Upgrader};
use crate::child::{Child, Launch, News};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::Observer;
use crate::identity::Generation;
use crate::listeners::Bound;
use crate::sys::pidfd::Status;
use crate::upgrade::{Rehearsal, Vetted};

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

/// The plan, and everything that it decides about.
struct Master {
    plan: Plan,
    children: Children,
    examiner: Examiner,
    signals: Signals,
    news: mpsc::Receiver<(Generation, News)>,
    upgrader: Upgrader,
    /// The trial of the first generation, if it is on one.
    proof: Option<Proof>,
    /// Whether who is on trial lives.
    beats: Beats,
    /// Whether the program asked for the previous binary, and the upgrade thread has yet to answer.
    rollback_waits: bool,
    /// What the next probe is to read, and the state that it was written from.
    rehearsal: Rehearsal,
    rehearsed: Option<Standing>,
    desk: Desk,
    observer: Observer,
    /// What is waited for before this master becomes other code, and when to look again.
    preparation: Option<Preparation>,
    look_at: Option<Instant>,
    heard_since_due: usize,
    managed: Managed,
    outcome: Option<Ending>,
}

/// What the loop waits for, beside deadlines.
enum Happening {
    Signal(io::Result<Input>),
    News(Generation, News),
    Report(Report),
    Examined(Finding, Option<Vetted>),
    Desk(Heard),
    /// What the process manager is told besides.
    Found,
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
        plan: Plan,
        launch: Launch,
        sockets: Sockets,
        (signals, upgrader): (Signals, Upgrader),
        rehearsal: Rehearsal,
        desk: Desk,
        observer: Observer,
    ) -> Self {
        let (tell_news, news) = mpsc::channel(QUEUE);
        Self {
            plan,
            children: Children::new(launch, sockets, tell_news, observer.clone()),
            examiner: Examiner::default(),
            signals,
            news,
            upgrader,
            proof: None,
            beats: Beats::default(),
            rollback_waits: false,
            rehearsal,
            rehearsed: None,
            desk,
            observer,
            preparation: None,
            look_at: None,
            heard_since_due: 0,
            managed: Managed::default(),
            outcome: None,
        }
    }

    /// Looks after children that another master started.
    fn adopt(&mut self, children: Vec<Child>) -> Result<()> {
        children.into_iter().try_for_each(|child| self.children.adopt(child))
    }

    /// The generation that the service belongs to.
    fn serving(&self) -> Generation {
        self.plan.standing().map_or(Generation::FIRST, |standing| standing.serving)
    }

    /// Begins with `first`, and goes on until the program ends.
    async fn run(mut self, first: Vec<Action>) -> Outcome {
        self.obey(first);
        // What a master before this one left to do.
        self.step(Input::Tick);
        while self.outcome.is_none() {
            self.look_at = None;
            if self.plan.succession().is_some() {
                // What is heard meanwhile may come to nothing, and is no reason to forget this.
                self.look_at = Some(Instant::now());
                self.catch_up().await;
                // From here to the succession nothing is waited for, so nothing more is heard.
                if let Some(standing) = self.plan.succession()
                    && self.is_prepared()
                {
                    self.succeed(standing);
                    continue;
                }
            } else {
                self.preparation = None;
                self.upgrader.unpark();
                self.desk.open();
            }
            match self.next().await {
                Ok(input) => {
                    if let Input::Tick = input {
                        self.ask_for_life();
                    }
                    self.prove(&input);
                    self.step(input);
                }
                Err(error) => return Outcome::Failed(error),
            }
        }
        self.end_proof();
        self.upgrader.stop();
        self.desk.end();
        match self.outcome {
            Some(Ending::FirstNotStarted(error)) => {
                Outcome::Unsupervised { error, bound: self.children.into_bound() }
            }
            Some(Ending::With(status)) => Outcome::Ended(status),
            None => unreachable!("the loop ends only with an outcome"),
        }
    }

    /// Waits for whatever happens first.
    async fn next(&mut self) -> Result<Input> {
        loop {
            let deadline = self.deadline();
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
                    report = self.upgrader.report() => Happening::Report(report),
                    (finding, vetted) = self.examiner.report() => Happening::Examined(finding, vetted),
                    () = self.managed.found() => Happening::Found,
                    heard = self.desk.next() => Happening::Desk(heard),
                }
            };
            let happening = tokio::select! {
                // What has happened counts before a deadline that has passed: a master that was
                // stopped for a while must not punish its children for it.
                biased;
                happening = happening => happening,
                () = reach(deadline) => return Ok(Input::Tick),
            };
            let input = match happening {
                Happening::Signal(input) => {
                    return input.context(ErrorKind::Signal, || "signals cannot be read any more");
                }
                Happening::Report(report) => self.reported(report),
                Happening::Examined(finding, vetted) => {
                    let finding = self.children.set_looked_at(vetted, finding);
                    return Ok(Input::Examined(self.withdraw(finding)));
                }
                Happening::News(generation, news) => self.heard(generation, news),
                Happening::Desk(Heard::Asked(asked)) => self.asked(asked),
                Happening::Desk(Heard::Found) => None,
                Happening::Found => {
                    self.show();
                    None
                }
            };
            match input {
                Some(input) => return Ok(input),
                None => self.attend(),
            }
        }
    }

    /// When something is to be done although nothing has happened.
    fn deadline(&self) -> Option<Instant> {
        let decided = self.plan.deadline().into_iter().chain(self.beats.deadline());
        let decided = decided.chain(self.proof.as_ref().map(Proof::deadline));
        let others = self.desk.deadline().into_iter().chain(self.look_at);
        decided.chain(others).chain(self.managed.deadline()).min()
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
                break;
            }
            self.note(&action);
            if let Some(input) = self.act(action) {
                actions.extend(self.plan.on(Instant::now(), input));
            }
        }
        if self.outcome.is_none() {
            self.rehearse();
            self.attend();
            self.follow_trial();
        }
        self.show();
    }

    /// Has the plan know everything that was heard so far. A child that never stops talking is heard
    /// as far as there is room for what it says.
    async fn catch_up(&mut self) {
        settle().await;
        while let Ok((generation, news)) = self.news.try_recv() {
            match self.heard(generation, news) {
                Some(input) => self.step(input),
                None => self.attend(),
            }
        }
    }
}

/// Waits for the deadline, and then until the followers of the children have told what they heard.
async fn reach(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => pending().await,
    }
    settle().await;
}

/// Lets the followers tell what there is to hear.
async fn settle() {
    for _ in 0..SETTLE {
        tokio::task::yield_now().await;
    }
}

/// So many turns of the runtime are given to what has happened, once a deadline has passed: one to
/// see what the kernel has, one for the followers to hear it, and as many again.
const SETTLE: usize = 4;
