//! Successions: after a commit the master executes the new binary in its own place, and nobody
//! notices but for what the new binary does otherwise.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod addresses;
mod given_back;
mod signals;
mod versions;

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use selfup_tests::{
    Answer, Fault, Load, Published, Publisher, Release, Service, ServiceBuilder, descriptors_of,
    eventually, status_of,
};

#[test]
fn ten_successions_in_a_row_drop_nothing_and_leave_nothing_behind() {
    let first = Release::good();
    let source = Publisher::start(Answer::Whole(first.clone()));
    // Polled when it is asked for: nothing else is open when the descriptors are counted.
    let settings = [("INTERVAL", "1h"), ("MIN_FETCH_INTERVAL", "1ms")];
    let mut published = Published::of(ServiceBuilder::new(&first), source, &settings);
    let load = Load::start(published.service.address(), "/", 2);
    let mut after_first: Option<Held> = None;
    for count in 1..=10 {
        let release = Release::good();
        published.publisher.publish(Answer::Whole(release.clone()));
        assert_eq!(published.service.get("/check"), "Ok(())\n");
        published.service.wait_for_nth("event master_replaced: ", count);
        published.service.assert_master_runs(&release);
        published.service.assert_runs(&release);
        load.wait_for(20);
        let _ = published.service.wait_for_one_child();
        match after_first {
            None => after_first = Some(Held::by(&published.service)),
            Some(held) => held.assert_no_more(&published.service),
        }
    }
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(published.service.successions(), 10);
    assert!(published.service.stop().success());
}

/// What a master has that has come to rest.
#[derive(Debug, Clone, Copy)]
struct Held {
    descriptors: usize,
    threads: usize,
}

impl Held {
    /// The least that the master was seen with in a second.
    fn by(service: &Service) -> Self {
        let until = Instant::now() + Duration::from_secs(1);
        let mut least = Self::now(service);
        while Instant::now() < until {
            let Self { descriptors, threads } = Self::now(service);
            least.descriptors = least.descriptors.min(descriptors);
            least.threads = least.threads.min(threads);
            std::thread::park_timeout(Duration::from_millis(5));
        }
        least
    }

    fn now(service: &Service) -> Self {
        let threads = status_of(service.pid(), "Threads").parse().expect("it is a number");
        Self { descriptors: descriptors_of(service.pid()), threads }
    }

    /// That nothing was left behind since.
    fn assert_no_more(self, service: &Service) {
        eventually(&format!("the master comes back to {self:?}"), || {
            let now = Self::now(service);
            (now.descriptors <= self.descriptors && now.threads <= self.threads).then_some(())
        });
    }
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
fn a_master_executes_nothing_but_what_was_committed() {
    let first = Release::good();
    let mut service = ServiceBuilder::new(&first).set("PROBATION", "1h").start();
    let load = Load::start(service.address(), "/", 2);
    let second = Release::good();
    second.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    // Whoever puts this there does not wait for the end of the probation.
    Release::program("/usr/bin/yes").install(&service.binary());
    let load = end_probation(&service, 1, load);
    service.wait_for("event committed: generation 2 ");
    let line = service.wait_for("event warning: the master goes on with the code it has");
    assert!(line.contains("another file was put at the path meanwhile"), "{line}");
    service.assert_master_runs(&first);
    assert!(service.get("/").contains(&second.id().to_string()));

    service.signal(Signal::SIGUSR2);
    service.wait_for("event restart_abandoned: ");
    std::fs::remove_file(service.binary()).expect("it is there");
    service.signal(Signal::SIGUSR2);
    service.wait_for_nth("event restart_abandoned: ", 2);
    second.install(&service.binary());
    service.signal(Signal::SIGUSR2);
    let load = end_probation(&service, 2, load);
    service.wait_for("event master_replaced: ");
    service.assert_master_runs(&second);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

/// The death of the `old` generation, which is paused, ends the probation of the next one. What it had accepted is
/// answered before, and the load is another.
fn end_probation(service: &Service, old: u64, load: Load) -> Load {
    service.wait_for(&format!("event paused: generation {old} "));
    let next = Load::start(service.address(), "/", 2);
    assert_eq!(load.stop(), [""; 0]);
    kill(service.pid_of(old), Signal::SIGKILL).expect("it is there");
    next
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
    let mut published = Published::start(&[("TERMINATE_TIMEOUT", "30s")]);
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
    assert!(begun.elapsed() >= Duration::from_secs(30), "it had its time");
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
