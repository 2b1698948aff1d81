//! What is published is noticed when it is, and where it is not, the next poll finds it.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::Pid;
use selfup_tests::{Release, Service, ServiceBuilder, eventually};

use crate::shell;

/// A service that hears of what happens at `path` or not at all, with one master all the time.
fn listening(path: &Path) -> Service {
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", path);
    let service = builder.set("INTERVAL", "1h").set("UPGRADE_MASTER", "false").start();
    eventually("the master watches", || (watches_of(service.pid()) > 0).then_some(()));
    service
}

/// How many directories a process watches.
fn watches_of(pid: Pid) -> usize {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it is there");
    let infos = entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    infos.map(|info| info.lines().filter(|line| line.starts_with("inotify ")).count()).sum()
}

#[test]
fn a_release_is_taken_at_once_however_it_is_published() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path();
    shell(place, "mkdir v1 v2; ln -s v1 current");
    let mut service = listening(&place.join("current/app"));
    let ways = [
        "cp new current/app",
        "mv new current/app",
        "dd if=new of=current/app conv=notrunc bs=100k status=none",
        "install -m 755 new current/app",
        "cat new > current/app",
        "cp new v2/app; ln -s v2 other; mv -T other current",
        "mv new v2/app",
        "mv v2 v0; mkdir v2; mv new v2/app",
    ];
    let mut slowest = Duration::ZERO;
    for (generation, way) in (2..).zip(ways) {
        let release = Release::good();
        release.install(&place.join("new"));
        let begun = Instant::now();
        shell(place, way);
        slowest = slowest.max(begun.elapsed());
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
    }
    // Only a copy that stalled for so long may have made the file look complete.
    if slowest < Duration::from_millis(150) {
        assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
        assert_eq!(service.lines("event candidate_refused: "), [""; 0]);
        assert_eq!(service.lines("event candidate_staged: ").len(), ways.len());
    }
    assert_eq!(watches_of(service.pid()), 2);
    assert!(service.stop().success());
}

/// Prints what can be said in figures; a slow machine is nobody's fault.
#[test]
fn it_is_told_how_long_it_takes_from_publication_to_service() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path();
    let mut service = listening(&place.join("app"));
    let stripped = stripped(place);
    let ways = ["mv new app", "cp new app"].into_iter().cycle();
    let releases = [Release::good(), Release::good(), stripped.again(), stripped.again()];
    for (generation, (way, release)) in (2..).zip(ways.zip(releases)) {
        release.install(&place.join("new"));
        // The least time between two polls is over, as it is with releases that are days apart.
        let looked = Instant::now();
        eventually("it is over", || (looked.elapsed() > Duration::from_millis(500)).then_some(()));
        let published = Instant::now();
        shell(place, way);
        let after = |event: &str| {
            service.wait_for_nth(event, generation - 1);
            published.elapsed().as_millis()
        };
        let (staged, swapped) = (after("event candidate_staged: "), after("event upgraded: "));
        service.wait_for(&format!("serving {generation} "));
        let (serving, size) = (published.elapsed().as_millis(), release.bytes().len() / 1_000_000);
        println!(
            "`{way}` of {size} MB: staged after {staged} ms, in place after {swapped} ms, serving \
             after {serving} ms"
        );
        service.wait_for(&format!("event committed: generation {generation} "));
    }
    assert!(service.stop().success());
}

/// A release without the symbols that a debug build has.
fn stripped(place: &Path) -> Release {
    Release::good().install(&place.join("stripped"));
    shell(place, "strip -s stripped");
    Release::of(std::fs::read(place.join("stripped")).expect("it can be read"))
}

#[test]
fn where_nothing_can_be_watched_polls_find_what_is_published() {
    for (call, error) in [("inotify_init1", "EMFILE"), ("inotify_add_watch", "ENOSPC")] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("app");
        let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", path.clone());
        let builder = builder.set("UPGRADE_MASTER", "false");
        let mut service = builder.with_fault(call, &format!("error={error}")).start();
        let release = Release::good();
        release.install(&path);
        service.wait_for("event committed: generation 2 ");
        service.assert_runs(&release);
        assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
        assert!(service.stop().success());
    }
}
