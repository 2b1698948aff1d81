use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use nix::sys::signal::Signal;
use selfup_tests::{Operator, Release, ServiceBuilder, eventually};

use super::service;

/// The numbers of the sockets that a process has.
fn sockets_of(pid: nix::unistd::Pid) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = entries.flat_map(|entry| std::fs::read_link(entry.path()));
    links.map(|link| link.display().to_string()).filter(|it| it.starts_with("socket:")).collect()
}

#[test]
fn it_is_for_its_owner_alone_until_it_says_otherwise_and_gone_at_the_end() {
    let (mut private, operator) = service(&[]);
    let mode = operator.path().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    operator.post("/restart").assert_good("committed");
    assert_eq!(private.files(), ["control"]);
    assert!(private.stop().success());
    assert_eq!(private.files(), [""; 0]);

    let own = nix::unistd::Uid::effective();
    let group = if own.is_root() { 12345 } else { nix::unistd::Gid::effective().as_raw() };
    let builder = ServiceBuilder::new(&Release::good());
    let (builder, operator) = Operator::of(builder, &format!("?mode=0660&group={group}"));
    let mut shared = builder.start();
    let metadata = operator.path().metadata().unwrap();
    assert_eq!((metadata.permissions().mode() & 0o7777, metadata.gid()), (0o660, group));
    assert!(shared.stop().success());
}

#[test]
fn another_user_neither_looks_nor_commands() {
    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        return;
    }
    let nobody = |operator: &Operator, target: &str, method: &str| {
        let mut curl = Command::new("setpriv");
        curl.args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "--silent", "-X"]);
        curl.args([method, "--max-time", "60", "--write-out", "%{http_code}", "--unix-socket"]);
        curl.arg(operator.path()).arg(format!("http://localhost/{target}"));
        let output = curl.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let builder = ServiceBuilder::new(&Release::good());
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(builder.directory(), open.clone()).unwrap();
    let (builder, operator) = Operator::of(builder, "");
    let mut private = builder.start();
    assert!(!nobody(&operator, "status", "GET").0);
    assert!(private.stop().success());

    let builder = ServiceBuilder::new(&Release::good());
    std::fs::set_permissions(builder.directory(), open).unwrap();
    let (builder, operator) = Operator::of(builder, "?mode=0666");
    let mut public = builder.start();
    let (_, status) = nobody(&operator, "status", "GET");
    assert!(status.ends_with("200"), "who may connect may look: {status}");
    for target in ["restart", "check", "rollback", "pause-upgrades", "resume-upgrades"] {
        let (_, said) = nobody(&operator, target, "POST");
        assert!(said.ends_with("403"), "{target}: {said}");
    }
    assert_eq!(public.lines("event child_started: ").len(), 1);
    assert!(public.stop().success());
}

#[test]
fn no_child_has_it_and_it_is_no_address() {
    let (mut service, operator) = service(&[]);
    operator.post("/restart").assert_good("committed");
    let inode = |pid| sockets_of(pid).into_iter().collect::<std::collections::BTreeSet<_>>();
    let child = inode(service.pid_of(2));
    let listening = std::fs::read_to_string("/proc/net/unix").unwrap();
    let path = operator.path().display().to_string();
    // The temporary name that it was bound by, beside its path.
    let name = path.replace("control", ".control.selfup-");
    let of_it = listening.lines().filter(|line| line.contains(&name));
    let numbers: Vec<_> = of_it.filter_map(|line| line.split_whitespace().nth(6)).collect();
    assert!(!numbers.is_empty(), "it listens: {listening}");
    for number in numbers {
        assert!(!child.contains(&format!("socket:[{number}]")), "the child has {number}");
    }
    assert_eq!(service.lines("event bound: ").len(), 1);
    assert!(service.stop().success());
}

#[test]
fn one_that_nobody_listens_on_is_replaced() {
    let builder = ServiceBuilder::new(&Release::good());
    let (builder, operator) = Operator::of(builder, "");
    drop(UnixListener::bind(operator.path()).unwrap());
    let mut service = builder.start();
    assert_eq!(operator.status()["phase"], "serving");
    service.signal(Signal::SIGKILL);
    service.wait();
    service.processes().wait_until_gone();
    assert!(operator.path().exists(), "nobody was left to remove it");
    let (builder, operator) = Operator::of(ServiceBuilder::of(service.directory()), "");
    let mut again = builder.start();
    assert_eq!(operator.status()["phase"], "serving");
    assert!(again.stop().success());
    assert!(!operator.path().exists());
}

#[test]
fn the_second_master_at_one_path_serves_without_and_has_it_at_a_commit_once_it_is_free() {
    let (mut first, operator) = service(&[]);
    let builder = ServiceBuilder::new(&Release::good());
    let mut second = builder.set("CONTROL_SOCKET", operator.path()).start();
    let line = second.wait_for("event warning: there is no control socket");
    assert!(line.contains("it is in use"), "{line}");
    assert_eq!(operator.status()["master_pid"], first.pid().as_raw());
    assert!(first.stop().success());
    assert!(!operator.path().exists());
    second.restart(2);
    // It is told that it is committed first.
    let status = eventually("it is bound", || operator.try_ask("GET /status").ok()).body;
    assert_eq!(status["master_pid"], second.pid().as_raw());
    assert!(second.stop().success());
    assert!(!operator.path().exists());
}

#[test]
fn where_it_is_required_a_socket_that_cannot_be_bound_is_the_end() {
    let builder = ServiceBuilder::new(&Release::good());
    let builder = builder.set("REQUIRED", "1").set("CONTROL_SOCKET", "/nowhere/at/all/a.sock");
    let mut service = builder.spawn();
    assert_eq!(service.wait().code(), Some(1));
    let line = service.wait_for("there is no control socket");
    assert!(line.contains("its directory does not exist; create that first"), "{line}");
    assert!(service.lines("serving ").is_empty());
    let builder = ServiceBuilder::new(&Release::good());
    let mut without = builder.set("CONTROL_SOCKET", "/nowhere/at/all/a.sock").start();
    without.wait_for("event warning: there is no control socket");
    assert!(without.stop().success());
}

#[test]
fn whoever_says_nothing_delays_neither_the_others_nor_the_service() {
    let (mut service, operator) = service(&[]);
    let mute: Vec<_> = (0..20).map(|_| UnixStream::connect(operator.path()).unwrap()).collect();
    let mut rude = UnixStream::connect(operator.path()).unwrap();
    rude.write_all(&[0xff; 4096]).unwrap();
    assert_eq!(operator.status()["phase"], "serving");
    operator.post("/restart").assert_good("committed");
    drop(mute);
    assert!(service.stop().success());
}
