//! The unit of `examples/systemd`, with a program of the suites.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use selfup_tests::{Container, Release, try_get};

const SERVICE: &str = include_str!("../../../examples/systemd/app.service");
const SOCKET: &str = include_str!("../../../examples/systemd/app.socket");

/// The service of one step, gone with it.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    container: &'a Container,
}

impl<'a> Unit<'a> {
    /// The unit as it is shown, with these variables for the program and these settings of another kind.
    pub(crate) fn new(container: &'a Container, variables: &[&str], settings: &[&str]) -> Self {
        let unit = Self { container };
        let mut more =
            String::from("[Service]\nEnvironment=PROBATION=0s MIN_FETCH_INTERVAL=50ms\n");
        // The suites choose no port of their own, and have no need of one below 1024.
        for variable in ["ADDRESS=127.0.0.1:0"].iter().chain(variables) {
            let _ = writeln!(more, "Environment={variable}");
        }
        for setting in settings {
            let _ = writeln!(more, "{setting}");
        }
        unit.write("app.service", SERVICE);
        unit.write("app.socket", SOCKET);
        unit.write("app.service.d/test.conf", &more);
        std::fs::create_dir(container.opt().join("app")).expect("the directory is ours");
        unit.install(&Release::good());
        container.must(&["chown", "-R", "app:", "/opt/app"]);
        container.must(&["systemctl", "daemon-reload"]);
        unit
    }

    /// Puts a file among those of systemd.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let staged = self.container.opt().join("staged");
        std::fs::write(staged, text).expect("the directory is ours");
        let to = format!("/run/systemd/system/{name}");
        self.container.must(&["install", "-D", "-m", "644", "/opt/staged", &to]);
    }

    pub(crate) fn binary(&self) -> PathBuf {
        self.container.opt().join("app/app")
    }

    /// Puts a release at the path of the binary, as a deploy by hand does.
    pub(crate) fn install(&self, release: &Release) {
        release.install(&self.binary());
    }

    pub(crate) fn systemctl(&self, words: &str) -> bool {
        let words: Vec<_> = ["systemctl"].into_iter().chain(words.split(' ')).collect();
        self.container.run(&words).status.success()
    }

    pub(crate) fn start(&self) {
        self.container.must(&["systemctl", "start", "app.service"]);
    }

    /// What systemd says of the service under `name`.
    pub(crate) fn show(&self, name: &str) -> String {
        let shown =
            self.container.must(&["systemctl", "show", "app.service", "--value", "-p", name]);
        shown.trim().to_owned()
    }

    pub(crate) fn wait_for(&self, name: &str, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.container.wait_for(&format!("{name} {what}"), || {
            let value = self.show(name);
            is_it(&value).then_some(value)
        })
    }

    pub(crate) fn wait_until(&self, name: &str, value: &str) {
        self.wait_for(name, value, |found| found == value);
    }

    pub(crate) fn wait_for_status(&self, text: &str) -> String {
        self.wait_for("StatusText", text, |status| status.contains(text))
    }

    pub(crate) fn signal(&self, signal: &str, pid: &str) {
        self.container.must(&["kill", "-s", signal, pid]);
    }

    /// The process of a generation, in the container.
    pub(crate) fn pid_of(&self, generation: u64) -> String {
        let line = self.wait_for_line(&format!("serving {generation} "));
        line.rsplit(' ').next().expect("it ends with the process").to_owned()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let line = self.wait_for_line("event bound: ");
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok());
        address.expect("the event ends with the address")
    }

    pub(crate) fn get(&self, target: &str) -> String {
        try_get(self.address(), target)
            .unwrap_or_else(|error| panic!("{target}: {error}\n{}", self.container.journal()))
    }

    pub(crate) fn wait_until_served_by(&self, generation: u64) {
        let name = format!(" {generation} ");
        let what = format!("generation {generation} answers");
        self.container.wait_for(&what, || self.get("/").contains(&name).then_some(()));
    }

    /// Waits until it has printed a line that begins like this.
    pub(crate) fn wait_for_line(&self, begin: &str) -> String {
        self.container
            .wait_for(begin, || self.lines().into_iter().rev().find(|line| line.starts_with(begin)))
    }

    /// What it has printed in this step.
    pub(crate) fn lines(&self) -> Vec<String> {
        let journal = ["journalctl", "--no-pager", "-o", "cat", "-u", "app.service"];
        self.container.must(&journal).lines().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        for words in [
            &["systemctl", "kill", "-s", "KILL", "app.service"][..],
            &["systemctl", "stop", "app.socket", "app.service"],
            &["systemctl", "clean", "--what=fdstore", "app.service"],
            &["systemctl", "reset-failed", "app.service"],
            &["journalctl", "--rotate"],
            &["journalctl", "--vacuum-time=1us"],
            &["rm", "-rf", "/opt/app", "/run/systemd/system/app.service.d"],
        ] {
            // A step that failed says more than what is left behind it.
            let _ = self.container.run(words);
        }
    }
}
