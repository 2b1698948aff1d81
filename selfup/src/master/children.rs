//! The children of the master, the listeners that each of them has, and what is known of the next.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Instant;

use nix::unistd::Pid;
use tokio::sync::mpsc::Sender;

use super::birth::tell_bound;
use super::examiner::{Executing, executed_by};
use super::plan::{Cause, Finding, Standing};
use super::sockets::Sockets;
use super::succession::{Estate, Waiting};
use crate::channel::message::FromMaster;
use crate::child::{Child, Launch, Newcomer, News, follow};
use crate::config::Address;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::identity::Generation;
use crate::listeners::Bound;
use crate::origin::Origin;
use crate::sys::signal::Queued;
use crate::upgrade::{Inode, Vetted};

/// Everybody who lives, by generation.
#[derive(Debug)]
pub(super) struct Children {
    launch: Launch,
    sockets: Sockets,
    living: BTreeMap<Generation, Child>,
    /// What was at the path when each of them started, but for those that another master started.
    started_from: BTreeMap<Generation, Inode>,
    /// The file at the path, as it was looked at before a restart.
    looked_at: Option<Vetted>,
    /// The candidate that was offered last.
    candidate: Option<Vetted>,
    /// The candidate that was put in place, and waits for a restart; and what is known of it when
    /// that has come.
    waiting: Option<Inode>,
    tried: Option<Vetted>,
    /// The file that a generation on trial has to run.
    expected: Option<(Generation, Inode)>,
    /// What served before, where two generations must not run at once.
    yielded: Option<File>,
    /// What each child's follower gets a clone of.
    news: Sender<(Generation, News)>,
    observer: Observer,
}

impl Children {
    pub(super) fn new(
        launch: Launch,
        sockets: Sockets,
        news: Sender<(Generation, News)>,
        observer: Observer,
    ) -> Self {
        Self {
            launch,
            sockets,
            living: BTreeMap::new(),
            started_from: BTreeMap::new(),
            looked_at: None,
            candidate: None,
            waiting: None,
            tried: None,
            expected: None,
            yielded: None,
            news,
            observer,
        }
    }

    /// Looks after a child that another master started.
    pub(super) fn adopt(&mut self, child: Child) -> Result<()> {
        let followed = follow(&child, None, self.news.clone());
        followed.context(ErrorKind::Succession, || "a child cannot be followed")?;
        self.living.insert(child.generation(), child);
        Ok(())
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.launch.origin
    }

    pub(super) fn pid(&self, generation: Generation) -> Option<Pid> {
        self.living.get(&generation).map(Child::pid)
    }

    pub(super) fn executing(&self, generation: Generation) -> Option<Executing> {
        let started_from = self.started_from.get(&generation).copied();
        self.pid(generation).map(|pid| Executing { pid, started_from })
    }

    /// Whether the program of a child can serve.
    #[cfg(any(feature = "control", feature = "systemd"))]
    pub(super) fn is_ready(&self, generation: Generation) -> bool {
        self.living.get(&generation).is_some_and(Child::is_ready)
    }

    /// A path to what a child runs.
    #[cfg(feature = "systemd")]
    pub(super) fn binary_of(&self, generation: Generation) -> Option<PathBuf> {
        self.pid(generation).map(executed_by)
    }

    /// The listeners of all of them.
    #[cfg(feature = "systemd")]
    pub(super) fn bound(&self) -> &[Bound] {
        self.sockets.bound()
    }

    /// What the next generation that follows an upgrade has to be.
    pub(super) fn set_candidate(&mut self, candidate: Vetted) {
        self.candidate = Some(candidate);
    }

    /// What lies at the path waits there for its trial.
    pub(super) fn set_waiting(&mut self, waiting: Inode) {
        self.waiting = Some(waiting);
    }

    /// What the next generation of a restart has to be. If it is the candidate that waits, that is
    /// what was found.
    pub(super) fn set_looked_at(&mut self, vetted: Option<Vetted>, finding: Finding) -> Finding {
        let found = vetted.as_ref().map(|vetted| vetted.inode);
        self.looked_at = vetted;
        if found.is_none() || self.waiting != found {
            return finding;
        }
        self.tried = self.looked_at.take();
        Finding::Waiting
    }

    /// Nothing waits for a trial any more.
    pub(super) fn end_waiting(&mut self) {
        (self.waiting, self.tried) = (None, None);
    }

    /// Forks a child, and listens to it from now on.
    pub(super) fn start(&mut self, generation: Generation, cause: Cause) -> Result<()> {
        let vetted = match cause {
            Cause::Restart | Cause::Deploy => self.looked_at.take(),
            Cause::Upgrade => {
                let here = Inode::at(self.launch.origin.path()).ok();
                let tried = self.tried.take().filter(|tried| Some(tried.inode) == here);
                tried.or_else(|| self.candidate.take())
            }
            Cause::Return => None,
        };
        self.expected = vetted.as_ref().map(|vetted| (generation, vetted.inode));
        if let Some((_, expected)) = self.expected
            && Inode::at(self.launch.origin.path()).ok() != Some(expected)
        {
            let text = format!("{} {OTHER}", self.launch.origin.path().display());
            return Err(Error::new(ErrorKind::Spawn, text).in_generation(generation));
        }
        let addresses = vetted.and_then(|vetted| vetted.addresses);
        let child = self.try_start(generation, cause, addresses);
        let child = child.inspect_err(|_| self.sockets.leave(generation))?;
        let pid = child.pid().as_raw().cast_unsigned();
        self.observer.tell(&Event::ChildStarted { generation, pid });
        self.living.insert(generation, child);
        Ok(())
    }

    fn try_start(
        &mut self,
        generation: Generation,
        cause: Cause,
        addresses: Option<Vec<String>>,
    ) -> Result<Child> {
        let parse = |texts: Vec<String>| texts.iter().map(|text| Address::parse(text)).collect();
        let addresses = addresses.map(parse).transpose()?;
        let added = self.sockets.reserve(generation, addresses)?;
        tell_bound(&self.observer, self.sockets.newest(added));
        let newcomer = Newcomer {
            generation,
            path: &self.path_for(cause),
            listeners: &self.sockets.of(generation),
            on_trial: cause != Cause::Return,
        };
        let started_from = Inode::at(newcomer.path).ok();
        let (child, failure) = self.launch.start(&newcomer)?;
        let followed = follow(&child, Some(failure), self.news.clone());
        let followed = followed.context(ErrorKind::Spawn, || "the child cannot be followed");
        followed.inspect_err(|_| child.discard())?;
        self.started_from.extend(started_from.map(|inode| (generation, inode)));
        Ok(child)
    }

    /// What a new generation executes: what is at the path, unless what served before is to come back,
    /// and what has just failed is there still: an upgrade that is yet to be put back, or a file of
    /// somebody else.
    fn path_for(&self, cause: Cause) -> PathBuf {
        let path = self.launch.origin.path();
        if let (Cause::Return, Some(yielded)) = (cause, &self.yielded) {
            let before = yielded.metadata().map(|metadata| Inode::of(&metadata)).ok();
            if Inode::at(path).ok() != before {
                return format!("/proc/self/fd/{}", yielded.as_raw_fd()).into();
            }
        }
        path.to_owned()
    }

    /// A child says that it can serve: that is so if it runs the file that it should. Said again,
    /// it is no news.
    pub(super) fn ready(
        &mut self,
        generation: Generation,
    ) -> Option<std::result::Result<(), &'static str>> {
        let child = self.living.get_mut(&generation).filter(|child| !child.is_ready())?;
        child.set_ready();
        let Some((_, expected)) = self.expected.filter(|(of, _)| *of == generation) else {
            return Some(Ok(()));
        };
        match Inode::at(&executed_by(child.pid())) {
            Ok(executed) if executed != expected => Some(Err(OTHER)),
            // Who executes nothing has ended, which is the news that is to come.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // Who cannot be traced does not show it: what was there when it started has to do.
            _ => Some(Ok(())),
        }
    }

    /// A child says that it understood its welcome, and whether it answers beats.
    pub(super) fn hello(&mut self, generation: Generation, beats: bool) {
        if let Some(child) = self.living.get_mut(&generation) {
            child.pulse_mut().set_known(beats);
        }
    }

    /// A child says that it lives.
    pub(super) fn beat(&mut self, generation: Generation, open: Option<usize>) {
        if let Some(child) = self.living.get_mut(&generation) {
            child.pulse_mut().beat(Instant::now(), open);
        }
    }

    /// Keeps what `generation` runs, to start it again if what follows fails. Says whether that could be.
    pub(super) fn remember_binary(&mut self, generation: Generation) -> bool {
        let pid = self.pid(generation);
        self.yielded = pid.and_then(|pid| File::open(executed_by(pid)).ok());
        self.yielded.is_some()
    }

    /// The sockets are this master's alone.
    pub(super) fn take_charge(&mut self) {
        self.sockets.take_charge().into_iter().for_each(|error| self.observer.warn(error));
    }

    /// `generation` is the service, and its addresses are those of the service.
    pub(super) fn commit(&mut self, generation: Generation) {
        self.sockets.commit(generation).into_iter().for_each(|error| self.observer.warn(error));
        (self.expected, self.yielded) = (None, None);
        self.tell(generation, &FromMaster::Commit);
    }

    /// A child is no more, and what only it has used is closed.
    pub(super) fn leave(&mut self, generation: Generation) {
        self.living.remove(&generation);
        self.started_from.remove(&generation);
        self.sockets.leave(generation);
    }

    /// Closes the master's own listeners.
    pub(super) fn let_go(&mut self) {
        self.sockets.let_go();
    }

    pub(super) fn into_bound(self) -> Vec<Bound> {
        self.sockets.into_bound()
    }

    /// Whether the path leads to what `generation` runs.
    pub(super) fn run_what_is_in_place(&self, generation: Generation) -> bool {
        let runs = self.executing(generation).and_then(Executing::inode);
        Inode::at(self.launch.origin.path()).is_ok_and(|path| runs == Some(path))
    }

    /// All of it, to be written down for another master.
    pub(super) fn estate<'a>(
        &'a self,
        standing: Standing,
        waiting: Waiting,
        (control, desk): (Option<&'a Bound>, Option<serde_json::Value>),
    ) -> Estate<'a> {
        let Self { launch, sockets, living, .. } = self;
        Estate {
            standing,
            waiting,
            origin: &launch.origin,
            sockets,
            children: living,
            control,
            desk,
        }
    }

    /// Everybody who lives, oldest first, and whether they are ready.
    #[cfg(feature = "control")]
    pub(super) fn living(&self) -> impl Iterator<Item = (Generation, Pid, bool)> {
        self.living.values().map(|child| (child.generation(), child.pid(), child.is_ready()))
    }

    /// The addresses of the service.
    #[cfg(feature = "control")]
    pub(super) fn addresses(&self) -> Vec<String> {
        self.sockets.current().iter().map(Address::to_string).collect()
    }

    /// A child that does not hear is dealt with by its deadline, and its end is news anyway.
    pub(super) fn tell(&self, generation: Generation, message: &FromMaster) {
        if let Some(child) = self.living.get(&generation)
            && let Err(error) = child.tell(message)
        {
            self.observer.warn(error);
        }
    }

    /// Asks a child whether it lives, and says whether it can be expected to answer: one of an older
    /// version never does, and neither does one that has not come to its program yet.
    pub(super) fn ask_for_beat(&mut self, generation: Generation) -> bool {
        let Some(child) = self.living.get_mut(&generation) else { return false };
        child.ask_for_beat();
        child.pulse().is_known()
    }

    /// What a child said of itself last.
    #[cfg(feature = "control")]
    pub(super) fn last_beat(&self, generation: Generation) -> Option<crate::child::Beat> {
        self.living.get(&generation).and_then(|child| child.pulse().last())
    }

    /// Sends a signal, with what came with it.
    pub(super) fn signal(&self, generation: Generation, signal: i32, queued: Option<Queued>) {
        if let Some(child) = self.living.get(&generation)
            && let Err(error) = child.signal(signal, queued)
        {
            self.observer.warn(error);
        }
    }
}

/// What is wrong with a path that no longer leads to the file that was looked at.
const OTHER: &str = "leads to another file than a moment ago; restart again";
