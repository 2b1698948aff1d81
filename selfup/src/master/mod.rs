//! The process that owns the sockets and supervises. Serves no traffic.
//!
//! One loop, and the only one: it turns signals, what is heard from children, deadlines and the
//! reports of the threads beside it into [`Input`]s, and the plan's [`Action`]s into calls. It never
//! waits for one thing alone, and none of the user's code runs on it.

mod acts;
mod birth;
mod busy;
mod children;
mod examiner;
mod hear;
mod orphans;
mod plan;
mod proof;
#[cfg(any(feature = "control", feature = "systemd"))]
mod show;
mod signals;
mod sockets;
mod succession;
mod upgrades;

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Instant;

use tokio::sync::mpsc;

pub(crate) use self::birth::{Birth, Succession};
use self::children::Children;
use self::examiner::Examiner;
use self::plan::{Action, Finding, Input, Plan, Standing};
use self::proof::Proof;
#[cfg(feature = "systemd")]
use self::show::Managed;
#[cfg(any(feature = "control", feature = "systemd"))]
use self::show::Shown;
use self::signals::Signals;
use self::sockets::Sockets;
pub(crate) use self::succession::{Handed, rehearse};
use self::succession::{Preparation, Progress, Waiting};
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
    /// Whether the program asked for the previous binary, and the upgrade thread has yet to answer.
    rollback_waits: bool,
    /// What the next probe is to read, and the state that it was written from.
    rehearsal: Rehearsal,
    rehearsed: Option<Standing>,
    observer: Observer,
    /// What is waited for before this master becomes other code, and when to look again.
    preparation: Option<Preparation>,
    look_at: Option<Instant>,
    heard_since_due: usize,
    #[cfg(any(feature = "control", feature = "systemd"))]
    shown: Shown,
    outcome: Option<Ending>,
}

/// What the loop waits for, beside deadlines.
enum Happening {
    Signal(io::Result<Input>),
    News(Generation, News),
    Report(Report),
    Examined(Finding, Option<Vetted>),
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
        signals: Signals,
        upgrader: Upgrader,
        rehearsal: Rehearsal,
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
            rollback_waits: false,
            rehearsal,
            rehearsed: None,
            observer,
            preparation: None,
            look_at: None,
            heard_since_due: 0,
            #[cfg(any(feature = "control", feature = "systemd"))]
            shown: Shown::default(),
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
            if let Some(standing) = self.plan.succession() {
                // What is heard meanwhile may come to nothing, and is no reason to forget this.
                self.look_at = Some(Instant::now());
                if self.is_quiet().await && self.is_prepared() {
                    self.succeed(standing);
                    continue;
                }
            } else {
                self.preparation = None;
                self.upgrader.unpark();
            }
            match self.next().await {
                Ok(input) => {
                    self.prove(&input);
                    self.step(input);
                }
                Err(error) => return Outcome::Failed(error),
            }
        }
        self.end_proof();
        self.upgrader.stop();
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
            let deadline = self.plan.deadline();
            let is_due = deadline.is_some_and(|deadline| deadline <= Instant::now());
            self.heard_since_due = if is_due { self.heard_since_due + 1 } else { 0 };
            if self.heard_since_due > MOST_HEARD {
                self.heard_since_due = 0;
                return Ok(Input::Tick);
            }
            let other = self.proof.as_ref().map(Proof::deadline).into_iter().chain(self.look_at);
            #[cfg(any(feature = "control", feature = "systemd"))]
            let other = other.chain(self.shown.deadline());
            let happening = async {
                tokio::select! {
                    input = self.signals.next() => Happening::Signal(input),
                    Some((generation, news)) = self.news.recv() => Happening::News(generation, news),
                    report = self.upgrader.report() => Happening::Report(report),
                    (finding, vetted) = self.examiner.report() => Happening::Examined(finding, vetted),
                }
            };
            let happening = tokio::select! {
                // What has happened counts before a deadline that has passed: a master that was
                // stopped for a while must not punish its children for it.
                biased;
                happening = happening => happening,
                () = reach(deadline.into_iter().chain(other).min()) => return Ok(Input::Tick),
            };
            match happening {
                Happening::Signal(input) => {
                    return input.context(ErrorKind::Signal, || "signals cannot be read any more");
                }
                Happening::Report(Report::Offered(vetted)) => {
                    self.children.set_candidate(vetted);
                    return Ok(Input::Offered);
                }
                Happening::Report(Report::Done(input)) => return Ok(input),
                Happening::Report(Report::Answered) => self.rollback_waits = false,
                Happening::Report(Report::Waits(inode)) => self.children.set_waiting(inode),
                Happening::Report(Report::Overdue(error)) => self.observer.warn(error),
                // The thread waits now, which is looked at where it was asked to.
                Happening::Report(Report::Parked) => return Ok(Input::Tick),
                Happening::Report(Report::Began(_) | Report::Finished) => {}
                Happening::Examined(finding, vetted) => {
                    let finding = self.children.set_looked_at(vetted, finding);
                    return Ok(Input::Examined(finding));
                }
                Happening::News(generation, news) => {
                    if let Some(input) = self.heard(generation, news) {
                        return Ok(input);
                    }
                }
            }
        }
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
            if let Some(input) = self.act(action) {
                actions.extend(self.plan.on(Instant::now(), input));
            }
        }
        if self.outcome.is_none() {
            self.rehearse();
        }
        #[cfg(any(feature = "control", feature = "systemd"))]
        self.show();
    }

    /// Waits until everything that was heard so far is known to the plan; says whether it is.
    async fn is_quiet(&mut self) -> bool {
        settle().await;
        self.news.is_empty()
    }

    /// Whether this master can become other code now. If not, it is looked at again soon.
    fn is_prepared(&mut self) -> bool {
        let now = Instant::now();
        let observer = &self.observer;
        let preparation = self.preparation.get_or_insert_with(|| Preparation::begin(observer, now));
        match preparation.progress(self.upgrader.park(), now) {
            Progress::Ready => return true,
            Progress::Waits(until) => self.look_at = Some(until),
            Progress::Overdue(reason) => self.stay(reason),
        }
        false
    }

    /// Has the committed binary take this master's place. Returns only if that failed.
    fn succeed(&mut self, standing: Standing) {
        #[cfg(feature = "systemd")]
        self.shown.managed.iter_mut().for_each(Managed::say_alive);
        let error = if self.children.run_what_is_in_place(standing.serving) {
            let clear = self.upgrader.clear_waits();
            let waiting = Waiting { rollback: self.rollback_waits, clear };
            self.children.estate(standing, waiting).hand_over().chain()
        } else {
            "another file was put at the path meanwhile; restart onto it".into()
        };
        self.stay(error);
    }

    /// Goes on with the code that there is.
    fn stay(&mut self, reason: String) {
        self.step(Input::NotSucceeded(reason));
    }

    /// Writes down what the next probe is to read, if anything has changed.
    fn rehearse(&mut self) {
        let standing = self.plan.standing();
        if standing != self.rehearsed
            && let Some(standing) = standing.clone()
            && let Some(text) = self.children.estate(standing, Waiting::default()).rehearsal()
        {
            self.rehearsal.set(text);
        }
        self.rehearsed = standing;
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
