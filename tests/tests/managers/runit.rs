//! runit, with `examples/runit` as a service directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::eventually;

use crate::manager::Manager;
use crate::site::{self, Site};
use crate::story;

struct Runit {
    site: Site,
    root: PathBuf,
    process: Child,
}

impl Manager for Runit {
    fn try_start(site: Site) -> Option<Self> {
        let root = site::debian("usr/bin/runsvdir")?;
        let directory = site.manager().join("app");
        for script in ["run", "finish", "control/h", "log/run"] {
            let path = directory.join(script);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, site.example(&format!("runit/{script}"))).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let process = site.spawn(command(&root, "runsvdir").arg(site.manager()));
        let manager = Self { site, root, process };
        manager.site.wait_for("serving 1 ");
        Some(manager)
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn pid(&self) -> Option<Pid> {
        // Nor is there one before runsv has written of its first start.
        site::pid(&fs::read_to_string(self.directory().join("supervise/pid")).ok()?)
    }

    fn reload(&self) {
        assert!(self.sv(&["reload"]).starts_with("ok: run: "), "it takes the command");
    }

    fn stop(&self) {
        let answer = self.sv(&["-w", "40", "stop"]);
        assert!(answer.starts_with("ok: down: "), "{answer}");
    }

    fn shell(&self, commands: &str) -> Command {
        let mut shell = command(&self.root, "bash");
        shell.args(["-ec", commands]).env("SVDIR", self.site.manager());
        shell
    }

    fn words_of_exit(code: i32) -> String {
        format!("app ended: exit code {code}, signal 0")
    }

    fn words_of_signal(signal: i32) -> String {
        format!("app ended: exit code -1, signal {signal}")
    }

    fn ends(&self) -> String {
        self.site.log()
    }
}

impl Runit {
    fn directory(&self) -> PathBuf {
        self.site.manager().join("app")
    }

    fn sv(&self, arguments: &[&str]) -> String {
        let mut sv = command(&self.root, "sv");
        let output = sv.args(arguments).arg(self.directory()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Runit {
    fn drop(&mut self) {
        // It has its runsv end the service and go.
        self.sv(&["-w", "1", "force-stop"]);
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGHUP);
        if !std::thread::panicking() {
            eventually("runsvdir ends", || self.process.try_wait().unwrap());
        }
        self.site.clear(&mut self.process);
    }
}

/// A program of the package, which finds the others of it.
fn command(root: &Path, program: &str) -> Command {
    let directory = root.join("usr/bin");
    let found = directory.join(program);
    // A shell is this machine's own.
    let mut command = if found.exists() { Command::new(found) } else { Command::new(program) };
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", directory.display()));
    command
}

#[test]
fn an_upgrade_is_no_event_for_runit() {
    story::upgrade::<Runit>("current");
}

#[test]
fn sv_reload_asks_for_a_restart_by_the_control_script() {
    story::reload::<Runit>("current");
}

#[test]
fn sv_sends_the_restart_signal_itself_too() {
    let Some(manager) = Runit::try_start(Site::new("current")) else { return };
    manager.sv(&["2"]);
    manager.site.wait_for("event committed: generation 2 ");
}

#[test]
fn a_release_that_crashes_is_none_of_runits_business() {
    story::bad_release::<Runit>("current");
}

#[test]
fn a_crash_is_seen_by_runit_as_it_was_and_answered_by_a_start() {
    story::crash::<Runit>("current");
}

#[test]
fn a_master_that_is_killed_is_started_again_by_runit() {
    story::killed_master::<Runit>("current");
}

#[test]
fn sv_stop_drains() {
    let Some(manager) = story::stop::<Runit>("current") else { return };
    manager.site.wait_for(&Runit::words_of_exit(0));
    assert_eq!(manager.pid(), None);
}

#[test]
fn the_commands_of_the_manual_are_those_of_runit() {
    story::manual::<Runit>("runit", "current");
}
