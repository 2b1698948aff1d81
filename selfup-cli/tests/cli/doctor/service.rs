//! The binary of a service that runs: its user, and its view.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Child, Command};

use super::Seen;
use crate::fake::{Fake, status};
use crate::ran::run;
use crate::site::{Site, changed, field, is_root};

/// A master that does nothing, and ends with the test.
struct Master(Child);

impl Master {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn doctor(path: &str, master: u32) -> Seen {
    let fake = Fake::answering(200, &status(master, path));
    Seen::of(&run(&["doctor", "--json", "--socket", &fake.socket()]))
}

#[test]
fn the_service_says_which_binary_it_is() {
    let site = Site::new();
    let path = site.path().canonicalize().unwrap();
    let seen = doctor(path.to_str().unwrap(), std::process::id());
    assert_eq!(seen.document["binary"], path.to_str().unwrap());
    seen.is("directory", "ok", "it was tried");
}

#[test]
fn what_a_service_sees_counts_and_not_what_its_unit_says() {
    let site = Site::new();
    let unit = "[Service]\nProtectSystem=strict\nNoExecPaths=/\n";
    let unit = site.write("app.service", unit);
    let fake = Fake::answering(200, &status(std::process::id(), site.path().to_str().unwrap()));
    let arguments = ["--socket", &fake.socket(), "--unit", unit.to_str().unwrap()];
    let seen = Seen::of(&run(&[&["doctor", "--json"][..], &arguments].concat()));
    seen.is("unit_paths", "ok", "what it sees was looked at itself");
    assert!(!seen.document.to_string().contains("unit_exec"), "{}", seen.document);
}

#[test]
fn what_it_says_of_upgrades_is_believed() {
    let site = Site::new();
    let good = status(std::process::id(), site.path().to_str().unwrap());
    for (state, verdict, words) in [
        ("disabled", "failure", "cannot be replaced: by an operator"),
        ("paused", "warning", "paused: by an operator"),
        ("following", "warning", "another service"),
        ("none", "ok", "no fetcher"),
        ("on", "ok", "they are on"),
    ] {
        let fake = Fake::answering(200, &good.replace("\"paused\"", &format!("\"{state}\"")));
        let seen = Seen::of(&run(&["doctor", "--json", "--socket", &fake.socket()]));
        seen.is("upgrades", verdict, words);
    }
}

#[test]
fn another_program_at_the_path_is_a_failure() {
    let running = Site::new();
    let listener = std::os::unix::net::UnixListener::bind(running.directory().join("s")).unwrap();
    let mut command = Command::new(running.path());
    command.args(["status", "--timeout", "1h", "--socket"]).arg(running.directory().join("s"));
    let master = Master::start(&mut command);
    // It runs once it connects.
    let _held = listener.accept().unwrap();
    let (name, other) = ("selfup-cli/selfup", "selfup-cli/anothe");
    let said = |what: &str| format!("the service runs {name}, and {what} lies at its path");
    let unmarked = format!("the service runs {name}, and what lies at its path does not say what");
    for (bytes, words) in [
        (changed(&field(2, name), &field(2, other)), said(other)),
        (fs::read("/bin/true").unwrap(), unmarked),
    ] {
        let site = Site::of(&bytes);
        let seen = doctor(site.path().to_str().unwrap(), master.0.id());
        seen.is("program", "failure", &words);
    }
    let site = Site::new();
    let seen = doctor(site.path().to_str().unwrap(), master.0.id());
    seen.is("program", "ok", "the program that lies at its path");
}

#[test]
fn the_user_is_that_of_the_master() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "1000"]);
    let master = Master::start(&mut command);
    let uid =
        || selfup_tests::status_of(nix::unistd::Pid::from_raw(master.0.id().cast_signed()), "Uid");
    selfup_tests::eventually("it is nobody's", || uid().starts_with("65534").then_some(()));
    let seen = doctor(site.path().to_str().unwrap(), master.0.id());
    assert_eq!(seen.document["user"], "user nobody");
    seen.is("directory", "failure", "user nobody may create no file");
}

/// As a unit with `ProtectSystem` and `AmbientCapabilities` has it.
#[test]
fn what_a_master_with_a_view_and_a_capability_of_its_own_wrote_is_good_for_it() {
    if !is_root() {
        return;
    }
    let (site, sockets) = (Site::new(), Site::new());
    chown(site.directory(), Some(0), Some(65534)).unwrap();
    fs::set_permissions(site.directory(), Permissions::from_mode(0o770)).unwrap();
    let history = site.write(".app.selfup-history", r#"{"version":1,"refused":[]}"#);
    chown(&history, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&history, Permissions::from_mode(0o600)).unwrap();
    let socket = sockets.directory().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args(["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"]);
    command.arg(site.path()).args(["status", "--timeout", "1h", "--socket"]).arg(&socket);
    let master = Master::start(&mut command);
    let _held = listener.accept().unwrap();
    let seen = doctor(site.path().to_str().unwrap(), master.0.id());
    assert_eq!(seen.document["user"], "user nobody");
    seen.is("refused", "ok", "nothing is");
    super::of(&site).is("history", "warning", "cannot be read");
}

#[test]
fn the_view_is_that_of_the_master() {
    if !is_root() {
        return;
    }
    let site = Site::new();
    let directory = site.directory().to_str().unwrap().to_owned();
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && exec \"$1/app\" \
                  status --timeout 1h --socket \"$2\"";
    let sockets = Site::new();
    let socket = sockets.directory().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh", &directory]).arg(&socket);
    let master = Master::start(&mut command);
    let _held = listener.accept().unwrap();
    let path = site.path();
    let seen = doctor(path.to_str().unwrap(), master.0.id());
    seen.is("read_only", "failure", "read-only file system");
    assert_eq!(seen.document["binary"], path.canonicalize().unwrap().to_str().unwrap());
    let shown = seen.document.to_string();
    assert!(!shown.contains("/proc/"), "{shown}");
    super::of(&site).is("read_only", "ok", "can be written");
}
