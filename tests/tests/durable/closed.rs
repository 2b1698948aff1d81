//! Upgrades that are turned off while a candidate waits in place, or is on trial: the way back stays.

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Load, Publisher, Release, Service, ServiceBuilder, eventually};

use crate::site::{PREVIOUS, TRIAL, builder};
use crate::yard::Yard;

/// A service with a bad release in place, whose directory may be taken from it.
struct Waiting {
    /// Dropped first: it lies in the yard, and polls the publisher.
    service: Service,
    publisher: Publisher,
    first: Release,
    bad: Release,
    yard: Yard,
}

impl Waiting {
    /// Polls are made when they are asked for, or so often.
    fn start(flaw: &str, interval: &str) -> Self {
        let (first, bad) = (Release::good(), Release::flawed(flaw));
        let yard = Yard::new(&first);
        let publisher = Publisher::start(Answer::Whole(first.clone()));
        let service = of(&yard, &publisher).set("INTERVAL", interval).start();
        check(&service);
        eventually("it polls", || publisher.answered().first().cloned());
        publisher.publish(Answer::Whole(bad.clone()));
        check(&service);
        service.wait_for("event upgraded: ");
        // What is written at this moment could not be removed in a moment.
        let is_written = |history: &String| history.contains(&bad.id().to_string());
        eventually("it is written down", || service.history().filter(is_written));
        service.assert_files(&[PREVIOUS, TRIAL]);
        service.assert_on_disk(&bad);
        Self { service, publisher, first, bad, yard }
    }

    /// It finds out that the directory cannot be written.
    fn close(&self) {
        self.yard.may_write(false);
        self.publisher.publish(Answer::Whole(Release::good()));
        check(&self.service);
        let line = self.service.wait_for("event upgrades_disabled: ");
        assert!(line.contains("make it writable for user"), "{line}");
        // What is published by now is another matter.
        self.publisher.publish(Answer::Status(404));
    }

    /// That the first binary is back, and the bad one is remembered and left alone.
    fn assert_back(&mut self) {
        self.service.wait_for("event rolled_back: ");
        self.service.assert_runs(&self.first);
        let history = eventually("it is remembered", || self.service.history());
        assert!(history.contains(&self.bad.id().to_string()), "{history}");
        self.service.assert_files(&[]);
        let upgraded = self.service.lines("event upgraded: ").len();
        self.publisher.publish(Answer::Whole(self.bad.clone()));
        check(&self.service);
        self.publisher.wait_for("GET 304", 1);
        assert_eq!(self.service.lines("event upgraded: ").len(), upgraded);
        self.service.assert_runs(&self.first);
        assert!(self.service.stop().success());
    }
}

fn of(yard: &Yard, publisher: &Publisher) -> ServiceBuilder {
    let builder = builder(yard.directory(), publisher).set("NO_RESTART_AFTER_FETCH", "1");
    yard.started_by_its_user(builder)
}

fn check(service: &Service) {
    assert_eq!(service.get("/check"), "Ok(())\n");
}

#[test]
fn what_fails_while_upgrades_are_off_is_put_back_at_once_if_that_can_be_done_by_then() {
    let mut waiting = Waiting::start("exits", "1h");
    waiting.close();
    waiting.yard.may_write(true);
    let load = Load::start(waiting.service.address(), "/sleep?20", 1);
    waiting.service.signal(Signal::SIGUSR2);
    waiting.service.wait_for("event restart_abandoned: ");
    // No poll comes before that.
    waiting.service.wait_for("event rolled_back: ");
    assert_eq!(waiting.service.lines("event upgrades_enabled: "), [""; 0]);
    assert_eq!(waiting.service.lines("event warning: "), [""; 0]);
    assert_eq!(load.stop(), [""; 0]);
    check(&waiting.service);
    waiting.service.wait_for("event upgrades_enabled: ");
    waiting.assert_back();
}

#[test]
fn what_fails_while_nothing_can_be_put_back_is_told_left_alone_and_put_back_once_that_can_be_done()
{
    let mut waiting = Waiting::start("exits", "50ms");
    waiting.close();
    let load = Load::start(waiting.service.address(), "/sleep?50", 1);
    waiting.service.signal(Signal::SIGUSR2);
    waiting.service.wait_for("event restart_abandoned: ");
    let line =
        waiting.service.wait_for("event warning: the previous binary could not be put back ");
    let path = waiting.service.binary().display().to_string();
    for words in [&*path, "tried again at each poll", "can be written", "by hand", "(os error 13)"]
    {
        assert!(line.contains(words), "{words}: {line}");
    }
    // Each takes as long as a poll.
    load.wait_for(20);
    assert!(waiting.service.get("/").contains(&waiting.first.id().to_string()));
    waiting.service.assert_on_disk(&waiting.bad);
    assert_eq!(waiting.service.lines("event child_started: ").len(), 2);
    assert_eq!(waiting.service.lines(&line).len(), 1, "it is told once");
    assert_eq!(waiting.service.lines("event rolled_back: "), [""; 0]);

    waiting.yard.may_write(true);
    waiting.service.wait_for("event committed: generation 3 ");
    waiting.service.wait_for("event upgrades_enabled: ");
    assert_eq!(load.stop(), [""; 0]);
    waiting.assert_back();
}

#[test]
fn a_start_that_fails_where_nothing_can_be_put_back_is_told_and_put_back_once_that_can_be_done() {
    let Waiting { mut service, publisher, first, bad, yard } =
        Waiting::start("never-ready", "50ms");
    assert!(service.stop().success());
    // Whoever drops it ends all that runs in its directory.
    drop(service);
    yard.may_write(false);
    publisher.publish(Answer::Status(404));
    let service = of(&yard, &publisher).set("READY_TIMEOUT", "3s").spawn();
    let mut waiting = Waiting { service, publisher, first, bad, yard };
    waiting.service.wait_for("event upgrades_disabled: ");
    let path = waiting.service.binary().display().to_string();
    let line = waiting.service.wait_for(&format!("event warning: the binary at {path} failed its"));
    for words in ["was not ready", "tried again at each poll", "make it writable for user"] {
        assert!(line.contains(words), "{words}: {line}");
    }
    waiting.service.assert_on_disk(&waiting.bad);
    assert_eq!(waiting.service.lines("event child_started: ").len(), 1);

    waiting.yard.may_write(true);
    waiting.service.wait_for("event committed: generation 2 ");
    waiting.assert_back();
}
