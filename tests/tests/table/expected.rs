//! What is expected of each cell: a total function, so that a new phase or cause has to be thought
//! of before it compiles.

use nix::libc;

use crate::axes::{Actor, Cause, End, Phase, real_time};

/// What has come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// Nothing: who answered before answers, and the phase goes on.
    Nothing,
    /// Nothing, but that the master is stopped until it is continued, and with it, if so, the
    /// acting generation.
    Suspended { with_child: bool },
    /// This generation answers, and nothing is under way once it was let come to that.
    Serves(Generation),
    /// One further generation is started as soon as nothing else is under way, and answers.
    Restarts,
    /// The master ends like this, once who still drains is done.
    Ends(End),
    /// This signal ends the master itself: its children free the port, drain, and end.
    Orphans(i32),
    /// There is no such cell, for this reason.
    Impossible(&'static str),
}

impl Expectation {
    /// Whether the next cell finds the service in the phase still.
    pub(crate) fn keeps_the_phase(self) -> bool {
        matches!(self, Self::Nothing | Self::Suspended { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    Old,
    New,
}

use Expectation::{Ends, Impossible, Nothing, Orphans, Restarts, Serves, Suspended};
use Generation::{New, Old};

pub(crate) fn expected(phase: Phase, cause: Cause) -> Expectation {
    match cause {
        Cause::Signal(number) => at_signal(phase, number),
        Cause::Handled(number) => at_handled_signal(phase, number),
        Cause::Child(actor, end) => at_end(phase, actor, end),
    }
}

/// The signal that asks for a restart: one of the two for each kind of program, so that both are
/// forwarded in one of them.
pub(crate) fn restart_signal(handles: bool) -> i32 {
    if handles { libc::SIGHUP } else { libc::SIGUSR2 }
}

/// Whoever neither drains nor handles anything.
fn at_signal(phase: Phase, number: i32) -> Expectation {
    match number {
        libc::SIGTERM | libc::SIGINT => at_stop(phase, number),
        libc::SIGUSR2 => at_restart(phase),
        libc::SIGHUP | libc::SIGQUIT | libc::SIGUSR1 => at_fatal_signal(phase, number),
        _ if real_time().contains(&number) => at_fatal_signal(phase, number),
        libc::SIGTSTP => Suspended { with_child: true },
        // By default, and so here, they stop a process. A master that ignored them would not look
        // stopped to the shell whose job it is when the program reads its terminal.
        libc::SIGTTIN | libc::SIGTTOU | libc::SIGSTOP => Suspended { with_child: false },
        // The first two are forwarded, and mean nothing to a program that does not handle them.
        libc::SIGWINCH | libc::SIGCONT | libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG => Nothing,
        // What is left ends a process that does nothing about it.
        _ => Orphans(number),
    }
}

fn at_handled_signal(phase: Phase, number: i32) -> Expectation {
    match (number, phase) {
        (libc::SIGTERM | libc::SIGINT, Phase::Stopping) => {
            Impossible("the second one ends the program before it could say that it came")
        }
        (libc::SIGTERM | libc::SIGINT, _) => at_stop(phase, number),
        (libc::SIGHUP, _) => at_restart(phase),
        (libc::SIGTSTP, _) => Suspended { with_child: false },
        _ => Nothing,
    }
}

fn at_stop(phase: Phase, number: i32) -> Expectation {
    match phase {
        Phase::Still | Phase::Starting | Phase::Handover | Phase::Probation | Phase::Draining => {
            Ends(End::Exit(0))
        }
        // It is sent a while after the first, so it is another one.
        Phase::Stopping => Ends(End::Signal(number)),
    }
}

fn at_restart(phase: Phase) -> Expectation {
    match phase {
        Phase::Still | Phase::Starting | Phase::Handover | Phase::Probation | Phase::Draining => {
            Restarts
        }
        Phase::Stopping => Nothing,
    }
}

/// It ends the acting generation.
fn at_fatal_signal(phase: Phase, number: i32) -> Expectation {
    match phase {
        // The candidate may still save the service.
        Phase::Starting => Serves(New),
        // Who is ended by what the master passed on was told to end.
        Phase::Still | Phase::Handover | Phase::Probation | Phase::Draining | Phase::Stopping => {
            Ends(End::Signal(number))
        }
    }
}

fn at_end(phase: Phase, actor: Actor, end: End) -> Expectation {
    match (phase, actor) {
        (Phase::Still | Phase::Draining | Phase::Stopping, Actor::Serving) => Ends(end),
        (Phase::Starting | Phase::Handover, Actor::Serving)
        | (Phase::Probation, Actor::Paused)
        | (Phase::Draining, Actor::Draining) => Serves(New),
        (Phase::Starting | Phase::Handover | Phase::Probation, Actor::Candidate) => Serves(Old),
        (Phase::Probation, Actor::Serving) => {
            Impossible("the service belongs to the paused one until the commit")
        }
        (Phase::Still | Phase::Draining | Phase::Stopping, Actor::Candidate) => {
            Impossible("no generation is on its way in")
        }
        (Phase::Handover, Actor::Paused) => {
            Impossible("it has not paused: it is the serving one still")
        }
        (Phase::Still | Phase::Starting | Phase::Draining | Phase::Stopping, Actor::Paused) => {
            Impossible("no generation is paused")
        }
        (Phase::Stopping, Actor::Draining) => Impossible("the serving one is the one that drains"),
        (Phase::Still | Phase::Starting | Phase::Handover | Phase::Probation, Actor::Draining) => {
            Impossible("no generation drains")
        }
    }
}
