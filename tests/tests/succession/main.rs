//! Successions: after a commit the master executes the new binary in its own place, and nobody
//! notices but for what the new binary does otherwise.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod addresses;
mod given_back;
mod signals;
mod versions;

use std::time::{Duration, Instant};

use nix::unistd::Pid;
use selfup_tests::{
    Answer, Fault, Load, Published, Publisher, Release, ServiceBuilder, descriptors_of, eventually,
    status_of,
};

#[test]
fn ten_successions_in_a_row_drop_nothing_and_leave_nothing_behind() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    // Polled when it is asked for: nothing else is open when the descriptors are counted.
    let settings = [("INTERVAL", "1h"), ("MIN_FETCH_INTERVAL", "1ms")];
    let mut published = Published::of(ServiceBuilder::new(&first), source, &settings);
    let pid = published.service.pid();
    let load = Load::start(published.service.address(), "/", 2);
    let mut after_first = None;
    for count in 1..=10 {
        let release = Release::good();
        published.publisher.publish(Answer::Whole(release.clone()));
        assert_eq!(published.service.get("/check"), "Ok(())\n");
        published.service.wait_for_nth("event master_replaced: ", count);
        published.service.assert_master_runs(&release);
        published.service.assert_runs(&release);
        load.wait_for(20);
        let _ = published.service.wait_for_one_child();
        after_first.get_or_insert_with(|| settled(&published));
    }
    let (descriptors, threads) = after_first.expect("there were ten");
    eventually("no descriptor is left behind", || {
        (descriptors_of(pid) <= descriptors).then_some(())
    });
    eventually("no thread is left behind", || (threads_of(pid) <= threads).then_some(()));
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(published.service.successions(), 10);
    assert!(published.service.stop().success());
}

/// The descriptors and threads of a master that has come to rest: the fewest that it was seen with
/// in a second.
fn settled(published: &Published) -> (usize, usize) {
    let pid = published.service.pid();
    let until = Instant::now() + Duration::from_secs(1);
    let mut fewest = (usize::MAX, usize::MAX);
    while Instant::now() < until {
        fewest = (fewest.0.min(descriptors_of(pid)), fewest.1.min(threads_of(pid)));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    fewest
}

fn threads_of(pid: Pid) -> usize {
    status_of(pid, "Threads").parse().expect("it is a number")
}

#[test]
fn an_execution_that_fails_changes_nothing() {
    let mut published = Published::start(&[]);
    let pid = published.service.pid();
    let load = Load::start(published.service.address(), "/", 2);
    let descriptors = published.service.get("/descriptors").lines().count();
    let Some(fault) = Fault::inject(pid, "execve", "ENOMEM") else { return };
    let second = Release::good();
    published.upgrade(&second);
    let line = published.service.wait_for("event warning: the master goes on with the code it has");
    assert!(line.contains("Cannot allocate memory"), "{line}");
    drop(fault);

    published.service.restart(3);
    published.service.assert_runs(&second);
    let now = published.service.get("/descriptors");
    assert_eq!(now.lines().count(), descriptors, "{now}");
    assert_eq!(published.service.successions(), 0);
    published.succeed(&Release::good());
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn a_master_that_is_not_to_be_replaced_keeps_its_code() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    let settings = [("UPGRADE_MASTER", "false")];
    let mut published = Published::of(ServiceBuilder::new(&first), source, &settings);
    for _ in 0..2 {
        // In vain it asks for a fetcher that would deliver nothing.
        published.upgrade(&Release::configured("FETCHER=/nowhere"));
        published.publisher.wait_for("GET 304", 2);
    }
    published.service.restart(4);
    published.service.assert_master_runs(&first);
    assert_eq!(published.service.successions(), 0);
    assert!(published.service.stop().success());
}

#[test]
fn a_request_and_the_deadline_of_its_drain_outlive_a_succession() {
    let mut published = Published::start(&[("TERMINATE_TIMEOUT", "4s")]);
    let (mut brief, before) = published.service.hold();
    let (mut endless, _) = published.service.hold();
    endless.ask("/sleep?3600000");
    let begun = Instant::now();
    published.succeed(&Release::configured("TERMINATE_TIMEOUT=1h"));
    assert!(published.service.lines("event drain_timed_out: ").is_empty(), "the machine is slow");
    brief.ask("/sleep?100");
    assert_eq!(brief.answer().expect("it is answered"), before);
    published.service.wait_for("event drain_timed_out: generation 1 ");
    published.service.wait_for("event child_exited: generation 1 ended: signal SIGKILL");
    assert!(begun.elapsed() >= Duration::from_secs(4), "it had its time");
    assert!(endless.answer().is_err());
    assert!(published.service.get("/").contains(" 2 "));
    assert!(published.service.stop().success());
}

#[test]
fn a_slow_request_is_answered_across_three_successions() {
    let mut published = Published::start(&[]);
    let (mut held, before) = published.service.hold();
    for _ in 0..3 {
        published.succeed(&Release::good());
    }
    held.ask("/sleep?100");
    assert_eq!(held.answer().expect("it is answered"), before);
    published.service.wait_for("event child_exited: generation 1 ended: exit status 0");
    assert!(published.service.stop().success());
}
