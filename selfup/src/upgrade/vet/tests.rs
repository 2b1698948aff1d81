use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::upgrade::probe::tests::{Writer, origin_at};
use crate::upgrade::testing::{Place, chmod};

const DEMANDS: Demands<'_> = Demands { allow_unmarked: false, rehearsal: None };

const QUICK: probe::Limits = probe::Limits { time: Duration::from_millis(500), output: 1 << 20 };

fn asked(rehearsal: &str) -> Demands<'_> {
    Demands { rehearsal: Some(rehearsal), ..DEMANDS }
}

fn this_binary() -> Vec<u8> {
    std::fs::read("/proc/self/exe").unwrap()
}

/// What is said of a file with these bytes, put at the path of a service by hand.
fn refusal(bytes: &[u8], part: &str) -> Error {
    let place = Place::with(bytes);
    let names = place.names();
    let error = vet_within(QUICK, &origin_at(place.path.clone(), part), DEMANDS, None).unwrap_err();
    assert_eq!((place.names(), place.content("app")), (names, bytes.to_vec()), "it is left alone");
    let words = error.chain();
    assert!(words.starts_with(&format!("the binary at {}", place.path.display())), "{words}");
    error
}

#[test]
fn a_good_file_is_known_by_its_inode_and_tells_its_addresses() {
    let place = Place::with(&this_binary());
    let vetted = vet(&origin_at(place.path.clone(), "good"), DEMANDS, None).unwrap();
    assert_eq!(vetted.addresses.unwrap(), [":3000", "[::1]:4000"]);
    assert_eq!(vetted.inode, Inode::at(&place.path).unwrap());
    assert_eq!(place.names(), ["app"]);
}

#[test]
fn the_link_that_was_switched_is_followed() {
    let (old, new) = (Place::with(b"old"), Place::with(&this_binary()));
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("current");
    std::os::unix::fs::symlink(&old.path, &link).unwrap();
    let origin = origin_at(link.clone(), "good");
    assert_eq!(vet(&origin, DEMANDS, None).unwrap_err().kind(), ErrorKind::Note);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&new.path, &link).unwrap();
    assert_eq!(vet(&origin, DEMANDS, None).unwrap().inode, Inode::at(&new.path).unwrap());
}

#[test]
fn it_needs_no_lock() {
    let place = Place::with(&this_binary());
    let _locked = place.target();
    vet(&origin_at(place.path.clone(), "good"), DEMANDS, None).unwrap();
}

#[test]
fn what_is_no_binary_is_refused_before_it_is_run() {
    let whole = this_binary();
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"#!/bin/sh\nsleep 60\n", "it is no ELF binary, for it begins with \"#!/bin/sh"),
        (&whole[..whole.len() / 2], "it is cut off"),
    ] {
        let error = refusal(bytes, "good");
        assert_eq!(error.kind(), ErrorKind::Note);
        assert!(error.chain().contains(words), "{}", error.chain());
    }
}

#[test]
fn what_does_not_answer_is_refused_as_a_candidate_is() {
    let place = Place::with(&std::fs::read("/usr/bin/yes").unwrap());
    let origin = Origin::of_test(place.path.clone(), &["yes"], &[]);
    let words = vet(&origin, DEMANDS, None).unwrap_err().chain();
    assert!(words.contains("it does not say which program it is"), "{words}");
    let anybody = Demands { allow_unmarked: true, ..DEMANDS };
    let words = vet(&origin, anybody, None).unwrap_err().chain();
    assert!(words.contains("it printed more than"), "{words}");
    for (bytes, part, words) in [
        (&this_binary(), "hangs", "it did not answer within 500ms and was killed"),
        (&this_binary(), "panics", "no database at example.com"),
        (&this_binary(), "config", "its config cannot work here"),
    ] {
        let error = refusal(bytes, part);
        assert_eq!(error.kind(), ErrorKind::Probe, "{}", error.chain());
        assert!(error.chain().contains(words), "{}", error.chain());
    }
}

#[test]
fn what_cannot_take_over_from_its_master_is_refused() {
    let place = Place::with(&this_binary());
    let origin = origin_at(place.path.clone(), "good");
    vet(&origin, asked("of this version"), None).unwrap();
    let error = vet(&origin, asked("of a later version"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Probe);
    assert!(error.chain().contains("cannot take over the master's state"), "{}", error.chain());
}

#[test]
fn a_file_that_may_not_be_executed_is_told_so() {
    let place = Place::with(&this_binary());
    chmod(&place.path, 0o644);
    let error = vet(&origin_at(place.path.clone(), "good"), DEMANDS, None).unwrap_err();
    assert!(error.chain().contains("Permission denied"), "{}", error.chain());
}

/// Not a word about the file: the next restart may find another.
#[test]
fn what_is_not_there_or_is_being_written_is_no_verdict() {
    let gone = vet(&origin_at(PathBuf::from("/nowhere/app"), "good"), DEMANDS, None).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Spawn);
    assert!(gone.chain().contains("leads to no file"), "{}", gone.chain());

    let place = Place::with(&this_binary());
    let origin = origin_at(place.path.clone(), "good");
    let mut writer = Writer::of(&place.path);
    let busy = vet(&origin, DEMANDS, None).unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Spawn);
    assert!(busy.chain().contains("Text file busy"), "{}", busy.chain());
    writer.close();
    vet(&origin, DEMANDS, None).unwrap();
}

#[test]
fn a_pipe_or_a_directory_in_its_place_holds_nobody_up() {
    let place = Place::with(b"");
    let origin = origin_at(place.path.clone(), "good");
    std::fs::remove_file(&place.path).unwrap();
    nix::unistd::mkfifo(&place.path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let words = vet(&origin, DEMANDS, None).unwrap_err().chain();
    assert!(words.contains("it is no regular file"), "{words}");
    std::fs::remove_file(&place.path).unwrap();
    std::fs::create_dir(&place.path).unwrap();
    vet(&origin, DEMANDS, None).unwrap_err();
}

#[test]
fn a_file_that_is_replaced_while_it_is_looked_at_is_not_taken_for_the_one_that_was() {
    let place = Place::with(&this_binary());
    let origin = origin_at(place.path.clone(), "replaces");
    let error = vet(&origin, DEMANDS, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spawn);
    assert!(error.chain().contains("it was changed while it was looked at"), "{}", error.chain());
}

#[test]
fn nobody_waits_for_a_probe_whose_service_ends() {
    let (wanted, alive) = std::io::pipe().unwrap();
    drop(alive);
    let place = Place::with(&this_binary());
    let origin = origin_at(place.path.clone(), "hangs");
    let limits = probe::Limits { time: Duration::from_secs(600), ..QUICK };
    let wanted = std::os::fd::AsFd::as_fd(&wanted);
    let error = vet_within(limits, &origin, DEMANDS, Some(wanted)).unwrap_err();
    assert!(error.chain().contains("for the service ends"), "{}", error.chain());
}
