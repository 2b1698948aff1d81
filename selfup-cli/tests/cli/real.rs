//! A real service, from its start to its end.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::eventually;
use serde_json::Value;

use crate::ran::{Ran, selfup};
use crate::site::{Site, is_root};

/// A service in a directory of its own.
struct Service {
    site: Site,
    child: Option<Child>,
    /// After the path of its control socket.
    options: &'static str,
}

impl Service {
    fn start() -> Self {
        Self::with("")
    }

    fn with(options: &'static str) -> Self {
        let site = Site::of(&program());
        let mut service = Self { site, child: None, options };
        service.begin();
        service
    }

    fn begin(&mut self) {
        let mut command = Command::new(self.site.path());
        let control = format!("{}{}", self.socket().display(), self.options);
        command.env("CONTROL", control).env("RELEASE", self.beside("release"));
        command.env("FLAW", self.beside("flaw")).stdin(Stdio::null());
        self.child = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        eventually("it answers", || (self.ask(&["status"]).code == 0).then_some(()));
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.site.directory().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.beside("control")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = selfup(words);
        command.env("SELFUP_CONTROL", self.socket());
        command
    }

    fn ask(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words).output().unwrap())
    }

    fn status(&self) -> Value {
        self.ask(&["status", "--json"]).json()
    }

    /// The generation that serves, once nothing is under way.
    fn serving(&self) -> u64 {
        eventually("one serves alone", || {
            let status = self.status();
            let generations = status["generations"].as_array().unwrap();
            let is_alone = status["phase"] == "serving" && generations.len() == 1;
            is_alone.then(|| generations[0]["generation"].as_u64().unwrap())
        })
    }

    fn master(&self) -> Pid {
        Pid::from_raw(self.child.as_ref().unwrap().id().cast_signed())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = kill(self.master(), Signal::SIGTERM);
        let _ = self.child.take().unwrap().wait();
    }
}

/// The example beside this test.
fn program() -> Vec<u8> {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    let path = path.join("examples/service");
    let what = "it is built with the tests: `cargo test -p selfup-cli`, without `--test`";
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; {what}", path.display()))
}

struct Watch {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Watch {
    fn of(service: &Service) -> Self {
        let mut command = service.command(&["watch", "--timeout", "100s"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let err = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut watch = Self { child, out, err };
        watch.until_said("watching ");
        watch
    }

    fn until(&mut self, event: &str) {
        while !self.out.next().unwrap_or_else(|| panic!("{event}")).unwrap().starts_with(event) {}
    }

    fn until_said(&mut self, words: &str) -> String {
        let mut lines = self.err.by_ref().map(Result::unwrap);
        lines.find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}"))
    }

    fn ends(mut self) {
        drop(self.out);
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_restart_ends_with_what_became_of_it() {
    let service = Service::start();
    let mut watch = Watch::of(&service);
    let ran = service.ask(&["restart"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "restart: committed (generation 2)\n"), "{ran:?}");
    watch.until("committed");
    assert_eq!(service.serving(), 2);
    fs::write(service.beside("flaw"), "").unwrap();
    let ran = service.ask(&["restart"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(
        ran.err.contains("abandoned (generation 3)") && ran.err.contains("status 9"),
        "{ran:?}"
    );
    watch.until("restart_abandoned");
    assert_eq!(service.serving(), 2);
    let ran = service.ask(&["restart", "--json"]);
    let document = ran.json();
    assert_eq!((ran.code, &document["outcome"]), (1, &"abandoned".into()), "{ran:?}");
    watch.ends();
}

#[test]
fn an_upgrade_is_asked_for_watched_over_a_succession_and_undone() {
    let service = Service::start();
    let before = service.status();
    let mut watch = Watch::of(&service);
    fs::write(service.beside("next"), [&program()[..], b"more"].concat()).unwrap();
    fs::rename(service.beside("next"), service.beside("release")).unwrap();
    // The fetcher may have seen it by itself: then the master is being replaced, and says so.
    eventually("it is checked", || (service.ask(&["check"]).code == 0).then_some(()));
    watch.until("upgraded");
    watch.until("committed");
    watch.until_said(&format!("master {} goes on", service.master()));
    watch.until("master_replaced");
    service.serving();
    let after = service.status();
    assert_ne!(after["generations"][0]["digest"], before["generations"][0]["digest"]);
    assert_eq!(after["last_upgrade"]["from"]["digest"], before["generations"][0]["digest"]);
    let ran = service.ask(&["rollback"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    watch.until("rolled_back");
    service.serving();
    assert_eq!(service.status()["generations"][0]["digest"], before["generations"][0]["digest"]);
    watch.ends();
}

#[test]
fn a_restart_that_is_asked_for_during_an_upgrade_ends_with_what_became_of_it() {
    let service = Service::start();
    fs::write(service.beside("next"), [&program()[..], b"more"].concat()).unwrap();
    fs::rename(service.beside("next"), service.beside("release")).unwrap();
    eventually("it is on trial", || {
        let status = service.status();
        let generations = status["generations"].as_array().unwrap();
        // Or it has passed already: then the restart waits for nothing.
        generations.iter().any(|it| it["generation"] == 2).then_some(())
    });
    let ran = service.ask(&["restart", "--timeout", "100s"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "restart: committed (generation 3)\n"), "{ran:?}");
    assert_eq!(service.serving(), 3);
}

#[test]
fn upgrades_are_paused_and_resumed() {
    let service = Service::start();
    let state = || service.status()["upgrades"]["state"].as_str().unwrap().to_owned();
    for (command, after) in [("pause", "paused"), ("resume", "on")] {
        let ran = service.ask(&[command]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(state(), after);
    }
}

#[test]
fn another_master_is_told_from_the_first() {
    let mut service = Service::start();
    let mut watch = Watch::of(&service);
    let first = service.master();
    kill(first, Signal::SIGTERM).unwrap();
    service.child.take().unwrap().wait().unwrap();
    assert_eq!(service.ask(&["status"]).code, 3, "nobody serves");
    service.begin();
    let words = format!("master {first} is gone, and master {} was started", service.master());
    watch.until_said(&words);
    watch.ends();
}

#[test]
fn the_doctor_finds_nothing_wrong_with_a_service_that_is_well() {
    let service = Service::start();
    service.serving();
    let ran = service.ask(&["doctor", "--json"]);
    let document = ran.json();
    assert_eq!((ran.code, &document["failures"]), (0, &0.into()), "{document}");
    let findings = document["findings"].as_array().unwrap();
    let found =
        |name: &str| findings.iter().find(|it| it["name"] == name).unwrap()["found"].to_string();
    assert!(found("lock").contains("the service of this binary"), "{document}");
    assert!(found("upgrades").contains("they are on"), "{document}");
    assert!(found("program").contains("runs the program"), "{document}");
}

#[test]
fn who_may_look_may_not_change_anything() {
    if !is_root() {
        return;
    }
    let service = Service::with("?mode=0666");
    let copy = Site::new();
    let by_nobody = |words: &[&str]| {
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy.path());
        Ran::of(nobody.args(words).arg("--socket").arg(service.socket()).output().unwrap())
    };
    assert_eq!(by_nobody(&["status"]).code, 0);
    let ran = by_nobody(&["restart"]);
    assert!(ran.code == 3 && ran.err.contains("ask as root"), "{ran:?}");
    assert_eq!(service.serving(), 1);
}
