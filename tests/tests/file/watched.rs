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
    for (generation, way) in (2..).zip(ways) {
        let release = Release::good();
        release.install(&place.join("new"));
        shell(place, way);
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
    }
    assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
    assert_eq!(service.lines("event candidate_refused: "), [""; 0]);
    assert_eq!(service.lines("event candidate_staged: ").len(), ways.len());
    assert_eq!(watches_of(service.pid()), 2);
    assert!(service.stop().success());
}

/// Prints what the documentation says in figures; a slow machine is nobody's fault.
#[test]
fn it_is_told_how_long_it_takes_from_publication_to_service() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = directory.path();
    let mut service = listening(&place.join("app"));
    for (generation, way) in (2..).zip(["mv new app", "cp new app", "mv new app", "cp new app"]) {
        let release = Release::good();
        release.install(&place.join("new"));
        // The least time between two polls is over, as it is with releases that are days apart.
        let since_poll = Instant::now();
        eventually("a second has passed", || {
            (since_poll.elapsed() > Duration::from_secs(1)).then_some(())
        });
        let published = Instant::now();
        shell(place, way);
        let reached = |event: &str, count| {
            service.wait_for_nth(event, count);
            published.elapsed().as_millis()
        };
        let [staged, swapped, serving, committed] = [
            reached("event candidate_staged: ", generation - 1),
            reached("event upgraded: ", generation - 1),
            reached(&format!("serving {generation} "), 1),
            reached("event committed: ", generation - 1),
        ];
        println!(
            "`{way}`, {} bytes: staged after {staged} ms, in place after {swapped} ms, serving \
             after {serving} ms, committed after {committed} ms",
            release.bytes().len()
        );
    }
    assert!(service.stop().success());
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
