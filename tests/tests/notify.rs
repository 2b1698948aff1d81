//! What a service manager is told by `sd_notify(3)`, and what it is not.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{SockaddrIn, getsockname};
use selfup_tests::{
    Answer, Manager, PATIENCE, Published, Publisher, Release, Service, ServiceBuilder, get,
};

/// A service that `manager` has started, and that wants to be fed each two seconds if it is `watched`.
fn managed(manager: &Manager, release: &Release, watched: bool) -> ServiceBuilder {
    let builder = ServiceBuilder::new(release).set("NOTIFY_SOCKET", manager.path());
    if watched { builder.set("WATCHDOG_USEC", WATCHDOG_USEC) } else { builder }
}

/// A watchdog is fed twice in this time.
const WATCHDOG_USEC: &str = "2000000";

/// Half of that, and some patience.
const NO_FOOD: Duration = Duration::from_secs(3);

/// Nothing is said any more, but for what was on its way.
fn is_not_fed(manager: &Manager) {
    let fed = (0..10).take_while(|_| manager.hear_within(NO_FOOD).is_some()).count();
    assert!(fed < 10, "it is fed all the time");
}

fn started() -> (Manager, Service) {
    let manager = Manager::listen();
    let service = managed(&manager, &Release::good(), false).start();
    (manager, service)
}

/// What is said within some time, watchdog and all.
fn rest(manager: &Manager, time: Duration) -> Vec<String> {
    std::iter::from_fn(|| manager.hear_within(time)).map(|said| said.text.clone()).collect()
}

#[test]
fn a_start_a_restart_and_a_stop_are_told_in_their_order() {
    let (manager, mut service) = started();
    let start = manager.wait_for_status("generation 1");
    assert!(start.value("READY").is_none() && start.value("EXTEND_TIMEOUT_USEC").is_some());
    let ready = manager.wait_for("READY=1");
    let status = ready.value("STATUS").expect("it has changed");
    assert!(status.contains("serves"), "{status}");
    // It is read off the binary, for which nobody waits.
    if !status.contains("generation 1 (") {
        manager.wait_for_status(concat!("generation 1 (", env!("CARGO_PKG_VERSION"), ") serves"));
    }
    service.signal(Signal::SIGUSR2);
    let reloading = manager.wait_for("RELOADING=1");
    let usec = reloading.value("MONOTONIC_USEC").expect("it comes with its time");
    assert!(usec.parse::<u64>().is_ok_and(|usec| usec > 0));
    manager.wait_for("READY=1");
    manager.wait_for_status("generation 1 drains");
    service.wait_for("event committed: generation 2 ");
    service.signal(Signal::SIGTERM);
    let stopping = manager.wait_for("STOPPING=1");
    let left: u64 = stopping.value("EXTEND_TIMEOUT_USEC").expect("it may last").parse().unwrap();
    assert!(left > 30_000_000, "terminate_timeout is 30 s, and {left} us were asked for");
    assert!(service.wait().success());
    let last = rest(&manager, Duration::from_millis(100));
    assert!(last.iter().all(|said| !said.contains("FDSTOREREMOVE")), "{last:?}");
}

#[test]
fn a_restart_that_fails_is_over_and_its_reason_is_told() {
    let (manager, mut service) = started();
    manager.wait_for("READY=1");
    Release::flawed("exits").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    let ready = manager.wait_for("READY=1");
    let status = ready.value("STATUS").expect("it has changed");
    assert!(status.contains("the last restart failed: "), "{status}");
    assert!(status.contains("exit status 9"), "{status}");
    // One that works is the end of that.
    Release::good().install(&service.binary());
    service.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    let status = manager.wait_for("READY=1");
    service.wait_for("event committed: ");
    assert!(service.stop().success());
    drop(status);
}

#[test]
fn a_restart_that_is_refused_at_once_is_told_as_one_that_began_and_ended() {
    let (manager, service) = started();
    manager.wait_for("READY=1");
    std::fs::write(service.binary().with_extension("new"), "no program").unwrap();
    std::fs::rename(service.binary().with_extension("new"), service.binary()).unwrap();
    service.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    let status = manager.wait_for("READY=1");
    assert!(status.value("STATUS").is_some_and(|it| it.contains("the last restart failed")));
}

#[test]
fn a_master_that_was_replaced_goes_on_telling_and_none_of_it_leaks() {
    let manager = Manager::listen();
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    // A new master has half of that to take over.
    let watched = managed(&manager, &first, false).set("WATCHDOG_USEC", "20000000");
    let builder = watched.set("FDSTORE", "16");
    let mut published = Published::of(builder, source, &[("INTERVAL", "100ms")]);
    manager.wait_for("READY=1");
    published.publisher.publish(Answer::Whole(first.again()));
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    published.service.wait_for("event master_replaced: ");
    let environment = published.service.get("/environment");
    for name in ["NOTIFY_", "WATCHDOG_", "FDSTORE"] {
        assert!(!environment.contains(name), "{environment}");
    }
    let master = format!("/proc/{}/environ", published.service.pid());
    let own = std::fs::read(master).expect("it is there");
    assert!(!String::from_utf8_lossy(&own).contains("NOTIFY_SOCKET"), "it is in the state alone");
    // Whatever was said before.
    rest(&manager, Duration::from_millis(10));
    published.service.signal(Signal::SIGUSR2);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    published.service.signal(Signal::SIGTERM);
    manager.wait_for("STOPPING=1");
    assert!(published.service.wait().success());
}

#[test]
fn a_watchdog_is_fed_while_the_program_answers_and_at_no_other_time() {
    let manager = Manager::listen();
    let mut service = managed(&manager, &Release::good(), true).start();
    manager.wait_for("READY=1");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    let program = service.pid_of(1);
    kill(program, Signal::SIGSTOP).unwrap();
    is_not_fed(&manager);
    kill(program, Signal::SIGCONT).unwrap();
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    assert!(service.stop().success());
}

#[test]
fn a_watchdog_is_fed_for_a_program_that_never_stops_asking() {
    let manager = Manager::listen();
    let mut service = managed(&manager, &Release::good(), true).start();
    manager.wait_for("READY=1");
    assert_eq!(service.get("/flood"), "flooding\n");
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1");
    }
    assert!(service.stop().success());
}

#[test]
fn a_watchdog_is_fed_for_the_generation_that_waits_behind_one_that_does_not_answer() {
    let manager = Manager::listen();
    let builder = managed(&manager, &Release::good(), true);
    let mut service = builder.set("PROBATION", "1h").start();
    manager.wait_for("READY=1");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    let stopped = service.pid_of(2);
    kill(stopped, Signal::SIGSTOP).unwrap();
    // It is given up when it has not answered for ten seconds: unfed, nobody would hear anything
    // until then.
    let hungry = Duration::from_secs(8);
    while service.lines("event resumed: generation 1 ").is_empty() {
        assert!(manager.hear_within(hungry).is_some(), "the service is killed by its manager");
    }
    manager.wait_for("WATCHDOG=1");
    assert!(service.get("/").contains(" 1 "));
    // It is drained, of which a stopped process hears nothing.
    kill(stopped, Signal::SIGKILL).unwrap();
    assert!(service.stop().success());
}

#[test]
fn a_new_master_that_hangs_is_given_up_before_the_watchdog_gives_up_the_service() {
    const WATCHDOG: Duration = Duration::from_secs(20);
    let manager = Manager::listen();
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let builder = managed(&manager, &first, false);
    let builder = builder.set("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let mut published = Published::of(builder, source, &[("INTERVAL", "100ms")]);
    published.publisher.publish(Answer::Whole(Release::flawed("master-hangs")));
    let stays = "event warning: the new binary's master did not take over";
    while published.service.lines(stays).is_empty() {
        assert!(manager.hear_within(WATCHDOG).is_some(), "the service is killed by its manager");
    }
    manager.wait_for("WATCHDOG=1");
    assert!(published.service.get("/").contains(" 2 "));
    assert!(published.service.stop().success());
}

#[test]
fn a_watchdog_is_not_fed_for_a_program_whose_runtime_is_blocked() {
    let manager = Manager::listen();
    let service = managed(&manager, &Release::flawed("blocks"), true).spawn();
    manager.wait_for("READY=1");
    is_not_fed(&manager);
    drop(service);
}

#[test]
fn a_watchdog_is_fed_for_a_program_that_has_not_said_that_it_answers() {
    let manager = Manager::listen();
    let service = managed(&manager, &Release::flawed("init-hangs"), true).spawn();
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    drop(service);
}

#[test]
fn a_manager_that_reads_nothing_holds_nothing_up() {
    let (manager, mut service) = started();
    for next in 2..=40 {
        service.restart(next);
    }
    assert!(service.get("/").contains(" 40 "));
    let count =
        |said: &[String], word: &str| said.iter().filter(|said| said.starts_with(word)).count();
    let mut said = Vec::new();
    while count(&said, "READY=1") < 40
        && let Some(told) = manager.hear_within(PATIENCE)
    {
        said.push(told.text.clone());
    }
    said.extend(rest(&manager, Duration::from_millis(100)));
    assert_eq!((count(&said, "RELOADING=1"), count(&said, "READY=1")), (39, 40), "{said:#?}");
    assert!(service.stop().success());
}

#[test]
fn a_manager_that_is_gone_is_told_of_once_and_holds_nothing_up() {
    let (manager, mut service) = started();
    manager.wait_for("READY=1");
    drop(manager);
    for next in 2..=4 {
        service.restart(next);
    }
    let warnings = service.lines("event warning: the service manager is not told");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(service.stop().success());
}

#[test]
fn each_listener_is_kept_by_the_manager_until_its_address_is_gone() {
    let manager = Manager::listen();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("a.sock");
    let addresses = format!("127.0.0.1:0,udp:127.0.0.1:0,unix:{}", path.display());
    let first = Release::good();
    let builder = managed(&manager, &first, false).set("ADDRESS", &addresses);
    let service = builder.start();
    let mut kept = Vec::new();
    for _ in 0..3 {
        let said = manager.wait_for("FDSTORE=1");
        assert_eq!(said.value("FDPOLL"), Some("0"));
        kept.push((said.value("FDNAME").expect("it has a name").to_owned(), said));
    }
    let names: Vec<_> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["selfup-tcp-127.0.0.1-0", "selfup-udp-127.0.0.1-0"]);
    assert!(names[2].starts_with(&format!("selfup-unix-{}-", path.display())), "{names:?}");
    let name: SockaddrIn = getsockname(kept[0].1.attached[0]).expect("it is a socket");
    assert_eq!(name.port(), service.address().port());
    // Another file with other addresses.
    Release::configured("ADDRESS=127.0.0.1:0").install(&service.binary());
    service.signal(Signal::SIGUSR2);
    let mut removed = Vec::new();
    for _ in 0..2 {
        let said = manager.wait_until("FDSTOREREMOVE=1", |it| it.value("FDSTOREREMOVE").is_some());
        removed.push(said.value("FDNAME").expect("it has a name").to_owned());
    }
    removed.sort();
    assert_eq!(removed, names[1..]);
    assert!(get(service.address(), "/").contains(" 2 "));
}

#[test]
fn without_a_master_the_program_is_ready_and_lives_all_the_same() {
    let manager = Manager::listen();
    let builder = managed(&manager, &Release::good(), true).set("SELFUP", "off");
    let mut service = builder.start();
    let ready = manager.wait_for("READY=1");
    assert!(ready.value("STATUS").is_some_and(|status| status.contains("without a master")));
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }
    kill(service.pid(), Signal::SIGSTOP).unwrap();
    is_not_fed(&manager);
    kill(service.pid(), Signal::SIGCONT).unwrap();
    manager.wait_for("WATCHDOG=1");
    assert!(service.stop().success());
}
