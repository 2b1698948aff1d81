//! A service that is brought to a phase, held there, and let come to rest again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Connection, Control, Release, Remote, Service, ServiceBuilder, Watched};
use selfup_tests::{eventually, send};
use tempfile::TempDir;

use crate::axes::Phase;
use crate::expected::restart_signal;

/// A service, and what holds it where it is.
pub(crate) struct Stage {
    pub(crate) phase: Phase,
    /// Whether its program handles signals, and tells of each.
    pub(crate) handles: bool,
    pub(crate) service: Service,
    pub(crate) control: Control,
    /// Who serves, or did before the phase began.
    pub(crate) old: Remote,
    pub(crate) new: Option<Remote>,
    /// A connection that the old one has accepted, and was not asked anything on yet.
    pub(crate) held: Option<Connection>,
    is_entered: bool,
    /// What the master had open when it had one child and nothing to do.
    descriptors: usize,
    /// How often each generation was to tell of each signal.
    told: BTreeMap<(i32, u64), usize>,
    /// The last to go.
    _directory: TempDir,
}

impl Stage {
    /// A service for one kind of phase and program.
    pub(crate) fn start(phase: Phase, handles: bool) -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        link_binary(&directory.path().join("app"));
        let control = Control::listen();
        let service = builder(directory.path(), &control, phase, handles).start();
        let mut old = control.next();
        old.be_ready();
        service.wait_for("event child_ready: generation 1 ");
        let descriptors = Watched::new(service.pid()).descriptors();
        Self {
            phase,
            handles,
            service,
            control,
            old,
            new: None,
            held: None,
            is_entered: false,
            descriptors,
            told: BTreeMap::new(),
            _directory: directory,
        }
    }

    /// Comes to the phase, unless it is there.
    pub(crate) fn enter(&mut self) {
        if std::mem::replace(&mut self.is_entered, true) {
            return;
        }
        match self.phase {
            Phase::Still => {}
            Phase::Starting => self.bring_candidate(),
            Phase::Handover => {
                self.bring_candidate();
                kill(self.old.pid, Signal::SIGSTOP).unwrap();
                Watched::new(self.old.pid).wait_until_stopped();
                self.candidate().be_ready();
                // It is told to accept before the old one is told to pause.
                let pid = self.candidate().pid;
                self.assert_answers_now(pid);
            }
            Phase::Probation => {
                let paused = format!("event paused: generation {} ", self.old.generation);
                // It may have been paused, and resumed, before.
                let before = self.service.lines(&paused).len();
                self.bring_candidate();
                self.candidate().be_ready();
                self.service.wait_for_nth(&paused, before + 1);
            }
            Phase::Draining => {
                self.hold();
                self.bring_candidate();
                self.candidate().be_ready();
                self.wait_for("committed", self.acting().generation);
                self.service.wait_for(&format!("draining {} ", self.old.generation));
            }
            Phase::Stopping => {
                self.hold();
                self.send(libc::SIGTERM);
                self.note_told(libc::SIGTERM, self.old.generation);
                self.service.wait_for(&format!("draining {} ", self.old.generation));
            }
        }
    }

    /// Connects, and makes sure that this one was accepted: they are, in their order.
    fn hold(&mut self) {
        self.held = Some(Connection::open(self.service.address()));
        self.assert_answers_now(self.old.pid);
    }

    fn bring_candidate(&mut self) {
        self.send(restart_signal(self.handles));
        self.new = Some(self.control.next());
    }

    fn candidate(&mut self) -> &mut Remote {
        self.new.as_mut().expect("this phase has two generations")
    }

    /// Whom clients and signals reach.
    pub(crate) fn acting(&self) -> &Remote {
        match self.phase {
            Phase::Still | Phase::Starting | Phase::Stopping => &self.old,
            Phase::Handover | Phase::Probation | Phase::Draining => {
                self.new.as_ref().expect("this phase has two generations")
            }
        }
    }

    pub(crate) fn master(&self) -> Watched {
        Watched::new(self.service.pid())
    }

    /// Sends the master a signal.
    pub(crate) fn send(&self, number: i32) {
        match Signal::try_from(number) {
            Ok(signal) => kill(self.service.pid(), signal).unwrap(),
            Err(_) => send(self.service.pid(), number),
        }
    }

    /// Waits for an event of one generation.
    pub(crate) fn wait_for(&self, event: &str, generation: u64) {
        self.service.wait_for(&format!("event {event}: generation {generation} "));
    }

    /// Waits until this generation tells of this signal once more, if its program does that.
    pub(crate) fn note_told(&mut self, number: i32, generation: u64) {
        if self.handles {
            let count = self.told.entry((number, generation)).or_default();
            *count += 1;
            let count = *count;
            let line = format!("signal {number} {generation}");
            eventually(&line, || (self.times_told(&line) >= count).then_some(()));
        }
    }

    fn times_told(&self, line: &str) -> usize {
        self.service.lines(line).iter().filter(|found| *found == line).count()
    }

    /// That no signal was told of twice, or by whom it was not meant for.
    pub(crate) fn assert_told_once(&self) {
        let told = self.service.lines("signal ");
        let told = told.iter().filter(|line| line.starts_with("signal "));
        let expected: usize = self.told.values().sum();
        assert_eq!(told.count(), expected, "to be told: {:?}", self.told);
    }

    /// That this process answers, where one is to.
    pub(crate) fn assert_answers(&self, pid: Pid) {
        if self.phase != Phase::Stopping {
            self.assert_answers_now(pid);
        }
    }

    fn assert_answers_now(&self, pid: Pid) {
        let answer = self.service.get("/who");
        assert!(answer.starts_with(&format!("hello {pid} ")), "{pid}, not {answer}");
    }

    /// Continues the old one, where the phase had stopped it.
    pub(crate) fn continue_old(&mut self) {
        if self.phase == Phase::Handover && Watched::new(self.old.pid).state() == Some('T') {
            kill(self.old.pid, Signal::SIGCONT).unwrap();
            self.note_told(libc::SIGCONT, self.old.generation);
        }
    }

    /// That the held connection is answered, by whoever accepted it.
    pub(crate) fn answer_held(&mut self) {
        if let Some(mut held) = self.held.take() {
            held.ask("/who");
            let answer = held.answer().unwrap();
            assert!(answer.starts_with(&format!("hello {} ", self.old.pid)), "{answer}");
        }
    }

    /// Waits until the new one is the service; the old one ends.
    pub(crate) fn promote(&mut self) {
        let new = self.new.take().expect("this phase has two generations");
        self.wait_for("committed", new.generation);
        // A program that tells of signals waits for the end of its line.
        self.old = new;
    }

    /// Leaves a phase that nothing has come of, and gives the service, if there still is one.
    pub(crate) fn leave(mut self) -> Option<Self> {
        if !self.is_entered {
            return Some(self);
        }
        match self.phase {
            Phase::Still => {}
            Phase::Starting => {
                self.candidate().be_ready();
                self.promote();
            }
            Phase::Handover | Phase::Probation => {
                self.continue_old();
                let mut new = self.new.take().expect("this phase has two generations");
                new.exit(0);
                self.wait_for("child_exited", new.generation);
            }
            Phase::Draining => {
                self.answer_held();
                self.promote();
            }
            Phase::Stopping => {
                self.answer_held();
                self.assert_told_once();
                drop(self.old);
                assert_eq!(self.service.wait().code(), Some(0));
                self.service.processes().wait_until_gone();
                let started = self.service.lines("event child_started: ").len();
                assert_eq!(started, 1, "nothing was started any more");
                return None;
            }
        }
        self.rest();
        Some(self)
    }

    /// That one generation is left, which answers, and that the master holds no more than it did
    /// when there had never been another.
    pub(crate) fn rest(&mut self) {
        self.is_entered = false;
        self.assert_answers(self.old.pid);
        let only = [self.old.pid.as_raw()].into();
        eventually("one child is left", || (self.master().children() == only).then_some(()));
        eventually("no descriptor is left", || {
            (self.master().descriptors() == self.descriptors).then_some(())
        });
        self.assert_told_once();
    }

    /// Ends a service that is at rest.
    pub(crate) fn stop(self) {
        let Self { mut service, old, .. } = self;
        drop(old);
        assert_eq!(service.stop().code(), Some(0));
    }
}

fn builder(directory: &Path, control: &Control, phase: Phase, handles: bool) -> ServiceBuilder {
    let probation = match phase {
        Phase::Handover | Phase::Probation => "1h",
        Phase::Still | Phase::Starting | Phase::Draining | Phase::Stopping => "0s",
    };
    let builder = ServiceBuilder::of(directory)
        .with_default_signals()
        .set("CONTROL", control.address().to_string())
        .set("READY", "manual")
        .set("READY_TIMEOUT", "1h")
        .set("TERMINATE_TIMEOUT", "1h")
        .set("PROBATION", probation);
    if handles { builder.set("HANDLES", "1").set("RESTART_SIGNAL", "SIGHUP") } else { builder }
}

fn link_binary(path: &Path) {
    // While another process of this suite puts its own there, what was there has no name to link to.
    while let Err(error) = std::fs::hard_link(&*BINARY, path) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    }
}

/// The one binary that every service has a link to, where the next run finds and replaces it: what
/// is static is never dropped.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("table");
    Release::good().install(&path);
    path
});
