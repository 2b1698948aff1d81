//! A container as `examples/container/Containerfile` says: namespaces with a root that is read-only but for the volume.

use std::fs;
use std::process::Command;

use nix::libc;
use nix::unistd::Uid;
use selfup_tests::{Release, ServiceBuilder, children_of, send};

use crate::first::first_process;
use crate::site::example;

/// What is behind an instruction that the file has once.
fn instruction(name: &str) -> String {
    let text = fs::read_to_string(example("container/Containerfile")).unwrap();
    let mut found = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = found.next().unwrap().to_owned();
    assert_eq!(found.next(), None, "{name} is there once");
    value
}

/// The one word of the entry, which is a list and no command of a shell.
fn entry() -> String {
    let list = instruction("ENTRYPOINT");
    let entry = list.strip_prefix("[\"").and_then(|list| list.strip_suffix("\"]"));
    let entry = entry.unwrap_or_else(|| panic!("{list} is not a list of one"));
    assert!(!entry.contains([' ', '"', ',']), "{entry}");
    entry.to_owned()
}

/// A read-only root, with `volume` in place of the directory of the binary where there is one. What is mounted is gone
/// with the namespace.
fn contained(volume: bool) -> Option<ServiceBuilder> {
    let mounted = instruction("VOLUME");
    assert_eq!(format!("{mounted}/app"), entry(), "the binary is on the volume");
    if !Uid::effective().is_root() {
        eprintln!("SKIPPED: only root may mount");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        return None;
    }
    let builder = ServiceBuilder::new(&Release::good());
    let parent = mounted.rsplit_once('/').unwrap().0;
    let from = builder.directory().display().to_string();
    let is_read_only = if volume { "true" } else { "mount -o remount,bind,ro $MOUNTED" };
    let script = format!(
        "set -e; MOUNTED={mounted}; \
         mount -t tmpfs none {parent}; mkdir $MOUNTED; mount --bind {from} $MOUNTED; \
         {is_read_only}; mount -o remount,bind,ro /; exec {}",
        entry()
    );
    let namespaces = ["--fork", "--kill-child", "--pid", "--mount-proc"];
    let unshare = [&["env", "--default-signal", "unshare"], &namespaces[..]].concat();
    let tried = Command::new(unshare[0]).args(&unshare[1..]).arg("true").status();
    assert!(tried.is_ok_and(|status| status.success()), "root may make namespaces");
    let published = format!("{mounted}/published");
    Some(builder.under(&[&unshare[..], &["sh", "-c", &script]].concat()).set("FETCHER", published))
}

#[test]
fn a_container_with_a_volume_is_upgraded_though_its_root_is_read_only() {
    let Some(builder) = contained(true) else { return };
    let mut service = builder.start();
    let published = service.directory().join("published");
    let release = Release::good();
    release.install(&published);
    service.wait_for("event committed: generation 2 ");
    service.wait_for("event master_replaced: ");
    assert!(service.get("/").contains(&release.id().to_string()));
    assert_eq!(fs::read(service.binary()).unwrap(), release.bytes(), "it is on the volume");
    let (mut held, before) = service.hold();
    send(first_process(&service), stop_signal());
    service.wait_for("draining 2 ");
    held.ask("/");
    assert_eq!(held.answer().unwrap(), before);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn a_container_without_a_volume_and_read_only_serves_and_says_why_it_is_not_upgraded() {
    let Some(builder) = contained(false) else { return };
    let service = builder.start();
    let told = service.wait_for("event upgrades_disabled: ");
    assert!(told.contains("/opt/app"), "{told}");
    assert!(service.get("/").contains(" 1 "));
    assert_eq!(children_of(first_process(&service)).len(), 1);
}

fn stop_signal() -> i32 {
    match instruction("STOPSIGNAL").as_str() {
        "SIGTERM" => libc::SIGTERM,
        "SIGINT" => libc::SIGINT,
        other => panic!("{other} is no stop"),
    }
}
