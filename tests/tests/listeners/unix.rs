use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::signal::Signal;
use selfup_tests::{
    Answer, Published, Publisher, Release, Service, ServiceBuilder, eventually, send,
    serve_once_free, serves_where_it_waited,
};

use super::client::{Load, get, succeed, try_get};

/// A service at a path in its own directory.
fn at_path(options: &str) -> (ServiceBuilder, PathBuf) {
    let builder = ServiceBuilder::new(&Release::good());
    let path = builder.directory().join("a.sock");
    let address = format!("unix:{}{options}", path.display());
    (builder.set("ADDRESS", address), path)
}

fn named(path: &Path) -> UnixAddr {
    UnixAddr::from_pathname(path).unwrap()
}

fn inode(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).unwrap().ino()
}

fn kill_master(service: &mut Service) {
    service.signal(Signal::SIGKILL);
    service.wait();
}

#[test]
fn nothing_is_lost_at_a_path_by_twenty_restarts() {
    let (builder, path) = at_path("");
    let mut service = builder.start();
    let before = inode(&path);
    let load = Load::start(&named(&path));
    (2..=21).for_each(|next| service.restart(next));
    assert_eq!(load.stop(), [""; 0]);
    assert!(get(&path, "/").contains(" 21 "));
    assert_eq!(inode(&path), before);
    assert!(service.stop().success());
    assert!(!path.exists());
}

#[test]
fn nothing_is_lost_at_an_abstract_name_by_twenty_restarts() {
    let name = format!("selfup-test-{}", std::process::id());
    let mut service = Service::with(&[("ADDRESS", &format!("unix:@{name}"))]);
    let at = UnixAddr::from_abstract_name(&name).unwrap();
    let load = Load::start(&at);
    (2..=21).for_each(|next| service.restart(next));
    assert_eq!(load.stop(), [""; 0]);
    assert!(try_get(&at, "/").unwrap().contains(" 21 "));
    assert!(service.stop().success());
    UnixListener::bind_addr(&at).unwrap();
}

#[test]
fn a_socket_has_its_rights_and_is_removed_at_the_final_stop() {
    let own = nix::unistd::Uid::effective();
    let group = if own.is_root() { 12345 } else { nix::unistd::Gid::effective().as_raw() };
    let (builder, path) = at_path(&format!("?mode=0620&owner={own}&group={group}"));
    let mut service = builder.start();
    let metadata = path.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o620);
    assert_eq!((metadata.uid(), metadata.gid()), (own.as_raw(), group));
    service.restart(2);
    assert_eq!(service.files(), ["a.sock"]);
    assert!(service.stop().success());
    assert_eq!(service.files(), [""; 0]);
}

#[test]
fn the_end_of_the_program_removes_it_however_it_ends() {
    for (target, code, signal) in [("/exit?3", Some(3), None), ("/kill?9", None, Some(9))] {
        let (builder, path) = at_path("");
        let mut service = builder.start();
        let _ = try_get(&named(&path), target);
        let status = service.wait();
        assert_eq!((status.code(), status.signal()), (code, signal));
        assert!(!path.exists(), "{target}");
    }
}

#[test]
fn what_a_killed_master_leaves_is_the_next_ones() {
    let (builder, path) = at_path("");
    let mut service = builder.start();
    let mut held = UnixStream::connect(&path).unwrap();
    assert!(get(&path, "/").contains(" 1 "));
    let before = inode(&path);
    let address = format!("unix:{}", path.display());
    kill_master(&mut service);
    assert_eq!(inode(&path), before, "no child removes it");
    let mut next = serve_once_free(&address);
    assert!(get(&path, "/").contains(" 1 "));
    assert_ne!(inode(&path), before);
    // The orphan answers, ends, and does not touch what is another's.
    std::io::Write::write_all(&mut held, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut held, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    service.processes().wait_until_gone();
    assert!(get(&path, "/").contains(" 1 "));
    assert!(next.stop().success());
    assert!(!path.exists());
}

#[test]
fn a_path_where_somebody_listens_is_left_alone() {
    let (builder, path) = at_path("");
    let mut service = builder.start();
    let before = inode(&path);
    let address = format!("unix:{}", path.display());
    let mut second = ServiceBuilder::new(&Release::good()).set("ADDRESS", &address).spawn();
    assert_eq!(second.wait().code(), Some(1));
    second.wait_for("it is in use; stop what listens there (`ss -lxp` names it)");
    assert_eq!(inode(&path), before);
    assert!(get(&path, "/").contains(" 1 "));
    assert!(service.stop().success());
}

#[test]
fn a_second_service_waits_for_the_path_of_one_that_ends() {
    // It waits for seconds, and this machine may be slower.
    assert!((0..10).any(|_| waits_for_the_path_of_one_that_ends()));
}

/// Or has given up before the other had ended.
fn waits_for_the_path_of_one_that_ends() -> bool {
    let (builder, path) = at_path("");
    let mut service = builder.start();
    let address = format!("unix:{}", path.display());
    let second = ServiceBuilder::new(&Release::good()).set("ADDRESS", &address).spawn();
    let pause = format!("{} ", libc::SYS_clock_nanosleep);
    eventually("it waits for its next try", || {
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", second.pid()));
        let has_ended = !second.lines("it is in use; ").is_empty();
        (has_ended || call.is_ok_and(|call| call.starts_with(&pause))).then_some(())
    });
    assert!(service.stop().success());
    let serves = serves_where_it_waited(&second);
    assert!(!serves || get(&path, "/").contains(" 1 "));
    serves
}

#[test]
fn what_is_no_socket_is_named_and_left_alone() {
    let (builder, path) = at_path("");
    std::fs::write(&path, "precious").unwrap();
    let mut service = builder.spawn();
    assert_eq!(service.wait().code(), Some(1));
    let line = service.wait_for("cannot listen on ");
    assert!(line.contains("a.sock is a regular file"), "{line}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn what_another_has_put_there_meanwhile_is_not_removed() {
    let (builder, path) = at_path("");
    let mut service = builder.start();
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert!(service.stop().success());
    assert!(path.exists());
}

#[test]
fn an_address_that_cannot_be_bound_leaves_none_of_the_others() {
    let (builder, path) = at_path("");
    let addresses = format!("unix:{},unix:/nowhere/b.sock", path.display());
    let mut service = builder.set("ADDRESS", addresses).spawn();
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for("its directory does not exist");
    assert_eq!(service.files(), [""; 0]);
}

#[test]
fn without_a_master_the_program_removes_it() {
    let (builder, path) = at_path("?mode=0600");
    let mut service = builder.set("SELFUP", "off").start();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(get(&path, "/").contains(" 1 "));
    assert!(service.stop().success());
    assert!(!path.exists());
}

fn published(path: &Path, options: &str) -> Published {
    let address = format!("unix:{}{options}", path.display());
    Published::start(&[("ADDRESS", &address)])
}

#[test]
fn a_succession_keeps_the_socket_and_the_last_master_removes_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let mut published = published(&path, "");
    let before = inode(&path);
    let load = Load::start(&named(&path));
    for _ in 0..3 {
        succeed(&published, &Release::good());
    }
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(inode(&path), before);
    assert!(published.service.stop().success());
    assert!(!path.exists());
}

#[test]
fn a_successor_that_fails_leaves_the_socket_to_the_master_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, added) = (directory.path().join("a.sock"), directory.path().join("b.sock"));
    let mut published = published(&path, "");
    let address = format!("unix:{},unix:{}", path.display(), added.display());
    // Told to the probe, and bound for the generation; then the config of the master fails.
    let words = format!("ADDRESS={address} master-bad-config");
    published.publisher.publish(Answer::Whole(Release::configured(&words)));
    published.service.wait_for("the previous one goes on");
    assert!(get(&path, "/").contains(" 2 ") && get(&added, "/").contains(" 2 "));
    assert!(published.service.stop().success());
    assert!(!path.exists() && !added.exists());
}

#[test]
fn an_upgrade_removes_a_path_when_its_last_user_is_gone_and_adds_another() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (stays, goes, comes) = (at("stays"), at("goes"), at("comes"));
    let address = format!("unix:{},unix:{}", stays.display(), goes.display());
    let mut published = Published::start(&[("ADDRESS", &address)]);
    let mut held = UnixStream::connect(&goes).unwrap();
    assert!(get(&goes, "/").contains(" 1 "));
    let load = Load::start(&named(&stays));
    let url = published.publisher.url();
    let words = format!("ADDRESS=unix:{},unix:{} FETCHER={url}", stays.display(), comes.display());
    succeed(&published, &Release::configured(&words));
    assert!(get(&comes, "/").contains(" 2 "));
    assert!(goes.exists(), "a generation that uses it is there");
    std::io::Write::write_all(&mut held, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    eventually("the removed path is gone", || (!goes.exists()).then_some(()));
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_path_that_a_failed_upgrade_added_is_removed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (stays, comes) = (at("stays"), at("comes"));
    let address = format!("unix:{}", stays.display());
    let mut published = Published::start(&[("ADDRESS", &address), ("PROBATION", "3s")]);
    let elsewhere = Publisher::start(Answer::Status(404));
    let url = elsewhere.url();
    let words = format!("ADDRESS={address},unix:{} FETCHER={url} dies-soon", comes.display());
    published.publisher.publish(Answer::Whole(Release::configured(&words)));
    published.service.wait_for("event rolled_back: ");
    eventually("the added path is gone", || (!comes.exists()).then_some(()));
    assert!(get(&stays, "/").contains(" 1 "));
    assert!(published.service.stop().success());
}

#[test]
fn an_upgrade_changes_the_rights_and_the_name_of_a_socket_that_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let mut published = published(&path, "?mode=0600");
    let (before, url) = (inode(&path), published.publisher.url());
    let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let load = Load::start(&named(&path));
    let options = "?mode=0666&name=web&backlog=7";
    succeed(
        &published,
        &Release::configured(&format!("ADDRESS=unix:{}{options} FETCHER={url}", path.display())),
    );
    assert_eq!((mode(), inode(&path)), (0o666, before));
    assert!(get(&path, "/state").contains(options));
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
    assert!(!path.exists());
}

#[test]
fn a_master_that_dies_by_the_signal_of_its_program_removes_it() {
    let (builder, path) = at_path("");
    let mut service = builder.with_default_signals().start();
    send(service.pid(), libc::SIGQUIT);
    assert_eq!(service.wait().signal(), Some(libc::SIGQUIT));
    assert!(!path.exists());
}
