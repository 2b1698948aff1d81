//! Upgrades from a file that somebody puts at a path.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod faults;
mod versions;
mod watched;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use selfup_tests::{Load, Release, Service, ServiceBuilder};
use tempfile::TempDir;

/// A service that watches a path where nothing lies yet.
fn watching(release: &Release) -> (Service, TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    let service = ServiceBuilder::new(release).set("FETCHER", path.clone()).start();
    (service, directory, path)
}

/// Runs `command` in `directory`.
fn shell(directory: &Path, command: &str) {
    let status = Command::new("sh").args(["-ec", command]).current_dir(directory).status();
    assert!(status.expect("there is a shell").success(), "{command}");
}

#[test]
fn a_file_that_is_renamed_to_the_path_or_written_anew_is_taken_under_load() {
    let first = Release::good();
    let (mut service, _directory, path) = watching(&first);
    let load = Load::start(service.address(), "/", 2);

    let renamed = Release::good();
    renamed.install(&path);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&renamed);
    service.assert_previous(&first);

    // As `cp` does it: the same file, emptied and written. Of the same length, too.
    let copied = Release::good();
    fs::write(&path, copied.bytes()).expect("the file can be written");
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&copied);
    service.assert_previous(&renamed);

    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_file_without_the_permission_to_be_executed_gets_the_mode_of_the_binary() {
    let (mut service, _directory, path) = watching(&Release::good());
    let release = Release::good();
    fs::write(&path, release.bytes()).expect("the file can be written");
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&release);
    assert!(service.stop().success());
}

#[test]
fn a_file_that_is_written_slowly_is_taken_only_once_it_has_stopped_changing() {
    let (mut service, _directory, path) = watching(&Release::good());
    let release = Release::good();
    let mut file = fs::File::create(&path).expect("the file can be written");
    let mut longest_pause = Duration::ZERO;
    let mut written = Instant::now();
    for piece in release.bytes().chunks(release.bytes().len() / 60) {
        file.write_all(piece).expect("the file can be written");
        // The slowness is what this test is about; nothing is waited for.
        std::thread::park_timeout(Duration::from_millis(20));
        longest_pause = longest_pause.max(written.elapsed());
        written = Instant::now();
        assert_eq!(service.lines("event upgraded: "), [""; 0]);
    }
    drop(file);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&release);
    // Only a machine that stalled for so long may have made the file look complete.
    if longest_pause < Duration::from_millis(150) {
        assert_eq!(service.lines("event candidate_staged: ").len(), 1);
        assert_eq!(service.lines("event candidate_refused: "), [""; 0]);
        assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
    }
    assert!(service.stop().success());
}

#[test]
fn a_file_that_goes_away_and_comes_back_is_no_trouble() {
    let first = Release::good();
    let (mut service, _directory, path) = watching(&first);
    let second = Release::good();
    second.install(&path);
    service.wait_for("event committed: generation 2 ");
    fs::remove_file(&path).expect("it was published");
    fs::create_dir(&path).expect("the name is free");
    service.wait_for("event fetch_failed: ");
    fs::remove_dir(&path).expect("it is empty");
    let third = Release::good();
    third.install(&path);
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&third);
    assert!(service.lines("event fetch_failed: ")[0].contains("is a directory; name the binary"));
    assert!(service.stop().success());
}

#[test]
fn the_binary_that_watches_itself_finds_nothing_new() {
    let release = Release::good();
    let builder = ServiceBuilder::new(&release);
    let own = builder.binary();
    let mut service = builder.set("FETCHER", own).start();
    service.restart(2);
    // Written by hand: the file that runs cannot be written to, so it is another one.
    let by_hand = Release::good();
    by_hand.install(&service.binary());
    service.restart(3);
    service.assert_runs(&by_hand);
    assert_eq!(service.lines("event upgraded: "), [""; 0]);
    assert!(service.stop().success());
    service.assert_files(&[]);
}
