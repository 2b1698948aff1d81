//! A machine of its own with a real systemd, in a container whose files are Debian's.
//!
//! `.ci/run` makes the tree of files; nothing is written into it, for what the container writes goes to
//! memory.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{PATIENCE, children_of, eventually};

/// A systemd that runs, until this is dropped.
#[derive(Debug)]
pub struct Container {
    nspawn: Child,
    machine: String,
    init: Pid,
    directory: TempDir,
    /// Two that run share one cgroup, and each kills what is in it.
    _only: Flock<File>,
}

/// What a container has for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Network {
    /// The host's, so its loopback is that of the test.
    Host,
    /// A loopback of its own, whose ports nobody else has.
    Own,
}

impl Container {
    /// One, or `None` where it cannot be had. That is said aloud, and is no excuse in CI.
    ///
    /// # Panics
    ///
    /// If it does not start, or if it cannot be had and the variable `CI` is `true`.
    #[must_use]
    pub fn boot(network: Network) -> Option<Self> {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/systemd");
        if let Err(missing) = is_possible(&tree) {
            let words = format!("SKIPPED: no container with a systemd: {missing}");
            assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "{words}");
            eprintln!("{words}");
            return None;
        }
        let only = File::create(tree.with_extension("lock")).expect("the directory is ours");
        let only = Flock::lock(only, FlockArg::LockExclusive).map_err(|(_, error)| error);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let shared = directory.path().join("opt");
        std::fs::create_dir(&shared).expect("the directory is ours");
        let log = File::create(directory.path().join("console")).expect("the directory is ours");
        let mut bind = std::ffi::OsString::from("--bind=");
        bind.push(&shared);
        bind.push(":/opt");
        let machine = format!("selfup-{}-{:x}", std::process::id(), fingerprint(&shared));
        // It ends with the thread that started it, whatever becomes of that.
        let nspawn = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "systemd-nspawn", "--quiet", "--boot"])
            .args(["--volatile=overlay", "--register=no", "--keep-unit", "--link-journal=no"])
            .args(["--console=pipe", "--machine", &machine])
            .args((network == Network::Own).then_some("--private-network"))
            .arg("-D")
            .arg(tree)
            .arg(bind)
            // With the older hierarchies nobody is told in a container when a cgroup is empty.
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor"))
            .stderr(log)
            .spawn()
            .expect("the container starts");
        let leader = Pid::from_raw(nspawn.id().cast_signed());
        let mut container = Self {
            nspawn,
            machine,
            init: leader,
            directory,
            _only: only.expect("nobody holds it for ever"),
        };
        container.init = eventually("the container has a systemd", || {
            let has_ended = container.nspawn.try_wait().expect("it is our child").is_some();
            assert!(!has_ended, "the container ended: {}", container.console());
            let mut children = children_of(leader).into_iter();
            children.find(|it| name_of(*it).is_some_and(|name| name.trim() == "systemd"))
        });
        container.wait_for("a systemd that runs", || {
            let state = container.run(&["systemctl", "is-system-running"]);
            matches!(text(&state.stdout).trim(), "running" | "degraded").then_some(())
        });
        Some(container)
    }

    /// The directory that is `/opt` in it.
    #[must_use]
    pub fn opt(&self) -> PathBuf {
        self.directory.path().join("opt")
    }

    /// Runs a command in it.
    ///
    /// # Panics
    ///
    /// If that cannot be tried.
    #[must_use]
    pub fn run(&self, command: &[&str]) -> Output {
        self.entering(command).output().expect("there is a `nsenter`")
    }

    /// Starts a command in it.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn spawn(&self, command: &[&str]) -> Child {
        let mut entering = self.entering(command);
        entering.stdout(Stdio::null()).spawn().expect("there is a `nsenter`")
    }

    /// Runs a command in it that is to succeed, and gives what it prints.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[expect(clippy::must_use_candidate, reason = "often it is run for what it does")]
    pub fn must(&self, command: &[&str]) -> String {
        let output = self.run(command);
        let (printed, complaint) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command:?}: {printed}{complaint}\n{}", self.journal());
        printed
    }

    /// Asks `look` until it finds something, and shows the journal if it does not.
    ///
    /// # Panics
    ///
    /// If it has found nothing when the patience is over.
    pub fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < until, "this has not come true: {what}\n{}", self.journal());
            // Each look is a process in the container, and systemd tells nobody else.
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// What its services and itself have said last.
    #[must_use]
    pub fn journal(&self) -> String {
        let journal = self.run(&["journalctl", "--no-pager", "-n", "80", "-o", "short-precise"]);
        let mut journal = text(&journal.stdout);
        let _ = write!(journal, "console: {}", self.console());
        journal
    }

    fn console(&self) -> String {
        let console = std::fs::read(self.directory.path().join("console"));
        console.map(|bytes| text(&bytes)).unwrap_or_default()
    }

    /// What a command has to begin with to run in it.
    #[must_use]
    pub fn entrance(&self) -> Vec<String> {
        let init = self.init.to_string();
        ["nsenter", "-t", &init, "-m", "-u", "-i", "-n", "-p", "-C"].map(str::to_owned).to_vec()
    }

    fn entering(&self, command: &[&str]) -> Command {
        let entrance = self.entrance();
        let mut entering = Command::new(&entrance[0]);
        entering.args(&entrance[1..]);
        entering.args(command).stdin(Stdio::null()).env("SYSTEMD_PAGER", "");
        entering
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.init.as_raw().cast_unsigned() != self.nspawn.id() {
            let _ = self.run(&["systemctl", "--no-block", "poweroff", "--force"]);
        }
        let until = Instant::now() + LAST;
        while matches!(self.nspawn.try_wait(), Ok(None)) && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        // Of a container whose first process is killed nothing is left.
        if matches!(self.nspawn.try_wait(), Ok(None)) {
            let _ = kill(self.init, Signal::SIGKILL);
            let _ = self.nspawn.kill();
            let _ = self.nspawn.wait();
        }
        // It leaves this behind, empty.
        let _ = std::fs::remove_dir(Path::new(PROPAGATE).join(&self.machine));
    }
}

/// Where it keeps a directory for each machine.
const PROPAGATE: &str = "/run/systemd/nspawn/propagate";

/// So long its end is waited for, before it is killed.
const LAST: Duration = Duration::from_secs(30);

/// Whether there can be one, or why not.
fn is_possible(tree: &Path) -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("only root can start one".into());
    }
    for tool in ["systemd-nspawn", "nsenter", "setpriv"] {
        let found = Command::new(tool).arg("--version").output();
        if found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(format!("{tool} is not installed; `.ci/run` does that"));
        }
    }
    if !tree.join("usr/lib/systemd/systemd").exists() {
        return Err(format!("{} is not there; `.ci/run` makes it", tree.display()));
    }
    Ok(())
}

fn name_of(pid: Pid) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()
}

fn fingerprint(path: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
