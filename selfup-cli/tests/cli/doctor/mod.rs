//! Every cause that the doctor knows, made.

mod beside;
mod place;
mod service;
mod unit;

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use crate::ran::{Ran, run, selfup};
use crate::site::{Site, changed, field, sample};

/// What the doctor says of a binary.
struct Seen {
    code: i32,
    document: Value,
}

impl Seen {
    fn of(ran: &Ran) -> Self {
        Self { code: ran.code, document: ran.json() }
    }

    /// The finding of this name that is no good one, or the one that there is.
    fn find(&self, name: &str) -> &Value {
        let findings = self.document["findings"].as_array().unwrap();
        let mut named: Vec<_> = findings.iter().filter(|finding| finding["name"] == name).collect();
        named.sort_by_key(|finding| finding["verdict"] == "ok");
        named.first().unwrap_or_else(|| panic!("{name} is there: {}", self.document))
    }

    #[track_caller]
    fn is(&self, name: &str, verdict: &str, words: &str) {
        let finding = self.find(name);
        assert_eq!(finding["verdict"], verdict, "{finding}");
        assert!(finding["found"].as_str().unwrap().contains(words), "{words}: {finding}");
        let is_advised = finding["advice"].as_str().is_some_and(|advice| !advice.is_empty());
        assert_eq!(is_advised, verdict != "ok", "{finding}");
        if verdict == "failure" {
            assert_eq!(self.code, 1, "{}", self.document);
        }
    }
}

fn doctor<S: AsRef<OsStr>>(path: &Path, arguments: &[S]) -> Seen {
    let mut words = vec![OsStr::new("doctor"), OsStr::new("--json"), path.as_os_str()];
    words.extend(arguments.iter().map(AsRef::as_ref));
    Seen::of(&run(&words))
}

fn of(site: &Site) -> Seen {
    doctor::<&str>(&site.path(), &[])
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    let site = Site::new();
    let seen = of(&site);
    assert_eq!((seen.code, &seen.document["failures"]), (0, &0.into()), "{}", seen.document);
    let findings = seen.document["findings"].as_array().unwrap();
    let bad = findings.iter().filter(|finding| finding["verdict"] != "ok");
    let bad: Vec<_> = bad.filter(|finding| finding["name"] != "container").collect();
    assert!(bad.is_empty(), "{bad:?}");
    let left: Vec<_> = std::fs::read_dir(site.directory()).unwrap().collect();
    assert_eq!(left.len(), 1, "and nothing is left behind");
    let ran = run(&[OsStr::new("doctor"), site.path().as_os_str()]);
    assert!(ran.code == 0 && ran.out.contains("  ok       directory "), "{ran:?}");
}

#[test]
fn a_path_without_a_binary_is_a_failure() {
    let site = Site::of(b"#!/bin/sh\n");
    of(&site).is("binary", "failure", "no ELF binary");
    doctor::<&str>(&site.directory().join("none"), &[]).is("file", "failure", "No such file");
    doctor::<&str>(site.directory(), &[]).is("file", "failure", "no regular file");
    let bytes = sample();
    of(&Site::of(&bytes[..bytes.len() / 2])).is("binary", "failure", "cut off");
}

#[test]
fn a_binary_that_does_not_say_what_it_is_is_a_warning() {
    let seen = of(&Site::of(&std::fs::read("/bin/true").unwrap()));
    seen.is("note", "warning", "does not say which program it is");
    assert_eq!(seen.code, 0);
}

#[test]
fn links_are_followed_and_told() {
    let site = Site::new();
    let link = site.directory().join("current");
    std::os::unix::fs::symlink("app", &link).unwrap();
    let seen = doctor::<&str>(&link, &[]);
    seen.is("links", "ok", "an upgrade replaces that file");
    assert_eq!(seen.document["binary"], site.path().canonicalize().unwrap().to_str().unwrap());
    let dangling = site.directory().join("dangling");
    std::os::unix::fs::symlink("nothing", &dangling).unwrap();
    doctor::<&str>(&dangling, &[]).is("file", "failure", "No such file");
}

#[test]
fn a_candidate_is_held_to_what_is_in_place() {
    let site = Site::new();
    let version = env!("CARGO_PKG_VERSION");
    let (name, other) = ("selfup-cli/selfup", "selfup-cli/anothe");
    let candidate = |bytes: &[u8]| {
        let path = site.write("candidate", bytes);
        doctor(&site.path(), &[OsStr::new("--candidate"), path.as_os_str()])
    };
    candidate(&sample()).is("candidate", "ok", "would be taken");
    candidate(&sample()).is("glibc", "ok", "no newer one");
    let older = "0".repeat(version.find('.').unwrap()) + ".0" + &version[3..];
    candidate(&changed(&field(3, version), &field(3, &older))).is(
        "candidate",
        "failure",
        "older than",
    );
    candidate(&changed(&field(2, name), &field(2, other))).is(
        "candidate",
        "failure",
        "the program",
    );
    candidate(&std::fs::read("/bin/true").unwrap()).is("candidate", "failure", "does not say");
    candidate(&sample()[..1000]).is("candidate", "failure", "cut off");
    candidate(b"text").is("candidate", "failure", "no ELF binary");
    // As long, and of another libc.
    let target = selfup::note::read(site.path()).unwrap().unwrap().target().to_owned();
    if let Some(start) = target.strip_suffix("-linux-gnu") {
        let other = format!("{}-linux-musl", &start[..start.len() - 1]);
        let seen = candidate(&changed(&field(4, &target), &field(4, &other)));
        seen.is("candidate", "failure", "with musl");
    }
}

#[test]
#[cfg(target_env = "gnu")]
fn a_candidate_that_needs_a_newer_glibc_is_a_failure_of_that_alone() {
    let site = Site::new();
    let path = site.write("candidate", crate::site::of_a_newer_glibc());
    let seen = doctor(&site.path(), &[OsStr::new("--candidate"), path.as_os_str()]);
    seen.is("glibc", "failure", "it needs glibc 2.99, and this machine has ");
    assert!(seen.find("glibc")["advice"].as_str().unwrap().contains("build it on a system as old"));
    seen.is("candidate", "ok", "would be taken");
}

#[test]
fn a_candidate_that_is_no_file_holds_nobody_up() {
    let site = Site::new();
    let pipe = site.directory().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [pipe.as_path(), site.directory()] {
        let seen = doctor(&site.path(), &[OsStr::new("--candidate"), path.as_os_str()]);
        seen.is("candidate", "failure", "it is no regular file");
    }
}

#[test]
fn what_is_found_is_escaped() {
    let site = Site::of(b"x");
    let path = site.directory().join("a\u{1b}[2Jb\u{202e}");
    std::fs::rename(site.path(), &path).unwrap();
    let ran = Ran::of(selfup(&[OsStr::new("doctor"), path.as_os_str()]).output().unwrap());
    assert!(ran.code == 1 && !ran.out.contains(['\u{1b}', '\u{202e}']), "{ran:?}");
}
