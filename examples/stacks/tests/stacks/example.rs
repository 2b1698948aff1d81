//! An example that runs, seen through the events that it prints.

use std::fs;
use std::net::SocketAddr;
use std::process::ExitStatus;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Release, Service, ServiceBuilder, Watched};

pub(crate) struct Example(Service);

impl Example {
    /// Starts the binary at `path`, and waits until its first generation is ready.
    pub(crate) fn start(path: &str, probation: &str) -> Self {
        Self::start_with(path, &[("PROBATION", probation)])
    }

    /// The same, with these variables.
    pub(crate) fn start_with(path: &str, variables: &[(&str, &str)]) -> Self {
        let release = Release::of(fs::read(path).unwrap());
        let builder = ServiceBuilder::new(&release).set("ADDR", "127.0.0.1:0");
        let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
        let example = Self(variables.iter().fold(builder, set).spawn());
        example.wait_for("generation 1 is ready");
        example
    }

    pub(crate) fn wait_for(&self, event: &str) -> String {
        self.0.wait_for(&format!("[selfup] {event}"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let line = self.wait_for("address ");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Restarts it, and waits until generation `next` is committed.
    pub(crate) fn restart(&self, next: u64) {
        self.0.signal(Signal::SIGUSR2);
        self.wait_for(&format!("generation {next} is committed"));
    }

    /// Restarts it, and waits until generation `next` is on probation.
    pub(crate) fn begin_restart(&self, next: u64) {
        self.0.signal(Signal::SIGUSR2);
        self.wait_for(&format!("generation {} is paused", next - 1));
    }

    fn pid_of(&self, generation: u64) -> Pid {
        let line = self.wait_for(&format!("generation {generation} started "));
        Pid::from_raw(line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Stops the process of a generation, with all that it would do.
    pub(crate) fn freeze(&self, generation: u64) {
        let pid = self.pid_of(generation);
        kill(pid, Signal::SIGSTOP).unwrap();
        Watched::new(pid).wait_until_stopped();
    }

    /// Kills generation `next`, which is on probation, and waits until the one before it resumes.
    pub(crate) fn fail(&self, next: u64) {
        kill(self.pid_of(next), Signal::SIGKILL).unwrap();
        self.wait_for(&format!("generation {} resumes", next - 1));
    }

    /// Waits for the end of a generation, which is to be a good one.
    pub(crate) fn wait_for_the_end_of(&self, generation: u64) {
        let line = self.wait_for(&format!("generation {generation} ended"));
        assert!(line.ends_with(": exit status 0"), "{line}");
    }

    /// Sends SIGTERM, and waits until nobody is left.
    pub(crate) fn stop(mut self) {
        let status: ExitStatus = self.0.stop();
        assert!(status.success(), "{status}");
    }
}
