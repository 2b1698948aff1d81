//! Where a process begins: it takes its role, plays it, and ends with the right status.

mod program;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

pub use self::program::{Program, ProgramArgument, ProgramOutput, Runtime};
use crate::channel::Channel;
use crate::config::{Address, Config};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
use crate::listeners::{self, Bound, Given};
use crate::master::{self, Birth, Handed, Outcome, Succession};
#[cfg(all(selfup_supervised, feature = "systemd"))]
use crate::notify;
use crate::role::{Part, Role};
use crate::state::State;
use crate::sys;
use crate::upgrade::{self, Unfinished};

/// Runs `program` as a service that upgrades itself, and gives what `main` is to return.
///
/// Called first in `main`: it reads what a master passed to this process, and in the master it
/// forks. `config` is evaluated where it is needed, never in a child: it must have no effects, for
/// a probe of this binary evaluates it too.
///
/// Where there can be no master, a warning says why and the program runs in this process, unless
/// the config says `required`. `SELFUP=off` in the environment forces that, whatever is required. Any other error is printed, and the code is 1.
pub fn run(config: impl FnOnce() -> Result<Config>, program: impl Into<Program>) -> ExitCode {
    play(config, program.into(), Fallback::Allowed).unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "[selfup] error: {}", error.chain());
        ExitCode::FAILURE
    })
}

/// [`run`], with its errors for the caller, and without a fallback unless `SELFUP=off` forces it.
///
/// # Errors
///
/// [`ErrorKind::Config`] and [`ErrorKind::Bind`] for what `config` asks and cannot be had,
/// [`ErrorKind::Unsupported`] and [`ErrorKind::Spawn`] where there can be no master.
pub fn try_run(
    config: impl FnOnce() -> Result<Config>,
    program: impl Into<Program>,
) -> Result<ExitCode> {
    play(config, program.into(), Fallback::Refused)
}

/// Answers the probe and ends the process, if this process is one; returns at once otherwise.
///
/// For a `main` that does much before it calls [`run`]: a probe needs none of it. Without this
/// call the probe is answered by `run`, which also checks the config.
pub fn sanity_check() {
    if let Some((channel, token)) = Part::take_probe() {
        upgrade::answer_probe(&channel, token, &Ok(None), master::rehearse);
        #[expect(clippy::exit, reason = "a probe ends here by contract")]
        std::process::exit(0);
    }
}

/// Asks the master for a restart, from anywhere in the program.
///
/// # Errors
///
/// As [`State::restart`]; [`ErrorKind::Unsupported`] also before the program was started.
pub fn restart() -> Result<()> {
    running()?.restart()
}

/// Asks the master to poll the fetcher at once, from anywhere in the program.
///
/// # Errors
///
/// As [`restart`].
pub fn check_now() -> Result<()> {
    running()?.check_now()
}

/// Asks the master to put the previous binary back and to restart into it, from anywhere in the
/// program. The binary that is rolled back from is refused from then on.
///
/// # Errors
///
/// As [`State::rollback`]; [`ErrorKind::Unsupported`] also before the program was started.
pub fn rollback() -> Result<()> {
    running()?.rollback()
}

/// Asks the master to forget which binaries were refused or failed, from anywhere in the program: an
/// operator who removes the history has the same.
///
/// # Errors
///
/// As [`restart`].
pub fn clear_refused() -> Result<()> {
    running()?.clear_refused()
}

/// Whether a master can be had on this system at all. Where not, programs run unsupervised.
#[must_use]
pub const fn is_supported() -> bool {
    cfg!(selfup_supervised)
}

/// So long a port that is in use is tried again.
const BIND_PATIENCE: Duration = Duration::from_secs(5);

/// The state of the program that runs in this process.
static RUNNING: OnceLock<State> = OnceLock::new();

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fallback {
    Allowed,
    Refused,
}

fn running() -> Result<&'static State> {
    let none = || Error::new(ErrorKind::Unsupported, "no selfup program runs in this process");
    RUNNING.get().ok_or_else(none)
}

fn play(
    config: impl FnOnce() -> Result<Config>,
    mut program: Program,
    fallback: Fallback,
) -> Result<ExitCode> {
    let part = Part::take();
    // Before anything else: if the binary fails its trial, this process becomes the previous one.
    let (is_master, is_overdue) = match part {
        Part::Master { is_overdue } => (true, is_overdue),
        _ => (false, false),
    };
    let mut unfinished = is_master.then(|| upgrade::reckon(is_overdue)).flatten();
    // Before there is a thread that may read the environment.
    let given = is_master.then(Given::take).unwrap_or_default();
    // Before `init`: a thread that it starts must not take the master's signals.
    let birth = is_master.then(Birth::begin);
    if let (Some(Ok(birth)), Some(unfinished)) = (&birth, &mut unfinished) {
        birth.limit(unfinished, &given);
    }
    if !matches!(part, Part::Successor(_)) {
        program.initialise(part.role());
    }
    match part {
        Part::Child(channel) => be_child(channel, program),
        Part::Probe { channel, token } => Ok(be_probe(&channel, token, config)),
        Part::Fallback => be_alone(config()?, program),
        Part::Successor(handed) => be_successor(handed, config, program, fallback),
        Part::Master { .. } => {
            let birth = birth.unwrap_or_else(Birth::begin);
            let ended = be_master(birth.as_ref(), config, given, unfinished, program, fallback);
            // `run` ends the process, and what is pending must not decide how; others go on.
            if let (Ok(birth), Fallback::Refused) = (&birth, fallback) {
                birth.end();
            }
            ended
        }
    }
}

fn be_child(channel: Channel, program: Program) -> Result<ExitCode> {
    // Without a welcome the master died at this child's birth; there is nobody to serve.
    State::of_child(channel)?.map_or(Ok(ExitCode::SUCCESS), |state| run_here(program, state))
}

fn be_probe(channel: &Channel, token: String, config: impl FnOnce() -> Result<Config>) -> ExitCode {
    let addresses =
        config().map(|config| Some(config.addresses.iter().map(Address::to_string).collect()));
    upgrade::answer_probe(channel, token, &addresses, master::rehearse);
    ExitCode::SUCCESS
}

/// Without a master, because the operator said so (whatever the config requires), or because there
/// is none on this system.
fn be_alone(mut config: Config, program: Program) -> Result<ExitCode> {
    let observer = Observer::start(config.verbosity, config.on_event.take());
    // What no address names may be the program's own to take.
    let is_given = config.addresses.iter().any(Address::is_given) || Given::has_kept();
    let given = is_given.then(Given::take).unwrap_or_default();
    let bound = bind(&config, &given)?;
    let reason = Error::new(ErrorKind::Unsupported, "`SELFUP=off` is set");
    fall_back(&observer, reason, bound, program, None)
}

fn be_master(
    birth: Result<&Birth, &Error>,
    config: impl FnOnce() -> Result<Config>,
    given: Given,
    unfinished: Option<Unfinished>,
    program: Program,
    fallback: Fallback,
) -> Result<ExitCode> {
    let prepare = || {
        let config = config()?;
        let bound = bind(&config, &given)?;
        Ok((config, bound))
    };
    let prepared = match birth {
        Ok(birth) => birth.prepare(unfinished.as_ref(), prepare),
        Err(_) => prepare(),
    };
    let (mut config, bound) = prepared?;
    let required = config.required || fallback == Fallback::Refused;
    let observer = Observer::start(config.verbosity, config.on_event.take());
    let outcome = match birth {
        Ok(birth) => birth.run(config, (bound, given), &observer, unfinished),
        Err(error) => {
            let error = Error::new(error.kind(), error.chain());
            Outcome::Unsupervised { error, bound }
        }
    };
    observer.finish();
    match outcome {
        Outcome::Ended(status) => Ok(end_as(status)),
        Outcome::Failed(error) => Err(error),
        Outcome::Unsupervised { error, .. } if required => Err(error),
        Outcome::Unsupervised { error, bound } => {
            fall_back(&observer, error, bound, program, birth.ok())
        }
    }
}

/// In a process that was the master in another binary a moment ago.
fn be_successor(
    handed: Handed,
    config: impl FnOnce() -> Result<Config>,
    mut program: Program,
    fallback: Fallback,
) -> Result<ExitCode> {
    let succession = Succession::begin(handed)?;
    // Behind `begin`: should it panic, the previous binary goes on.
    program.initialise(Role::Master);
    let (outcome, observer, birth) = succession.run(config)?;
    observer.finish();
    if fallback == Fallback::Refused {
        birth.end();
    }
    match outcome {
        Outcome::Ended(status) => Ok(end_as(status)),
        Outcome::Failed(error) | Outcome::Unsupervised { error, .. } => Err(error),
    }
}

fn fall_back(
    observer: &Observer,
    reason: Error,
    mut bound: Vec<Bound>,
    program: Program,
    birth: Option<&Birth>,
) -> Result<ExitCode> {
    // Without a master the end of the program is the final stop.
    let placed: Vec<_> = bound.iter_mut().map(|bound| bound.placed.take()).collect();
    let text = "the program runs without a master: no restarts, no upgrades";
    observer.warn(Error::new(ErrorKind::Unsupported, text).caused_by(reason));
    let state = State::alone(bound)?;
    #[cfg(all(selfup_supervised, feature = "systemd"))]
    match birth {
        Some(birth) => notify::alone::tell(birth.private(), observer, &state),
        None => notify::alone::tell(&std::env::vars_os().collect::<Vec<_>>(), observer, &state),
    }
    #[cfg(not(all(selfup_supervised, feature = "systemd")))]
    let _ = birth;
    let ended = run_here(program, state);
    drop(placed);
    ended
}

fn bind(config: &Config, given: &Given) -> Result<Vec<Bound>> {
    listeners::bind_all(&config.addresses, &[], given, config.backlog, BIND_PATIENCE)
}

fn run_here(program: Program, state: State) -> Result<ExitCode> {
    let state = RUNNING.get_or_init(|| state);
    program.run(state.clone())
}

/// Ends the master as its program ended.
fn end_as(status: sys::Status) -> ExitCode {
    if let sys::Status::Signaled(signal) = status
        && std::process::id() != 1
    {
        sys::signal::end_by(signal);
    }
    ExitCode::from(status.code())
}
