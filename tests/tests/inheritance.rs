//! Inheritance: what passes from a master to its child stays between them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Release, Service, ServiceBuilder, get};

/// Passes standard input on under another number.
const AS_NUMBER_5: [&str; 3] = ["sh", "-c", "exec 5<&0 </dev/null; exec \"$0\""];

#[test]
fn what_a_program_starts_has_no_variable_of_ours() {
    let mut service = Service::with(&[("SELFUP_ROLE", "child:3:1"), ("SELFUP_OF_THE_USER", "1")]);
    for generation in 2..=3 {
        let environment = service.get("/environment");
        assert!(environment.contains("ADDRESS="), "{environment}");
        assert!(!environment.contains("SELFUP_ROLE"), "{environment}");
        assert!(environment.contains("SELFUP_OF_THE_USER=1"), "{environment}");
        service.restart(generation);
    }
    assert!(service.stop().success());
}

#[test]
fn what_a_program_starts_has_no_descriptor_of_ours() {
    // Whoever runs this test may have left some of its own to everybody.
    let ours = Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let ours = String::from_utf8(ours.stdout).unwrap();
    let mut service = Service::with(&[]);
    for generation in 2..=3 {
        let listing = service.get("/descriptors");
        assert_eq!(numbers(&listing), numbers(&ours), "{listing}");
        service.restart(generation);
    }
    assert!(service.stop().success());
}

/// The numbers of the descriptors in a listing.
fn numbers(listing: &str) -> Vec<&str> {
    let lines = listing.lines().filter_map(|line| line.split_once(" -> "));
    lines.filter_map(|(line, _)| line.rsplit(' ').next()).collect()
}

#[test]
fn a_variable_that_leaked_makes_nobody_a_child() {
    for value in ["child:3:1", "child:0:1", "child:1:1", "probe:3:1:x", "child", "", "\u{fffd}:9"] {
        let mut service = Service::with(&[("SELFUP_ROLE", value)]);
        assert!(service.get("/state").starts_with("supervised true "), "{value:?}");
        service.restart(2);
        assert!(service.stop().success(), "{value:?}");
    }
}

#[test]
fn a_descriptor_that_is_another_than_the_variable_says_makes_nobody_a_child() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let theirs = File::from(OwnedFd::from(theirs));
    let role = format!("child:5:{}", theirs.metadata().unwrap().ino() + 1);
    let builder = ServiceBuilder::new(&Release::good()).set("SELFUP_ROLE", role).stdin(theirs);
    let mut service = builder.under(&AS_NUMBER_5).start();
    assert!(service.get("/state").starts_with("supervised true "));
    assert!(service.stop().success());
}

#[test]
fn a_program_that_starts_another_of_its_kind_works() {
    let builder = ServiceBuilder::new(&Release::of_fixture("plain")).set("PROGRAM", "starts");
    let inner = Release::good();
    let path = builder.directory().join("inner");
    inner.install(&path);
    let mut outer = builder.set("NESTED", path).spawn();
    let line = outer.wait_for_nth("event bound: ", 2);
    let address = line.rsplit(' ').next().unwrap().parse().unwrap();
    let child = outer.pid_of(1);
    let status = std::fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let master = status.lines().find_map(|line| line.strip_prefix("PPid:\t")).unwrap();
    let state = get(address, "/state");
    assert!(state.starts_with(&format!("supervised true master Some({master})")), "{state}");
    assert_ne!(master, outer.pid().to_string());
    kill(Pid::from_raw(master.parse().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(outer.wait().code(), Some(0), "the outer one ends as the inner one did");
}

#[test]
fn a_child_whose_master_died_at_its_birth_leaves_quietly() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    let theirs = File::from(OwnedFd::from(theirs));
    let role = format!("child:5:{}", theirs.metadata().unwrap().ino());
    let builder = ServiceBuilder::new(&Release::good()).set("SELFUP_ROLE", role).stdin(theirs);
    let mut service = builder.under(&AS_NUMBER_5).spawn();
    assert_eq!(service.wait().code(), Some(0));
    assert_eq!(service.lines(""), [""; 0], "it neither bound nor served");
}
