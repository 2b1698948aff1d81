use std::path::Path;

use super::*;
use crate::upgrade::testing::{Place, chmod, mode, run_as_nobody, staged, test_path};
use crate::upgrade::{preflight::Target, swap};

/// `cap_net_bind_service` in the permitted set, of version 2 of the kernel's format.
const BIND: [u8; 20] = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Gives the file at `path` an attribute, or says aloud that it cannot have one here.
fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    let done = xattr::set(path, name, value);
    let is_done = done.is_ok();
    assert!(is_done || std::env::var_os("CI").is_none(), "CI has to try this: {done:?}");
    if !is_done {
        eprintln!("skipped: {name} cannot be set here: {done:?}");
    }
    is_done
}

/// What replaces the binary of `place`, and what is there before and after.
fn upgraded(place: &Place) -> Target {
    let mut target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    swap::swap(&mut target, candidate, &mut None).unwrap();
    target
}

#[test]
fn attributes_are_kept_by_a_candidate() {
    let place = Place::with(b"old");
    if !set(&place.path, "user.origin", b"here") {
        return;
    }
    upgraded(&place);
    assert_eq!(place.content("app"), b"new");
    assert_eq!(xattr::get(&place.path, "user.origin").unwrap().unwrap(), b"here");
}

#[test]
fn capabilities_are_kept_and_an_untrusted_file_has_none() {
    let place = Place::with(b"old");
    if !nix::unistd::geteuid().is_root() || !set(&place.path, CAPABILITY, &BIND) {
        return;
    }
    chmod(&place.path, 0o6755);
    let target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    assert_eq!(xattr::get(candidate.path(), CAPABILITY).unwrap(), None);
    assert_eq!(mode(candidate.path()), 0o755);
    drop((candidate, target));
    upgraded(&place);
    assert_eq!(xattr::get(&place.path, CAPABILITY).unwrap().unwrap(), BIND);
    assert_eq!(mode(&place.path), 0o6755);
}

/// A copy stands in for the previous binary where links are refused.
#[test]
fn a_copy_has_them_all() {
    let place = Place::with(b"old");
    if !nix::unistd::geteuid().is_root() || !set(&place.path, CAPABILITY, &BIND) {
        return;
    }
    let mut target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    let swapped = swap::swap(&mut target, candidate, &mut None).unwrap();
    std::fs::remove_file(target.previous_path()).unwrap();
    swap::restore(&mut target, &mut Some(swapped)).unwrap();
    assert_eq!(place.content("app"), b"old");
    assert_eq!(xattr::get(&place.path, CAPABILITY).unwrap().unwrap(), BIND);
}

/// Root can keep everything, so as root this test runs itself again as somebody else.
#[test]
fn a_capability_that_would_be_lost_is_an_error_before_anything_is_touched() {
    let test = "a_capability_that_would_be_lost_is_an_error_before_anything_is_touched";
    if nix::unistd::geteuid().is_root() {
        let place = Place::with(b"old");
        std::os::unix::fs::chown(&place.path, Some(65534), Some(65534)).unwrap();
        if !set(&place.path, CAPABILITY, &BIND) {
            return;
        }
        chmod(place.directory.path(), 0o777);
        run_as_nobody(place.directory.path(), &test_path(module_path!(), test));
        return;
    }
    let path = std::env::temp_dir().canonicalize().unwrap().join("app");
    if !path.exists() {
        eprintln!("skipped: only root can prepare a binary with capabilities");
        return;
    }
    let words = Target::open(path, None).unwrap_err().to_string();
    assert!(words.contains("cap_net_bind_service") && words.contains("as root"), "{words}");
}

#[test]
fn an_owner_that_would_be_lost_is_told() {
    let test = "an_owner_that_would_be_lost_is_told";
    if nix::unistd::geteuid().is_root() {
        let place = Place::with(b"old");
        chmod(place.directory.path(), 0o777);
        run_as_nobody(place.directory.path(), &test_path(module_path!(), test));
        return;
    }
    let path = std::env::temp_dir().canonicalize().unwrap().join("app");
    if !path.exists() {
        eprintln!("skipped: only root can prepare a binary of somebody else");
        return;
    }
    let target = Target::open(path, None).unwrap();
    let words = target.losses().unwrap().to_string();
    assert!(words.contains("its owner (user 0, and user 65534 then)"), "{words}");
}
