//! Deploys by hand: somebody puts another file at the path of the binary, and asks for a restart.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Published, Release, Service, ServiceBuilder, eventually, get};
use tempfile::TempDir;

const STARTED: &str = "event child_started: ";
const ABANDONED: &str = "event restart_abandoned: ";

/// A service that notes every start of its binary, and the notes.
fn noted(variables: &[(&str, &str)]) -> (Service, Notes) {
    let notes = Notes(tempfile::tempdir().expect("a temporary directory"));
    let builder = ServiceBuilder::new(&Release::good()).set("STARTS", notes.path());
    let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
    (variables.iter().fold(builder, set).start(), notes)
}

struct Notes(TempDir);

impl Notes {
    fn path(&self) -> PathBuf {
        self.0.path().join("starts")
    }

    /// How often a fixture was started as a probe, and as a child.
    fn starts(&self) -> (usize, usize) {
        let notes = fs::read_to_string(self.path()).unwrap_or_default();
        let count = |role| notes.lines().filter(|line| *line == role).count();
        (count("Probe"), count("Child"))
    }
}

/// Puts `release` in place, and waits until the master runs it.
fn deploy(service: &Service, release: &Release) {
    let before = service.successions();
    release.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth("event master_replaced: ", before + 1);
    service.assert_runs(release);
    service.assert_master_runs(release);
}

/// Puts `release` in place, and waits until the restart onto it came to nothing. Gives the reason.
fn deploy_in_vain(service: &Service, release: &Release) -> String {
    let before = service.lines(ABANDONED).len();
    release.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth(ABANDONED, before + 1)
}

#[test]
fn a_new_file_is_probed_committed_and_followed_by_the_master() {
    let (mut service, notes) = noted(&[]);
    let load = Load::start(service.address(), "/", 2);
    for count in 1..=3 {
        deploy(&service, &Release::good());
        assert_eq!(notes.starts(), (count, count + 1));
    }
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    service.restart(5);
    assert_eq!(notes.starts(), (3, 5), "nothing has changed since");
    service.assert_files(&[]);
    assert!(service.stop().success());
}

#[test]
fn a_link_that_a_deploy_switches_is_followed() {
    let builder = ServiceBuilder::new(&Release::good());
    let (link, next) = (builder.directory().join("current"), builder.directory().join("next"));
    std::os::unix::fs::symlink("app", &link).expect("a link");
    let mut service = builder.through(&link).start();
    let load = Load::start(service.address(), "/", 2);
    let second = Release::good();
    second.install(&service.directory().join("app-2"));
    std::os::unix::fs::symlink("app-2", &next).expect("a link");
    fs::rename(&next, &link).expect("the link can be switched");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event master_replaced: ");
    service.assert_master_runs(&second);
    assert!(service.get("/").contains(&second.id().to_string()));

    // And back again.
    std::os::unix::fs::symlink("app", &next).expect("a link");
    fs::rename(&next, &link).expect("the link can be switched");
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth("event master_replaced: ", 2);
    assert!(!service.get("/").contains(&second.id().to_string()));
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_working_directory_that_was_deleted_stops_no_restart() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let path = elsewhere.path().to_str().expect("it is UTF-8").to_owned();
    let builder = ServiceBuilder::new(&Release::good());
    let mut service = builder.under(&["sh", "-c", "cd \"$0\" && exec \"$1\"", &path]).start();
    drop(elsewhere);
    service.restart(2);
    deploy(&service, &Release::good());
    service.restart(4);
    assert!(service.stop().success());
}

#[test]
fn a_binary_that_was_moved_away_is_missed_and_taken_once_it_is_back() {
    let mut service = Service::with(&[]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 2);
    let away = service.directory().join("away");
    fs::rename(service.binary(), &away).expect("it can be moved");
    for count in 1..=2 {
        service.signal(Signal::SIGUSR2);
        let line = service.wait_for_nth(ABANDONED, count);
        let words = format!("{} leads to no file; put a binary there", service.binary().display());
        assert!(line.contains(&words), "{line}");
    }
    assert_eq!(service.get("/"), before);
    fs::rename(&away, service.binary()).expect("it can be moved");
    service.restart(2);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.successions(), 0, "it is the same file");
    assert!(service.stop().success());
}

/// As Linux 6.11 did: ETXTBSY was gone there for a while.
fn may_write_what_runs() -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sleep = directory.path().join("sleep");
    fs::copy("/bin/sleep", &sleep).expect("it can be copied");
    // Somebody's fork may hold what it was written by.
    let mut running = eventually("it runs", || Command::new(&sleep).arg("60").spawn().ok());
    let opened = fs::OpenOptions::new().write(true).open(&sleep);
    running.kill().expect("it is ours");
    running.wait().expect("it is ours");
    opened.is_ok()
}

#[test]
fn a_copy_over_the_binary_that_runs_fails_and_harms_nothing() {
    if may_write_what_runs() {
        eprintln!("SKIPPED: this kernel lets anybody write a binary that is executed");
        assert!(std::env::var_os("CI").is_none(), "skipped in CI");
        return;
    }
    let (mut service, notes) = noted(&[]);
    let before = fs::read(service.binary()).expect("the binary is there");
    let error = fs::write(service.binary(), "no binary").expect_err("it is executed");
    assert_eq!(error.kind(), ErrorKind::ExecutableFileBusy);
    let copied = Command::new("cp").arg("/bin/true").arg(service.binary()).output();
    assert!(!copied.expect("there is a `cp`").status.success());
    assert!(fs::read(service.binary()).expect("the binary is there") == before);
    service.restart(2);
    assert_eq!(notes.starts(), (0, 2));
    assert!(service.stop().success());
}

#[test]
fn what_is_no_version_of_the_program_is_never_started_as_a_child() {
    let (mut service, notes) = noted(&[]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 2);
    let half = Release::cut_short(0).bytes().len() / 2;
    let ran = service.directory().join("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", ran.display());
    let bad = [
        (Release::of(""), "the file is empty"),
        (Release::of(script), "it is no ELF binary"),
        (Release::program("/usr/bin/yes"), "it does not say which program it is"),
        (Release::cut_short(half), "it is cut off"),
        (Release::of_fixture("plain"), "it does not say which program it is"),
        (Release::of_fixture("stateless"), "it is the program \"selfup-tests/stateless\""),
        (Release::flawed("probe-fails"), "it ended without an answer"),
        (Release::flawed("bad-config"), "its config cannot work here"),
    ];
    for (release, words) in &bad {
        let line = deploy_in_vain(&service, release);
        assert!(line.contains(words), "{words:?} is not in {line}");
        service.assert_on_disk(release);
    }
    assert!(!ran.exists());
    assert_eq!(service.get("/"), before);
    assert_eq!((service.lines(STARTED).len(), notes.starts()), (1, (2, 1)));
    service.assert_files(&[]);
    assert_eq!(service.history(), None);

    deploy(&service, &Release::good());
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!((service.lines(STARTED).len(), notes.starts()), (2, (3, 2)));
    assert!(service.stop().success());
}

#[test]
fn a_file_that_may_not_be_executed_or_is_none_is_refused_with_the_reason() {
    let mut service = Service::with(&[]);
    let good = Release::good();
    good.install(&service.directory().join("next"));
    let next = service.directory().join("next");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&next, mode).expect("it is ours");
    fs::rename(&next, service.binary()).expect("it can be renamed");
    service.signal(Signal::SIGUSR2);
    let line = service.wait_for(ABANDONED);
    assert!(line.contains("could not be executed"), "{line}");

    fs::rename(service.binary(), &next).expect("it can be renamed");
    fs::create_dir(service.binary()).expect("a directory");
    service.signal(Signal::SIGUSR2);
    let line = service.wait_for_nth(ABANDONED, 2);
    assert!(line.contains("it is no regular file; put a binary there"), "{line}");

    fs::remove_dir(service.binary()).expect("it is empty");
    deploy(&service, &good);
    assert!(service.stop().success());
}

/// Deploys what fails on trial twice, and then what does not.
fn fails_on_trial(flaw: &str, lost: usize) {
    let (mut service, notes) = noted(&[("PROBATION", "2s"), ("READY_TIMEOUT", "15s")]);
    let before = service.get("/");
    let load = Load::start(service.address(), "/", 2);
    let flawed = Release::flawed(flaw);
    for count in 1..=2 {
        // At once: nothing is held against a file that somebody asks for.
        let line = deploy_in_vain(&service, &flawed);
        assert!(line.contains(&format!("generation {} failed", count + 1)), "{line}");
        assert_eq!(notes.starts(), (count, count + 1));
        // Whom it has accepted, it may still answer.
        service.wait_for(&format!("event child_exited: generation {} ", count + 1));
        assert_eq!(service.get("/"), before);
    }
    service.assert_on_disk(&flawed);
    service.assert_files(&[]);
    assert_eq!(service.history(), None);
    assert!(service.lines("event rolled_back: ").is_empty());
    assert_eq!(service.successions(), 0);

    deploy(&service, &Release::good());
    load.wait_for(20);
    let failures = load.stop();
    assert!(failures.len() <= 2 * lost, "{failures:#?}");
    assert!(service.stop().success());
}

#[test]
fn a_file_that_crashes_at_its_start_is_left_in_place_and_tried_again_when_asked_for() {
    fails_on_trial("crashes", 0);
}

#[test]
fn a_file_that_dies_on_probation_is_left_in_place_and_tried_again_when_asked_for() {
    // It accepts one connection, and ends without an answer.
    fails_on_trial("dies-soon", 1);
}

#[test]
fn a_file_that_is_unwell_on_probation_is_left_in_place_and_tried_again_when_asked_for() {
    fails_on_trial("unwell-on-trial", 0);
}

#[test]
fn a_file_that_is_a_bad_master_serves_under_the_previous_one() {
    let mut service = Service::with(&[]);
    let flawed = Release::flawed("master-aborts");
    flawed.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event warning: the new binary's master did not take over");
    service.assert_runs(&flawed);
    deploy(&service, &Release::good());
    assert!(service.stop().success());
}

#[test]
fn a_file_is_served_by_a_master_that_keeps_its_code() {
    let release = Release::good();
    let mut service = ServiceBuilder::new(&release).set("UPGRADE_MASTER", "false").start();
    for next in 2..=3 {
        let by_hand = Release::good();
        by_hand.install(&service.binary());
        service.restart(next);
        service.assert_runs(&by_hand);
        service.assert_master_runs(&release);
    }
    assert_eq!(service.successions(), 0);
    assert!(service.stop().success());
}

#[test]
fn a_new_file_brings_its_addresses_unless_one_is_taken() {
    let taken = TcpListener::bind("127.0.0.4:0").expect("a port");
    let address = taken.local_addr().expect("it is bound");
    let release = Release::configured(&format!("ADDRESS=127.0.0.1:0,{address}"));
    let mut service = Service::with(&[]);
    let line = deploy_in_vain(&service, &release);
    assert!(line.contains(&address.to_string()), "{line}");
    service.assert_on_disk(&release);
    drop(taken);
    deploy(&service, &release);
    assert!(get(address, "/").contains(" 3 "));
    deploy(&service, &Release::good());
    eventually("it is free again", || TcpListener::bind(address).ok());
    assert!(service.stop().success());
}

#[test]
fn a_deploy_and_upgrades_follow_one_another() {
    let mut published = Published::start(&[]);
    for _ in 0..2 {
        published.publisher.publish(Answer::Status(404));
        published.publisher.wait_for("GET 404", 1);
        let by_hand = Release::good();
        deploy(&published.service, &by_hand);
        published.publisher.wait_for("GET 404", 2);
        published.service.assert_runs(&by_hand);
        published.succeed(&Release::good());
        published.service.assert_previous(&by_hand);
    }
    assert_eq!(published.service.successions(), 4);
    assert!(published.service.stop().success());
}

#[test]
fn two_services_of_one_binary_follow_one_deploy_and_one_of_them_upgrades() {
    let mut published = Published::start(&[]);
    let mut second = ServiceBuilder::of(published.service.directory())
        .set("FETCHER", published.publisher.url())
        .start();
    published.publisher.publish(Answer::Status(404));
    published.publisher.wait_for("GET 404", 1);
    let by_hand = Release::good();
    let first = &published.service;
    deploy(first, &by_hand);
    second.signal(Signal::SIGUSR2);
    second.wait_for("event master_replaced: ");
    second.assert_master_runs(&by_hand);
    second.assert_runs(&by_hand);

    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    let upgraded = eventually("one of them upgrades", || {
        [first, &second].into_iter().find(|service| service.successions() == 2)
    });
    upgraded.assert_master_runs(&release);
    for service in [first, &second] {
        if service.successions() < 2 {
            service.signal(Signal::SIGUSR2);
            service.wait_for_nth("event master_replaced: ", 2);
        }
        service.assert_runs(&release);
    }
    let swaps = first.lines("event upgraded: ").len() + second.lines("event upgraded: ").len();
    assert_eq!(swaps, 1);
    second.signal(Signal::SIGTERM);
    assert!(second.wait().success());
    assert!(published.service.stop().success());
}

/// What a fetcher offers again and again is no reason to undo what somebody has put there since.
#[test]
fn a_deploy_is_not_undone_by_what_the_fetcher_delivered_before() {
    let mut published = Published::start(&[]);
    published.publisher.wait_for("GET 304", 1);
    let release = Release::good();
    deploy(&published.service, &release);
    published.service.wait_for("event master_replaced: ");
    published.publisher.wait_for("GET 304", 3);
    assert!(published.service.stop().success());
    let mut again = published.start_next(&[]);
    published.publisher.wait_for("GET 304", 3);
    again.assert_runs(&release);
    assert!(again.stop().success());
}
