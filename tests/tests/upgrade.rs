//! Upgrades over HTTP, from the publishing of a release to the last word of the old process.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Published, Publisher, Release, ServiceBuilder, eventually};

#[test]
fn a_published_release_is_taken_under_load_and_nothing_is_dropped() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let builder = ServiceBuilder::new(&first);
    let mode = std::fs::Permissions::from_mode(0o750);
    std::fs::set_permissions(builder.binary(), mode.clone()).expect("the binary is ours");
    let mut published = Published::of(builder, source, &[]);
    let old = published.service.pid_of(1).as_raw().cast_unsigned();
    let load = Load::start(published.service.address(), "/", 2);

    let second = Release::good();
    published.upgrade(&second);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);

    let service = &mut published.service;
    eventually("the old process is gone", || {
        (!service.processes().ids().contains(&old)).then_some(())
    });
    service.assert_previous(&first);
    let found = std::fs::metadata(service.binary()).expect("the binary is there").permissions();
    assert_eq!(found.mode() & 0o7777, mode.mode());
    assert!(service.stop().success());
    service.assert_previous(&first);
}

#[test]
fn three_upgrades_in_a_row_drop_nothing() {
    let mut published = Published::start(&[]);
    let load = Load::start(published.service.address(), "/", 2);
    let mut previous = Release::good();
    for _ in 0..3 {
        let release = Release::good();
        published.upgrade(&release);
        load.wait_for(50);
        if published.service.lines("event upgraded: ").len() > 1 {
            published.service.assert_previous(&previous);
        }
        previous = release;
    }
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!((published.starts("Probe"), published.starts("Child")), (3, 4));
    assert!(published.service.stop().success());
}

#[test]
fn an_upgrade_is_permanent_only_after_its_probation() {
    let mut published = Published::start(&[("PROBATION", "2s")]);
    let begun = Instant::now();
    published.upgrade(&Release::good());
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(published.service.lines("event paused: generation 1 ").len(), 1);
    assert!(published.service.stop().success());
}

#[test]
fn a_check_asked_for_by_the_program_does_not_wait_for_the_next_poll() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[("INTERVAL", "1h")]);
    // The first poll, too, has its own time.
    assert_eq!(published.service.get("/check"), "Ok(())\n");
    let first = eventually("the first poll", || published.publisher.answered().into_iter().next());
    assert_eq!(first, "GET 200");
    let second = Release::good();
    published.publisher.publish(Answer::Whole(second.clone()));
    assert_eq!(published.service.get("/check"), "Ok(())\n");
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn an_idle_poll_is_one_request_that_is_answered_without_a_body() {
    let published = Published::start(&[("INTERVAL", "100ms")]);
    let begun = Instant::now();
    published.publisher.wait_for("GET 304", 11);
    assert!(begun.elapsed() >= Duration::from_millis(500), "eleven polls need ten pauses");
    let answered = published.publisher.answered();
    assert_eq!(answered[0], "GET 200");
    assert!(answered[1..].iter().all(|line| line == "GET 304"), "{answered:?}");
    assert_eq!(published.service.lines("event candidate_").len(), 0);
}

#[test]
fn polls_are_no_closer_than_the_least_interval() {
    let settings = [("INTERVAL", "1ms"), ("MIN_FETCH_INTERVAL", "200ms")];
    let published = Published::start(&settings);
    let begun = Instant::now();
    published.publisher.wait_for("GET 304", 6);
    assert!(begun.elapsed() >= Duration::from_millis(800), "six polls need five pauses");
}

#[test]
fn a_server_that_gives_no_tag_is_asked_for_the_length() {
    let first = Release::good();
    let source = Publisher::start(Answer::Untagged(first.clone()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &[]);
    published.publisher.wait_for("HEAD 200", 3);
    let answered = published.publisher.answered();
    assert_eq!(answered[0], "GET 200");
    assert!(answered[1..].iter().all(|line| line == "HEAD 200"), "{answered:?}");

    // A word that the fixture does not know does no harm, but has a length.
    let longer = Release::flawed("nothing-wrong");
    published.publisher.publish(Answer::Untagged(longer.clone()));
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&longer);
    published.publisher.wait_for("HEAD 200", 3);
    let gets = published.publisher.answered();
    assert_eq!(gets.iter().filter(|line| *line == "GET 200").count(), 2);
    assert!(published.service.stop().success());
}

#[test]
fn a_release_that_runs_already_is_taken_for_what_it_is_under_any_tag() {
    let published = Published::start(&[]);
    published.publisher.publish(Answer::Status(404));
    published.publisher.wait_for("GET 404", 1);
    let release = Release::good();
    published.upgrade(&release);
    published.publisher.publish(Answer::Untagged(release.clone()));
    published.publisher.wait_for("GET 200", 1);
    published.publisher.wait_for("HEAD 200", 2);
    assert_eq!(published.service.lines("event candidate_staged: ").len(), 1);
    published.service.assert_runs(&release);
}

#[test]
fn a_service_started_through_a_link_replaces_its_target_and_keeps_the_link() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let links = tempfile::tempdir().expect("a temporary directory");
    let link = links.path().join("current");
    let builder = ServiceBuilder::new(&first);
    std::os::unix::fs::symlink(builder.binary(), &link).expect("a link");
    let mut published = Published::of(builder.through(&link), source, &[]);

    let second = Release::good();
    published.upgrade(&second);
    published.service.assert_previous(&first);
    let target = std::fs::read_link(&link).expect("it is still a link");
    assert_eq!(target, published.service.binary());
    assert_eq!(std::fs::read_dir(links.path()).expect("it is there").count(), 1);

    // And a restart starts what the link leads to.
    published.service.restart(3);
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn an_upgrade_follows_a_deploy_by_hand() {
    let mut published = Published::start(&[]);
    let by_hand = Release::good();
    by_hand.install(&published.service.binary());
    let second = Release::good();
    published.upgrade(&second);
    published.service.assert_previous(&by_hand);
    assert!(published.service.stop().success());
}

#[test]
fn a_restart_and_an_upgrade_asked_for_together_both_come_to_pass() {
    let mut published = Published::start(&[]);
    let load = Load::start(published.service.address(), "/", 2);
    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    while published.service.lines("event upgraded: ").is_empty() {
        published.service.signal(Signal::SIGUSR2);
        load.wait_for(1);
    }
    let id = release.id().to_string();
    eventually("the release answers", || published.service.get("/").contains(&id).then_some(()));
    assert_eq!(load.stop(), [""; 0]);
    published.service.assert_on_disk(&release);
    assert!(published.service.stop().success());
}

/// It is taken and looked at in pieces. How much a gigabyte costs, and how long it takes, is in the
/// benchmark `pipeline`.
#[test]
fn a_large_release_costs_the_master_no_memory() {
    let mut published = Published::start(&[("NO_RESTART_AFTER_FETCH", "1")]);
    let before = published.service.memory("VmHWM");
    let mut bytes = Release::good().bytes().to_vec();
    bytes.resize(256 << 20, 0);
    let large = Release::of(bytes);
    published.publisher.publish(Answer::Whole(large.clone()));
    published.service.wait_for("event upgraded: ");
    let found = std::fs::read(published.service.binary()).expect("it is there");
    assert!(found == large.bytes(), "it is in place");
    let grown = published.service.memory("VmHWM").saturating_sub(before);
    assert!(grown <= 8 * 1024, "the master had grown by {grown} KiB");
    assert!(published.service.stop().success());
}
