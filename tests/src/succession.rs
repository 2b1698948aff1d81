//! What can be seen of a master that executes another binary in its place.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use nix::unistd::Pid;
use selfup::BinaryId;

use crate::{Published, Release, Service, ServiceBuilder, Watched, children_of, eventually};

impl Published {
    /// Publishes `release`, and waits until the master runs it, too.
    pub fn succeed(&self, release: &Release) {
        let replaced = self.service.lines(REPLACED).len();
        self.upgrade(release);
        self.service.wait_for_nth(REPLACED, replaced + 1);
        self.service.assert_master_runs(release);
    }
}

impl Service {
    /// Where it listened first for the setting `address`.
    ///
    /// # Panics
    ///
    /// If it never did.
    #[must_use]
    pub fn bound_at(&self, address: &str) -> SocketAddr {
        let words = format!("event bound: address {address:?} bound as ");
        let line = self.wait_for(&words);
        line[words.len()..].parse().expect("the event ends with the address")
    }

    /// That the master executes `release`, in the process that was started.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn assert_master_runs(&self, release: &Release) {
        let found = BinaryId::of_file(format!("/proc/{}/exe", self.pid()));
        assert_eq!(found.expect("the master is there"), release.id());
    }

    /// How often the master was replaced.
    #[must_use]
    pub fn successions(&self) -> usize {
        self.lines(REPLACED).len()
    }

    /// Waits until the master has one child, and gives it.
    #[must_use]
    pub fn wait_for_one_child(&self) -> Pid {
        eventually("there is one child, and no zombie", || match children_of(self.pid())[..] {
            [child] if !Watched::new(child).is_gone() => Some(child),
            _ => None,
        })
    }
}

impl ServiceBuilder {
    /// Has it start as the first process of a namespace, as in a container, where this user may
    /// make one, and with every signal at its default action. Where not, that is said aloud.
    ///
    /// # Panics
    ///
    /// Where not, in CI.
    #[must_use]
    pub fn as_first_process(self) -> Option<Self> {
        let mut unshare = vec!["env", "--default-signal"];
        unshare.extend(["unshare", "--fork", "--kill-child", "--pid", "--mount-proc"]);
        if !nix::unistd::Uid::effective().is_root() {
            unshare.push("--map-root-user");
        }
        let tried = Command::new(unshare[0]).args(&unshare[1..]).arg("true").status();
        if tried.is_ok_and(|status| status.success()) {
            return Some(self.under(&unshare));
        }
        eprintln!("SKIPPED: this user may make no namespace of processes");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        None
    }
}

/// How many descriptors a process has open.
///
/// # Panics
///
/// If it is gone.
#[must_use]
pub fn descriptors_of(pid: Pid) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it is there").count()
}

/// A fault of the system, injected into one thread of a process that runs.
#[derive(Debug)]
pub struct Fault(Child);

impl Fault {
    /// Has `call` fail with `error` in the first thread of `pid`, always, until this is dropped.
    /// None where this user may not trace a process: that is said aloud.
    ///
    /// # Panics
    ///
    /// If there is no `strace`, or, in CI, where it may not trace.
    #[must_use]
    pub fn inject(pid: Pid, call: &str, error: &str) -> Option<Self> {
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:error={error}");
        let mut tracer = Command::new("strace");
        tracer.args(["-p", &pid.to_string(), "-o", "/dev/null", "-e", &trace, "-e", &inject]);
        let mut fault = Self(tracer.stderr(Stdio::piped()).spawn().expect("there is strace"));
        let mut line = String::new();
        let stderr = fault.0.stderr.as_mut().expect("it is piped");
        BufReader::new(stderr).read_line(&mut line).expect("strace says what it does");
        if line.contains("attached") {
            return Some(fault);
        }
        eprintln!("SKIPPED: this user may not trace a process that runs: {line}");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        None
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const REPLACED: &str = "event master_replaced: ";
