//! supervisord, with `examples/supervisord/app.conf`.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::unistd::Pid;
use selfup_tests::eventually;

use crate::manager::Manager;
use crate::site::{self, Site};
use crate::story;

struct Supervisord {
    site: Site,
    root: PathBuf,
    process: Child,
}

impl Manager for Supervisord {
    fn try_start(site: Site) -> Option<Self> {
        let root = site::debian("usr/bin/supervisord")?;
        let directory = site.manager();
        let config = CONFIG.replace("DIRECTORY", &directory.display().to_string());
        fs::write(directory.join("supervisord.conf"), config).unwrap();
        fs::write(directory.join("app.conf"), site.example("supervisord/app.conf")).unwrap();
        let mut command = command(&root, "supervisord");
        let process = site.spawn(command.arg("-c").arg(directory.join("supervisord.conf")));
        let manager = Self { site, root, process };
        manager.site.wait_for("serving 1 ");
        eventually("it is said to run", || manager.status().contains("RUNNING").then_some(()));
        Some(manager)
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn pid(&self) -> Option<Pid> {
        site::pid(&self.ask(&["pid", "app"]))
    }

    fn reload(&self) {
        assert_eq!(self.ask(&["signal", "USR2", "app"]), "app: signalled\n");
    }

    fn stop(&self) {
        assert_eq!(self.ask(&["stop", "app"]), "app: stopped\n");
    }

    fn shell(&self, commands: &str) -> Command {
        let mut shell = command(&self.root, "bash");
        let config = self.site.manager().join("supervisord.conf");
        let alias = format!(
            "supervisorctl() {{ {}/usr/bin/supervisorctl -c {} \"$@\"; }}",
            self.root.display(),
            config.display()
        );
        shell.args(["-ec", &format!("{alias}\n{commands}")]);
        shell
    }

    fn words_of_exit(code: i32) -> String {
        format!("app (exit status {code}")
    }

    fn words_of_signal(signal: i32) -> String {
        let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
        format!("app (terminated by {signal}")
    }

    fn ends(&self) -> String {
        fs::read_to_string(self.site.manager().join("log")).unwrap()
    }
}

impl Supervisord {
    fn ask(&self, arguments: &[&str]) -> String {
        let mut control = command(&self.root, "supervisorctl");
        control.arg("-c").arg(self.site.manager().join("supervisord.conf")).args(arguments);
        String::from_utf8(control.output().unwrap().stdout).unwrap()
    }

    fn status(&self) -> String {
        self.ask(&["status", "app"])
    }
}

impl Drop for Supervisord {
    fn drop(&mut self) {
        self.site.clear(&mut self.process);
    }
}

/// A program of the package, which looks for its modules where Debian puts them.
fn command(root: &std::path::Path, program: &str) -> Command {
    let found = root.join("usr/bin").join(program);
    // A shell is this machine's own.
    let mut command = if found.exists() { Command::new(found) } else { Command::new(program) };
    command.env("PYTHONPATH", root.join("usr/lib/python3/dist-packages"));
    command
}

/// Nothing of it is outside of one directory.
const CONFIG: &str = "\
[unix_http_server]
file=DIRECTORY/socket

[supervisord]
nodaemon=true
logfile=DIRECTORY/log
pidfile=DIRECTORY/pid
childlogdir=DIRECTORY

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://DIRECTORY/socket

[include]
files=DIRECTORY/app.conf
";

#[test]
fn an_upgrade_is_no_event_for_supervisord() {
    story::upgrade::<Supervisord>("app.log");
}

#[test]
fn supervisorctl_asks_for_a_restart_by_a_signal() {
    story::reload::<Supervisord>("app.log");
}

#[test]
fn a_release_that_crashes_is_none_of_supervisords_business() {
    story::bad_release::<Supervisord>("app.log");
}

#[test]
fn a_crash_is_seen_by_supervisord_as_it_was_and_answered_by_a_start() {
    story::crash::<Supervisord>("app.log");
}

#[test]
fn a_master_that_is_killed_is_started_again_by_supervisord() {
    story::killed_master::<Supervisord>("app.log");
}

#[test]
fn supervisorctl_stop_drains() {
    let Some(manager) = story::stop::<Supervisord>("app.log") else { return };
    assert!(manager.status().contains("STOPPED"), "{}", manager.status());
    assert!(manager.ends().contains("stopped: app (exit status 0)"), "{}", manager.ends());
}

#[test]
fn the_commands_of_the_manual_are_those_of_supervisord() {
    story::manual::<Supervisord>("supervisord", "app.log");
}
