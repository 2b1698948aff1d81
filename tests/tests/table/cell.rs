//! One cell: what happens, and what has to have come of it.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Watched, eventually};

use crate::axes::{Actor, Cause, End, Phase};
use crate::expected::{Expectation, Generation, restart_signal};
use crate::stage::Stage;

/// Has it happen, and gives the service back, if there is one for another cell.
pub(crate) fn run(mut stage: Stage, cause: Cause, expectation: Expectation) -> Option<Stage> {
    stage.enter();
    match (cause, expectation) {
        (Cause::Signal(number) | Cause::Handled(number), Expectation::Ends(_))
            if stage.phase == Phase::Stopping && is_stop(number) =>
        {
            // Sooner, it counts as the first one, and only the clock tells.
            let began = Instant::now();
            eventually("it is another one", || {
                (began.elapsed() > Duration::from_millis(1100)).then_some(())
            });
            stage.send(number);
        }
        (_, Expectation::Orphans(_)) => {}
        (Cause::Signal(number) | Cause::Handled(number), _) => stage.send(number),
        (Cause::Child(actor, end), _) => end_child(&mut stage, actor, end),
    }
    match expectation {
        Expectation::Nothing => Some(nothing(stage, cause)),
        Expectation::Suspended { with_child } => Some(suspended(stage, cause, with_child)),
        Expectation::Serves(Generation::Old) => Some(falls_back(stage)),
        Expectation::Serves(Generation::New) => Some(follows(stage)),
        Expectation::Restarts => Some(restarts(stage)),
        Expectation::Ends(end) => {
            ends(stage, cause, end);
            None
        }
        Expectation::Orphans(number) => {
            orphans(stage, number);
            None
        }
        Expectation::Impossible(reason) => panic!("it was to be left out: {reason}"),
    }
}

fn is_stop(number: i32) -> bool {
    [libc::SIGTERM, libc::SIGINT].contains(&number)
}

fn end_child(stage: &mut Stage, actor: Actor, end: End) {
    let child = match actor {
        Actor::Serving if stage.phase == Phase::Draining => stage.new.as_mut(),
        Actor::Candidate => stage.new.as_mut(),
        Actor::Serving | Actor::Paused | Actor::Draining => Some(&mut stage.old),
    };
    let child = child.expect("there is one, or the cell were impossible");
    match end {
        End::Exit(code) => child.exit(code),
        End::Signal(number) => send_until_gone(child.pid, number),
    }
}

/// The standard library catches the first SEGV and BUS, to tell a stack overflow apart; a process
/// that is stopped does not die before it is continued.
fn send_until_gone(pid: Pid, number: i32) {
    let process = Watched::new(pid);
    eventually(&format!("signal {number} ends {pid}"), || {
        if process.is_gone() {
            return Some(());
        }
        send(pid, number);
        if process.state() == Some('T') {
            send(pid, libc::SIGCONT);
        }
        None
    });
}

/// Sends a signal to a process that may go at this very moment.
fn send(pid: Pid, number: i32) {
    if let Ok(signal) = Signal::try_from(number) {
        let _ = kill(pid, signal);
    } else {
        let words = [format!("-{number}"), pid.to_string()];
        Command::new("kill").args(words).stderr(Stdio::null()).status().unwrap();
    }
}

fn nothing(mut stage: Stage, cause: Cause) -> Stage {
    let (pid, generation) = (stage.acting().pid, stage.acting().generation);
    match cause {
        // It is never forwarded, and asks for a restart that may not come any more.
        Cause::Handled(number) if number == restart_signal(true) => {}
        Cause::Handled(number) => stage.note_told(number, generation),
        Cause::Signal(_) | Cause::Child(..) => {}
    }
    eventually("the master has read it", || (!stage.master().has_pending()).then_some(()));
    stage.assert_answers(pid);
    assert!(!stage.master().is_gone(), "it is there");
    stage
}

fn suspended(mut stage: Stage, cause: Cause, with_child: bool) -> Stage {
    let (pid, generation) = (stage.acting().pid, stage.acting().generation);
    stage.master().wait_until_stopped();
    if let Cause::Handled(number) = cause {
        stage.note_told(number, generation);
    }
    if with_child {
        Watched::new(pid).wait_until_stopped();
    } else {
        stage.assert_answers(pid);
    }
    stage.send(libc::SIGCONT);
    stage.master().wait_until_continued();
    Watched::new(pid).wait_until_continued();
    // It is forwarded as any other.
    stage.note_told(libc::SIGCONT, generation);
    stage.assert_answers(pid);
    stage
}

/// The candidate ended.
fn falls_back(mut stage: Stage) -> Stage {
    let new = stage.new.take().expect("there was one");
    stage.wait_for("child_exited", new.generation);
    stage.continue_old();
    stage.rest();
    stage
}

/// The old one ended.
fn follows(mut stage: Stage) -> Stage {
    stage.continue_old();
    let old = stage.old.generation;
    stage.wait_for("child_exited", old);
    if stage.phase == Phase::Starting {
        stage.new.as_mut().expect("there is one").be_ready();
    }
    stage.held = None;
    stage.promote();
    stage.rest();
    stage
}

/// A further generation follows as soon as it may.
fn restarts(mut stage: Stage) -> Stage {
    match stage.phase {
        Phase::Still | Phase::Draining | Phase::Stopping => {}
        Phase::Starting => {
            stage.new.as_mut().expect("there is one").be_ready();
            stage.promote();
        }
        Phase::Handover | Phase::Probation => {
            stage.continue_old();
            stage.old.exit(0);
            stage.promote();
        }
    }
    let mut further = stage.control.next();
    let generation = further.generation;
    further.be_ready();
    if [Phase::Handover, Phase::Probation].contains(&stage.phase) {
        stage.wait_for("paused", stage.old.generation);
        stage.old.exit(0);
    }
    stage.wait_for("committed", generation);
    stage.answer_held();
    stage.new = None;
    stage.old = further;
    stage.rest();
    let started = stage.service.lines("event child_started: ").len();
    assert_eq!(started as u64, generation, "it was one restart");
    stage
}

fn ends(mut stage: Stage, cause: Cause, end: End) {
    stage.continue_old();
    if let Cause::Handled(number) = cause {
        let generations = [Some(&stage.old), stage.new.as_ref()].into_iter().flatten();
        let generations: Vec<_> = generations.map(|child| child.generation).collect();
        for generation in generations {
            stage.note_told(number, generation);
        }
        stage.assert_told_once();
    }
    let new = stage.new.take().map(|new| new.generation);
    if let (Phase::Draining, Some(new)) = (stage.phase, new) {
        stage.wait_for("child_exited", new);
        stage.answer_held();
    }
    let Stage { mut service, old, .. } = stage;
    drop(old);
    let status = service.wait();
    let ended = status.code().map(End::Exit).or(status.signal().map(End::Signal));
    assert_eq!(ended, Some(end));
    service.processes().wait_until_gone();
}

/// The master ended without a word.
fn orphans(mut stage: Stage, number: i32) {
    let address = stage.service.address();
    send_until_gone(stage.service.pid(), number);
    assert_eq!(stage.service.wait().signal(), Some(number));
    stage.continue_old();
    eventually("the port is free", || TcpListener::bind(address).ok());
    stage.answer_held();
    stage.service.processes().wait_until_gone();
}
