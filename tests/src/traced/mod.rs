//! A thread of a process that runs, stopped at each of its system calls: ptrace(2).
//!
//! strace does the same and can do more, but it counts by the name of a call, knows nothing of what a
//! call is about, and says afterwards what it did. Here the test decides, at every call that is about
//! a file in the directories that it watches or in memory, by a name or by a descriptor, before the
//! call and after it, whether the process goes on, is killed, or has the call fail.
//!
//! A process that is killed while it is stopped *before* a call never makes it: the kernel skips a
//! call whose caller has a fatal signal (`ptrace_report_syscall_entry`). The suites prove it by what
//! is on the disk afterwards.

mod call;
mod registers;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

pub use self::call::Call;
use self::registers::Registers;
use crate::eventually;

/// What becomes of a process at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes on.
    Go,
    /// It is killed here, all of it.
    Kill,
    /// The call is not made, and seems to have failed with this. Only before it is made.
    Fail(Errno),
}

/// Decides at each call, once before it is made and once after it; its result is `None` before it is made.
pub type Watch = Box<dyn FnMut(&Call) -> Verdict + Send>;

/// Stops a thread at its system calls, until that thread ends.
#[derive(Debug)]
pub struct Traced {
    thread: Option<JoinHandle<()>>,
    broken: Arc<Mutex<Option<String>>>,
}

/// What is known of the process.
struct Tracer {
    leader: Pid,
    directories: Vec<PathBuf>,
    watch: Watch,
    /// The threads that are stopped at each call, and the call that each is in.
    threads: HashMap<Pid, Option<Pending>>,
    /// Those that turned out to be others, and run freely.
    free: HashSet<Pid>,
    is_killed: bool,
}

/// A call that is being made.
struct Pending {
    call: Call,
    is_watched: bool,
    /// What it is made with, if it is to fail.
    failing: Option<(Registers, Errno)>,
}

impl Traced {
    /// Stops the upgrade thread of the master `pid` at each call that is about a file in one of the
    /// `directories`.
    ///
    /// # Panics
    ///
    /// If there is no such thread, or this user may not trace its own children.
    #[must_use]
    pub fn upgrades_of(pid: Pid, directories: &[&Path], watch: Watch) -> Self {
        let thread = eventually("it has an upgrade thread", || upgrade_thread_of(pid));
        Self::run(pid, directories, watch, move |tracer| {
            ptrace::seize(thread, Options::PTRACE_O_TRACESYSGOOD)?;
            tracer.threads.insert(thread, None);
            ptrace::interrupt(thread)
        })
    }

    /// Stops the first thread of the process `pid`, and each upgrade thread that it will have, at each
    /// call that is about a file in one of the `directories`, even once it has executed another file.
    ///
    /// Until this has [ended](Self::end) nobody else may wait for the process.
    ///
    /// # Panics
    ///
    /// If this user may not trace its own children.
    #[must_use]
    pub fn first_thread_of(pid: Pid, directories: &[&Path], watch: Watch) -> Self {
        Self::run(pid, directories, watch, move |tracer| {
            tracer.threads.insert(pid, None);
            tracer.free.remove(&pid);
            let clones = Options::PTRACE_O_TRACECLONE;
            ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD | clones)?;
            ptrace::interrupt(pid)
        })
    }

    fn run(
        leader: Pid,
        directories: &[&Path],
        watch: Watch,
        seize: impl FnOnce(&mut Tracer) -> nix::Result<()> + Send + 'static,
    ) -> Self {
        // As the service knows it: without links.
        let canonical = |path: &&Path| path.canonicalize().expect("it is there");
        let directories = directories.iter().map(canonical).collect();
        let (seized, is_seized) = std::sync::mpsc::channel();
        let broken = Arc::<Mutex<Option<String>>>::default();
        let said = Arc::clone(&broken);
        // Who seizes is who has to wait: a thread, not a process.
        let thread = std::thread::spawn(move || {
            let mut tracer = Tracer {
                leader,
                directories,
                watch,
                threads: HashMap::new(),
                free: HashSet::from([leader]),
                is_killed: false,
            };
            let done = seize(&mut tracer);
            let _ = seized.send(done);
            if let Err(error) = done.and_then(|()| tracer.follow()) {
                *lock(&said) = Some(error.to_string());
                let _ = kill(leader, Signal::SIGKILL);
            }
        });
        let seized = is_seized.recv().expect("the tracer does not panic");
        seized.expect("a test may trace what it started");
        Self { thread: Some(thread), broken }
    }

    /// Waits for the end of the thread.
    ///
    /// # Panics
    ///
    /// If the tracing itself failed.
    pub fn end(mut self) {
        let thread = self.thread.take().expect("it ends once");
        eventually("the traced thread ends", || thread.is_finished().then_some(()));
        thread.join().expect("the tracer does not panic");
        assert_eq!(*lock(&self.broken), None, "the tracer failed");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracer {
    /// Until there is nobody left to follow.
    fn follow(&mut self) -> nix::Result<()> {
        let anybody = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT;
        loop {
            let seen = match waitid(Id::All, anybody | peek) {
                Err(Errno::ECHILD) => return Ok(()),
                Err(Errno::EINTR) => continue,
                seen => seen?,
            };
            let Some(pid) = seen.pid() else { continue };
            let has_ended = matches!(seen, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
            if has_ended && pid == self.leader {
                // How the process ended is for whoever started it.
                return Ok(());
            }
            // A stop that was seen is gone if the process is killed now, and its end cannot be had
            // before the ends of its other threads.
            let end = if pid == self.leader { WaitPidFlag::empty() } else { WaitPidFlag::WEXITED };
            let at_once = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
            let status = match waitid(Id::Pid(pid), at_once | WaitPidFlag::WSTOPPED | end) {
                Err(Errno::ECHILD) => continue,
                status => status?,
            };
            match self.react(status) {
                // It was killed meanwhile, and its end is yet to come.
                Err(Errno::ESRCH) => {}
                done => done?,
            }
        }
    }

    fn react(&mut self, status: WaitStatus) -> nix::Result<()> {
        match status {
            WaitStatus::PtraceSyscall(pid) => self.at_call(pid),
            WaitStatus::Stopped(pid, signal) | WaitStatus::PtraceEvent(pid, signal, 0) => {
                self.resume(pid, Some(signal))
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                if event == libc::PTRACE_EVENT_STOP && !self.free.contains(&pid) {
                    self.threads.entry(pid).or_insert(None);
                }
                self.resume(pid, None)
            }
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) => {
                self.threads.remove(&pid);
                self.free.remove(&pid);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn resume(&self, pid: Pid, signal: Option<Signal>) -> nix::Result<()> {
        if self.threads.contains_key(&pid) {
            ptrace::syscall(pid, signal)
        } else {
            ptrace::cont(pid, signal)
        }
    }

    fn at_call(&mut self, pid: Pid) -> nix::Result<()> {
        let pending = self.threads.get_mut(&pid).and_then(Option::take);
        let verdict = match pending {
            None => self.before(pid)?,
            Some(pending) => self.after(pid, pending)?,
        };
        if verdict == Verdict::Kill && !self.is_killed {
            self.is_killed = true;
            // It does not go on from here, for nobody tells it to.
            return kill(self.leader, Signal::SIGKILL);
        }
        self.resume(pid, None)
    }

    fn before(&mut self, pid: Pid) -> nix::Result<Verdict> {
        let registers = Registers::of(pid)?;
        let mut call = Call::read(pid, registers.number(), registers.arguments());
        call.is_of_first_thread = pid == self.leader;
        let is_watched = call.is_about(&self.directories);
        let verdict = if is_watched { (self.watch)(&call) } else { Verdict::Go };
        let failing = if let Verdict::Fail(error) = verdict {
            registers.spoilt().write(pid)?;
            Some((registers, error))
        } else {
            None
        };
        self.threads.insert(pid, Some(Pending { call, is_watched, failing }));
        Ok(verdict)
    }

    fn after(&mut self, pid: Pid, pending: Pending) -> nix::Result<Verdict> {
        let Pending { mut call, is_watched, failing } = pending;
        let mut registers = Registers::of(pid)?;
        if let Some((before, error)) = failing {
            registers = before.returning(-i64::from(error as i32), registers);
            registers.write(pid)?;
        }
        call.returned(pid, registers.result());
        if call.name == "prctl" && pid != self.leader && !is_upgrade_thread(pid, pid) {
            // It has a name now, and is another one: it runs freely from here.
            self.threads.remove(&pid);
            self.free.insert(pid);
            return Ok(Verdict::Go);
        }
        Ok(if is_watched { (self.watch)(&call) } else { Verdict::Go })
    }
}

fn upgrade_thread_of(pid: Pid) -> Option<Pid> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let mut ids =
        tasks.filter_map(|task| task.file_name().to_str()?.parse().ok()).map(Pid::from_raw);
    ids.find(|id| is_upgrade_thread(pid, *id))
}

fn is_upgrade_thread(pid: Pid, thread: Pid) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/comm"));
    name.is_ok_and(|name| name.trim_end() == "selfup-upgrade")
}
