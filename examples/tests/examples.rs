//! The examples, as they are built: each answers, is restarted, and ends when it is told to. `demo`
//! and its `app` are a story of their own, which `.ci/run` has told.
#![allow(clippy::unwrap_used, reason = "what goes wrong fails the test at once")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use selfup_tests::{PATIENCE, Release, ServiceBuilder, eventually};

fn builder(path: &str) -> ServiceBuilder {
    ServiceBuilder::new(&Release::of(fs::read(path).unwrap()))
}

/// The answer to one request, once somebody listens.
fn ask(path: &Path) -> String {
    let connect = || UnixStream::connect(path).ok();
    let mut stream = eventually("it listens", connect);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // Each answer is one line.
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if line.starts_with("hello ") {
            return line;
        }
    }
    panic!("there was no answer")
}

/// On a UNIX socket, for nobody knows which port is free.
fn assert_answers_across_a_restart(builder: ServiceBuilder) {
    let path = builder.directory().join("socket");
    let mut service = builder.set("ADDR", format!("unix:{}", path.display())).spawn();
    let first = ask(&path);
    assert!(first.starts_with("hello "), "{first}");
    service.signal(Signal::SIGUSR2);
    eventually("the next generation answers", || (ask(&path) != first).then_some(()));
    assert!(service.stop().success());
    assert!(!path.exists(), "the socket goes with the service");
}

#[test]
fn http_answers_across_a_restart() {
    assert_answers_across_a_restart(builder(env!("CARGO_BIN_EXE_http")));
}

#[test]
fn pid_answers_across_a_restart_on_every_stack() {
    for stack in ["serve", "raw", "axum"] {
        assert_answers_across_a_restart(builder(env!("CARGO_BIN_EXE_pid")).set("STACK", stack));
    }
}

/// The port of the README may be taken here, so it has a network of its own.
#[test]
fn the_program_of_the_readme_answers_across_a_restart() {
    let mut unshare = vec!["unshare", "--net"];
    if !Uid::effective().is_root() {
        unshare.push("--map-root-user");
    }
    let up = ["sh", "-c", "ip link set lo up && exec \"$0\""];
    let tried = Command::new(unshare[0]).args(&unshare[1..]).args(up).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this user may make no namespace of networks");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        return;
    }
    let service = builder(env!("CARGO_BIN_EXE_hello"));
    let mut service = service.under(&[&unshare[..], &up[..]].concat()).spawn();
    let pid = service.pid().to_string();
    let says = |words: &str| {
        eventually(words, || {
            let mut curl = Command::new("nsenter");
            curl.args(["--target", &pid, "--net"]);
            if !Uid::effective().is_root() {
                curl.args(["--user", "--preserve-credentials"]);
            }
            let curl = curl.args(["curl", "--silent", "http://127.0.0.1:3000/"]).output();
            let answer = String::from_utf8(curl.unwrap().stdout).unwrap();
            (answer == words).then_some(())
        });
    };
    says("hello from generation 1\n");
    service.signal(Signal::SIGUSR2);
    says("hello from generation 2\n");
    assert!(service.stop().success());
}
