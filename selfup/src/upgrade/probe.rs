//! Starts a candidate once, to see that it answers.
//!
//! It gets what a child would get (arguments, environment, signal mask, working directory), for its
//! config may depend on them, but a null stdin, one pipe for all that it prints, no core file, a
//! process group of its own, and none of the variables by which a process manager talks to its
//! service. It answers on a channel of its own, with the token it was given, so neither what it
//! prints nor how it exits can be taken for an answer; then it ends, before its program is called.
//!
//! A snapshot of the master's state waits for it on the channel: a binary that could not take over
//! from this master is refused here, where that costs nothing. It is taken without waiting, so that
//! a candidate may be asked by a master that sends none; one of an earlier version leaves it unread.
//! A snapshot that is longer than a packet is not sent, and the succession is the first to try.
//!
//! One thread waits for the answer, the output, and the end at once, with one deadline for all.
//! Output is read so that nobody blocks on a full pipe; the beginning is kept for the error, and
//! who prints without end is killed. It answers once: who says more, or something else, is refused.
//!
//! A candidate that does not speak with the service manager is refused under a watchdog: committed, it
//! would be the end of the service, and at the next start it would never be found to be up.
//!
//! Whatever it has started ends with it, answered or not. Its [keeper](crate::sys::keeper) kills its
//! process group, and [`strays`] what has left that. What it started is no reason to refuse it: a
//! logger may have a helper.
//!
//! Rejected: reading the answer from stdout, where a logger may write; `Command`, which hands a
//! text file to /bin/sh; more of a sandbox, for the same code runs as the service a moment later.
//!
//! Limits: a core that is piped to a program (`core_pattern` begins with a `|`) is not kept from it,
//! though such programs look at the limit, too. A config that locks or binds something fails every
//! probe, for the running version has it.

mod strays;
mod watch;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use self::watch::{Course, Report, Watch};
use crate::channel::message::{PROTOCOL, ProbeAnswer, ProbeQuestion};
use crate::channel::{Channel, Received};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::origin::Origin;
use crate::role;
use crate::sys::pidfd::Status;
use crate::sys::process::Start;

/// What a candidate may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the answer and the end together.
    pub(super) time: Duration,
    /// In bytes, on stdout and stderr together.
    pub(super) output: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), output: 1 << 20 }
    }
}

/// Runs the candidate at `path`, and gives the addresses that it is configured to listen on. It is
/// asked to take over `snapshot`.
///
/// Fails with [`ErrorKind::Probe`] if that is the candidate's doing, with [`ErrorKind::Spawn`] if
/// it could not be started for a reason of ours. Blocks for a few seconds longer than `limits` at
/// the most, and no longer than the other end of `wanted` is open.
pub(super) fn probe(
    path: &Path,
    origin: &Origin,
    snapshot: Option<&str>,
    limits: Limits,
    wanted: Option<BorrowedFd<'_>>,
) -> Result<Option<Vec<String>>> {
    let token = format!("{:032x}", fastrand::u128(..));
    let watch = start(path, origin, snapshot, &token).context(
        ErrorKind::Spawn,
        || "the probe could not be started; raise the limits of processes and open files",
    )?;
    let report = watch.follow(Instant::now() + limits.time, limits.output, wanted);
    judge(report, &token, limits, origin.watchdog().is_some())
}

/// The candidate's side: answers, as the last thing that this process does for its master.
///
/// `rehearse` reads a snapshot of the master's state as a succession would.
pub(crate) fn answer_probe(
    channel: &Channel,
    token: String,
    config: &Result<Option<Vec<String>>>,
    rehearse: fn(&str) -> Result<()>,
) {
    let answered = match config {
        Ok(addresses) => rehearsed(channel, rehearse).map(|()| addresses.clone()),
        Err(error) => Err(format!("its config cannot work here: {}", error.chain())),
    };
    let (addresses, error) = match answered {
        Ok(addresses) => (addresses, None),
        Err(words) => (None, Some(words.chars().take(LONGEST_WORDS).collect())),
    };
    let answer = ProbeAnswer {
        protocol: PROTOCOL,
        token,
        addresses,
        error,
        notifies: cfg!(feature = "systemd"),
    };
    // A master that is gone needs no answer.
    let _ = channel.send(&answer);
}

/// Whether this binary could take over from its master, if that asks.
fn rehearsed(channel: &Channel, rehearse: fn(&str) -> Result<()>) -> Result<(), String> {
    // A master of an earlier version asks nothing, and what a later one asks may be unreadable.
    let Ok(Received::Message(question, _)) = channel.try_receive() else { return Ok(()) };
    let ProbeQuestion { snapshot: Some(snapshot) } = question else { return Ok(()) };
    rehearse(&snapshot)
        .map_err(|error| format!("it cannot take over the master's state: {}", error.chain()))
}

fn start(path: &Path, origin: &Origin, snapshot: Option<&str>, token: &str) -> io::Result<Watch> {
    let (ours, theirs) = Channel::pair()?;
    let question = ProbeQuestion { snapshot: snapshot.map(ToOwned::to_owned) };
    // It waits in the channel: nothing has to wait for the candidate.
    if Channel::fits(&question)? {
        ours.send(&question)?;
    }
    let null = File::open("/dev/null")?;
    let (output, print) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut env = environment(origin);
    env.push(role::probe_variable(&theirs, token)?);
    let start = Start {
        path,
        args: origin.args(),
        env: &env,
        keep: &[theirs.as_fd()],
        stdio: [Some(null.as_fd()), Some(print.as_fd()), Some(print.as_fd())],
        mask: origin.mask(),
        core: false,
    };
    Ok(Watch::new(start.start_kept()?, ours, output))
}

/// The environment of a child, without the variables that are meant for one process alone.
fn environment(origin: &Origin) -> Vec<(OsString, OsString)> {
    let is_kept = |(name, _): &&(OsString, OsString)| {
        name.to_str().is_none_or(|name| !PROCESS_MANAGER.contains(&name))
    };
    origin.env().iter().filter(is_kept).cloned().collect()
}

fn judge(
    report: Report,
    token: &str,
    limits: Limits,
    is_watched: bool,
) -> Result<Option<Vec<String>>> {
    let time = humantime::format_duration(limits.time);
    let (words, remedy) = match report.course {
        Course::Unexecuted(error) if is_ours(&error) => {
            let words = "the candidate could not be executed at this moment; it is tried again";
            return Err(Error::new(ErrorKind::Spawn, words).caused_by(error));
        }
        Course::Unexecuted(error) => {
            let words = "it could not be executed; publish a binary that is built for this machine";
            return Err(Error::new(ErrorKind::Probe, words).caused_by(error));
        }
        Course::Unwatched(error) => {
            let words = "the probe could not be started and watched; it is tried again";
            return Err(Error::new(ErrorKind::Spawn, words).caused_by(error));
        }
        Course::Unwanted => {
            let words = "the probe was given up, for the service ends; it is tried again";
            return Err(Error::new(ErrorKind::Spawn, words));
        }
        Course::Killed => ("what it ran below was killed, and it was with that".to_owned(), KILLED),
        Course::Garbled(error) => {
            (format!("its answer could not be understood ({error})"), ANSWERS_ONCE)
        }
        Course::Repeated => ("it answered more than once and was killed".to_owned(), ANSWERS_ONCE),
        Course::Flooded => {
            (format!("it printed more than {} bytes and was killed", limits.output), PRINTS_LESS)
        }
        Course::Overdue if report.answer.is_some() => {
            (format!("it answered, but had not ended after {time} and was killed"), ENDS)
        }
        Course::Overdue => (format!("it did not answer within {time} and was killed"), FIRST),
        Course::Ended => match report.answer {
            Some(answer) if answer.token != token => {
                ("it answered with another token".to_owned(), ANSWERS_ONCE)
            }
            Some(ProbeAnswer { error: Some(error), .. }) => {
                return Err(Error::new(ErrorKind::Probe, error));
            }
            // It would serve, and be killed by the watchdog that nobody feeds any more.
            Some(answer) if is_watched && !answer.notifies => (MUTE.to_owned(), NOTIFIES),
            Some(answer) => return Ok(answer.addresses),
            None => (without_an_answer(report.status), FIRST),
        },
    };
    let error = Error::new(ErrorKind::Probe, format!("{words}; {remedy}"));
    Err(match printed(&report.printed) {
        Some(printed) => error.caused_by(printed),
        None => error,
    })
}

fn without_an_answer(status: Option<Status>) -> String {
    match status {
        Some(status) => format!("it ended without an answer, with {status}"),
        None => "it ended without an answer".to_owned(),
    }
}

/// What to do about it.
const FIRST: &str = "publish a program whose `main` runs selfup before anything else";
const ENDS: &str = "publish a program whose `main` ends when `selfup::run` comes back in a probe";
const PRINTS_LESS: &str = "publish a program that prints less until it runs selfup";
const ANSWERS_ONCE: &str = "publish a program that leaves the answer to selfup, and runs it once";
const MUTE: &str = "it would not tell the service manager's watchdog that the service lives";
const NOTIFIES: &str = "publish a build with selfup's feature `systemd`, or unset `WatchdogSec=`";
const KILLED: &str = "see the kernel's log for what was killed; it is tried again later";

/// Whether `execve` failed for want of something that the candidate has no part in.
fn is_ours(error: &io::Error) -> bool {
    let ours = [Errno::ETXTBSY, Errno::EAGAIN, Errno::ENOMEM, Errno::ENFILE, Errno::EIO];
    error.raw_os_error().is_some_and(|number| ours.contains(&Errno::from_raw(number)))
}

fn printed(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    (!text.is_empty()).then(|| format!("it printed {text:?}"))
}

/// As many characters of an error are told; a message on the channel has a limit.
const LONGEST_WORDS: usize = 4096;

/// By exact names: a program may have a `LISTEN_ADDRESS` of its own.
const PROCESS_MANAGER: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

#[cfg(test)]
pub(super) mod tests;
