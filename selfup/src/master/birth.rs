//! How a master comes to be: in a process that has just started, or in a binary that was executed
//! in place of the master before it.

use std::os::fd::AsRawFd as _;
use std::time::Instant;

use tokio::runtime::Runtime;

use super::desk::{Desk, take_out};
use super::managed::Managed;
use super::orphans::Orphans;
use super::plan::{Limits, Plan, after};
use super::proof::Proof;
use super::signals::{Blocked, Signals};
use super::sockets::Sockets;
use super::succession::{Handed, Inheritance};
use super::upgrades::{Terms, Upgrader};
use super::{Master, Outcome};
use crate::child::Launch;
use crate::config::{Config, RestartSignal};
use crate::error::{Context as _, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::listeners::{Bound, Given};
use crate::origin::Origin;
use crate::sys::signal;
use crate::upgrade::{Rehearsal, Unfinished};

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
            #[cfg(feature = "systemd")]
            crate::notify::leave_environment();
            Ok(Self { origin, signals })
        });
        begun.context(ErrorKind::Unsupported, || "this process cannot become a master")
    }

    /// From here until it supervises, this start is bounded: its binary has a trial that is
    /// `unfinished`. What was `given` goes on to whatever is executed at its end.
    pub(crate) fn limit(&self, unfinished: &mut Unfinished, given: &Given) {
        let given = given.sockets().iter().map(|given| given.socket.as_raw_fd());
        unfinished.limit(&self.origin, given.collect(), self.signals.not_fatal());
    }

    /// Waits for what is needed before the first child, and can be stopped meanwhile.
    /// Such a stop is no failure of the trial that is `unfinished`.
    pub(crate) fn prepare<T>(
        &self,
        unfinished: Option<&Unfinished>,
        wait: impl FnOnce() -> T,
    ) -> T {
        let excuse = unfinished.and_then(Unfinished::excuse);
        self.signals.watching_the_fatal(wait, || {
            if let Some(excuse) = excuse {
                excuse();
            }
        })
    }

    /// What the process manager told this process, and no other.
    #[cfg(feature = "systemd")]
    pub(crate) fn private(&self) -> &[(std::ffi::OsString, std::ffi::OsString)] {
        self.origin.private()
    }

    /// Gives the signals back to a process that goes on; what came meanwhile was for the service.
    pub(crate) fn end(&self) {
        self.signals.forget_pending();
        self.signals.give_back();
    }

    /// Supervises until the program ends. Its binary may have a trial that is `unfinished`.
    pub(crate) fn run(
        &self,
        config: Config,
        (bound, mut given): (Vec<Bound>, Given),
        observer: &Observer,
        unfinished: Option<Unfinished>,
    ) -> Outcome {
        let limits = Limits::new(&config);
        let kept = given.let_go_of_kept();
        let sockets = Sockets::new(bound, given, config.backlog);
        tell_bound(observer, sockets.bound());
        let (runtime, reading) = match self.read_signals(limits.restart_signal) {
            Ok(made) => made,
            Err(error) => {
                self.signals.give_back();
                return Outcome::Unsupervised { error, bound: sockets.into_bound() };
            }
        };
        let plan = Plan::new(limits);
        let mut desk = desk_of(&config, observer);
        match desk.bind() {
            Err(error) if config.required => return Outcome::Failed(error),
            Err(error) => observer.warn(error),
            Ok(()) => {}
        }
        let parts = (plan, sockets, desk);
        let assembled = self.assemble(config, parts, reading, observer.clone(), unfinished);
        let mut master = match assembled {
            Ok(master) => master,
            Err(error) => return Outcome::Failed(error),
        };
        let first_until = Some(after(Instant::now(), limits.ready));
        master.managed = Managed::begin(&self.origin, observer, kept, first_until);
        let _orphans = Orphans::reap(observer);
        let outcome = runtime.block_on(master.run(Plan::beginning()));
        if matches!(outcome, Outcome::Unsupervised { .. }) {
            self.signals.give_back();
        }
        outcome
    }

    fn read_signals(&self, restart: Option<i32>) -> Result<(Runtime, Signals)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let made = runtime.and_then(|runtime| {
            let reading = runtime.block_on(async { self.signals.read(restart) })?;
            Ok((runtime, reading))
        });
        made.context(
            ErrorKind::Unsupported,
            || "what a master needs cannot be made; raise the limit of open files",
        )
    }

    fn assemble(
        &self,
        config: Config,
        (plan, sockets, desk): (Plan, Sockets, Desk),
        signals: Signals,
        observer: Observer,
        unfinished: Option<Unfinished>,
    ) -> Result<Master> {
        let limits = Limits::new(&config);
        let Config { upgrades, restarts, required, .. } = config;
        let rehearsal = Rehearsal::default();
        let allow_unmarked = upgrades.acceptance.allow_unmarked;
        let counted = unfinished.and_then(Unfinished::end_limit);
        let proof = counted.as_ref().map(|_| Proof::begin(limits, Instant::now()));
        let terms = Terms { required, restarts: restarts.signal.is_some() };
        let (origin, rehearsed) = (&self.origin, rehearsal.clone());
        let upgrader = Upgrader::start(upgrades, origin, &observer, rehearsed, counted, terms)?;
        let launch = Launch { origin: self.origin.clone(), restarts };
        let mut master =
            Master::new(plan, launch, sockets, (signals, upgrader), rehearsal, desk, observer);
        master.proof = proof;
        master.examiner.allow_unmarked = allow_unmarked;
        Ok(master)
    }
}

/// A binary that was executed in place of a master, and is not in charge yet.
#[derive(Debug)]
pub(crate) struct Succession {
    birth: Birth,
    inheritance: Inheritance,
}

impl Succession {
    /// Reads what the master before this one left. From here on every way in which this code may
    /// fail leads back to the binary of that one.
    pub(crate) fn begin(handed: Handed) -> Result<Self> {
        let inheritance = Inheritance::read(handed)?;
        let origin = inheritance.origin();
        let signals = Blocked::begin().map(|blocked| blocked.in_place_of(origin.mask()));
        match signals.context(ErrorKind::Signal, || "the signals cannot be taken over") {
            Ok(signals) => Ok(Self { birth: Birth { origin, signals }, inheritance }),
            Err(error) => Err(inheritance.give_back(error)),
        }
    }

    /// Takes over, and supervises until the program ends. Second, who was told about it.
    pub(crate) fn run(
        self,
        config: impl FnOnce() -> Result<Config>,
    ) -> Result<(Outcome, Observer, Birth)> {
        let Self { birth, inheritance } = self;
        let prepared = config().and_then(|config| take_over(&birth, &inheritance, config));
        let (runtime, mut master, observer) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err(inheritance.give_back(error)),
        };
        let waiting = inheritance.waiting();
        match inheritance.take_charge() {
            Some(refusal) => observer.warn(refusal),
            None => observer.tell(&Event::MasterReplaced { generation: master.serving() }),
        }
        master.managed = Managed::begin(&birth.origin, &observer, Vec::new(), None);
        // What is not used any more is taken back behind this.
        master.managed.keep(&master.children);
        master.children.take_charge();
        master.desk.take_charge();
        if waiting.clear {
            master.upgrader.clear_refused();
        }
        if waiting.rollback {
            // Nothing is on trial.
            let _ = master.roll_back();
        }
        let _orphans = Orphans::reap(&observer);
        let outcome = runtime.block_on(master.run(Vec::new()));
        Ok((outcome, observer, birth))
    }
}

fn take_over(
    birth: &Birth,
    inheritance: &Inheritance,
    mut config: Config,
) -> Result<(Runtime, Master, Observer)> {
    let observer = Observer::start(config.verbosity, config.on_event.take());
    let limits = Limits::new(&config);
    let (runtime, reading) = birth.read_signals(limits.restart_signal)?;
    let (mut bound, used) = inheritance.listeners()?;
    let (control, legacy) = inheritance.control();
    let control = take_out(&mut bound, control, config.control.as_ref());
    let mut desk = desk_of(&config, &observer);
    let is_paused = desk.take_over(control, legacy);
    // This binary's own, unless it is the one that was gone back to: then those of what serves.
    let addresses = match used.get(&inheritance.standing().serving) {
        Some(used) if inheritance.is_return() => used.clone(),
        _ => config.addresses.clone(),
    };
    let given = inheritance.given()?;
    let (sockets, added) = Sockets::taken_over(bound, given, used, addresses, config.backlog)?;
    tell_bound(&observer, sockets.newest(added));
    let mut standing = inheritance.standing();
    // A probe that told no addresses: what serves has to be started once more to get its own.
    standing.restart_waits |= sockets.used_by(standing.serving) != sockets.current();
    let plan = Plan::resume(limits, &standing);
    // What the service can do without must not keep a master from going on.
    config.required = false;
    let parts = (plan, sockets, desk);
    let mut master = birth.assemble(config, parts, reading, observer.clone(), None)?;
    if is_paused {
        master.upgrader.set_paused(true);
    }
    runtime.block_on(async { master.adopt(inheritance.children()?) })?;
    Ok((runtime, master, observer))
}

fn desk_of(config: &Config, observer: &Observer) -> Desk {
    let has_restarts = config.restarts.signal.is_some();
    Desk::new(config.control.clone(), config.backlog, has_restarts, observer)
}

pub(super) fn tell_bound(observer: &Observer, bound: &[Bound]) {
    for bound in bound {
        let address = bound.address.to_string();
        observer.tell(&Event::Bound { address, local: bound.local.clone() });
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
            overlap: restarts.overlap,
            follows: config.upgrades.master_follows,
        }
    }
}
