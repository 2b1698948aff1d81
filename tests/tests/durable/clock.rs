//! Wall clocks that are set while a service runs, and between one master and the next.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Clock, Load, Publisher, Release, Service, eventually};

use crate::site::{PREVIOUS, builder};

/// A service whose wall clock shows what it is told.
struct Place {
    publisher: Publisher,
    clock: Clock,
    temporary: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let current = Release::good();
        fs::create_dir(temporary.path().join("place")).expect("it can be made");
        current.install(&temporary.path().join("place/app"));
        let publisher = Publisher::start(Answer::Dated(current));
        Self { publisher, clock: Clock::build(), temporary }
    }

    /// Starts what lies there, and waits until it has found out that there is nothing new.
    fn start(&self, probation: &str) -> Service {
        let builder = builder(&self.temporary.path().join("place"), &self.publisher);
        let [library, offset] = self.clock.variables();
        let builder = builder.set(library.0, library.1).set(offset.0, offset.1);
        builder.set("PROBATION", probation).start()
    }

    /// A running service that was offered a release that failed.
    fn refusing(&self) -> (Service, Release) {
        let service = self.start("0s");
        self.publisher.wait_for("GET 304", 1);
        let bad = Release::flawed("probe-fails");
        self.publisher.publish(Answer::Dated(bad.clone()));
        service.wait_for(REFUSED);
        (service, bad)
    }

    /// That the release is left alone for now.
    fn assert_waits(&self, service: &Service, failures: usize) {
        self.publisher.wait_for("GET 304", 5);
        assert_eq!(service.lines(REFUSED).len(), failures);
    }

    /// That the service takes the next release.
    fn assert_upgrades(&self, service: &Service) {
        let (pid, release) = (service.pid(), Release::good());
        let load = Load::start(service.address(), PAUSING, 1);
        self.publisher.publish(Answer::Dated(release.clone()));
        service.wait_for("event committed: generation 2 ");
        service.assert_runs(&release);
        assert_eq!(service.pid(), pid);
        assert_eq!(load.stop(), [""; 0]);
    }
}

/// That the history has one time for a retry, some `step` after `seconds` since 1970: so the service
/// does see the clock that it is given.
fn assert_retry(service: &Service, seconds: u64, step: u64) {
    let found = eventually("the history says when", || {
        let history = service.history()?;
        let (_, behind) = history.split_once("\"retry_at\": ")?;
        let digits = behind.split(|next: char| !next.is_ascii_digit()).next()?;
        digits.parse::<u64>().ok().filter(|at| at.abs_diff(seconds + step) < SLACK)
    });
    assert!(found > seconds, "{found}");
}

fn assert_a_jump_changes_no_back_off(to: u64) {
    let place = Place::new();
    let begun = Instant::now();
    let (mut service, _) = place.refusing();
    assert_retry(&service, Clock::now(), 60);
    let load = Load::start(service.address(), PAUSING, 1);
    place.clock.set(to);
    place.assert_waits(&service, 1);
    service.wait_for_nth(REFUSED, 2);
    assert!(begun.elapsed() >= FIRST_STEP, "{:?}", begun.elapsed());
    assert_retry(&service, to + 60, 600);
    place.assert_waits(&service, 2);
    place.assert_upgrades(&service);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

/// As after a start on a machine without a battery, before it has asked for the time.
fn assert_a_start_in_1970_waits() {
    let place = Place::new();
    let (mut service, _) = place.refusing();
    assert!(service.stop().success());
    place.clock.set(EPOCH);
    let begun = Instant::now();
    let mut again = place.start("0s");
    place.assert_waits(&again, 0);
    again.wait_for(REFUSED);
    assert!(begun.elapsed() >= FIRST_STEP, "{:?}", begun.elapsed());
    assert_retry(&again, EPOCH + 60, 600);
    place.assert_upgrades(&again);
    assert!(again.stop().success());
}

/// Each takes a minute, and nearly all of it waiting: they wait together.
#[test]
fn no_jump_of_a_clock_hastens_or_ends_a_back_off_and_a_start_in_1970_waits_no_longer_than_its_step()
{
    std::thread::scope(|scope| {
        scope.spawn(|| assert_a_jump_changes_no_back_off(AHEAD));
        scope.spawn(|| assert_a_jump_changes_no_back_off(EPOCH));
        scope.spawn(assert_a_start_in_1970_waits);
    });
}

/// By its clock the time of the retry has come; but not that of another one.
#[test]
fn a_start_years_ahead_tries_a_refused_release_once_and_a_clock_set_right_again_keeps_it_waiting() {
    let place = Place::new();
    let (mut service, _) = place.refusing();
    assert!(service.stop().success());
    place.clock.set(AHEAD);
    let mut again = place.start("0s");
    again.wait_for(REFUSED);
    place.assert_waits(&again, 1);
    assert_retry(&again, AHEAD, 600);
    assert!(again.stop().success());

    place.clock.set(Clock::now());
    let mut third = place.start("0s");
    place.assert_waits(&third, 0);
    place.assert_upgrades(&third);
    assert!(third.stop().success());
}

#[test]
fn a_clock_that_jumps_during_a_trial_neither_shortens_nor_prolongs_it() {
    for to in [AHEAD, EPOCH] {
        let place = Place::new();
        let mut service = place.start("3s");
        place.publisher.wait_for("GET 304", 1);
        let load = Load::start(service.address(), PAUSING, 1);
        let (release, begun) = (Release::good(), Instant::now());
        place.publisher.publish(Answer::Dated(release.clone()));
        service.wait_for("event paused: generation 1 ");
        place.clock.set(to);
        service.wait_for("event committed: generation 2 ");
        assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
        service.assert_runs(&release);
        assert_eq!(load.stop(), [""; 0]);
        assert!(service.stop().success());
    }
}

#[test]
fn a_trial_goes_on_in_the_next_master_whatever_year_it_starts_in() {
    for to in [AHEAD, EPOCH] {
        let place = Place::new();
        let mut service = place.start("10m");
        place.publisher.wait_for("GET 304", 1);
        let release = Release::good();
        place.publisher.publish(Answer::Dated(release.clone()));
        service.wait_for("event paused: generation 1 ");
        service.signal(Signal::SIGKILL);
        service.wait();
        service.processes().wait_until_gone();
        place.clock.set(to);
        let mut again = place.start("0s");
        again.assert_files(&[PREVIOUS]);
        again.assert_runs(&release);
        place.publisher.wait_for("GET 304", 1);
        place.assert_upgrades(&again);
        assert!(again.stop().success());
    }
}

const REFUSED: &str = "event candidate_refused: ";

/// Some 60 years from any day that this runs on, in seconds since 1970.
const AHEAD: u64 = 3_900_000_000;

/// The first day, some seconds after its midnight: what a clock without a battery shows.
const EPOCH: u64 = 10;

/// What a release waits for that failed once.
const FIRST_STEP: Duration = Duration::from_secs(60);

/// In seconds: how long a slow machine may take between two looks at its clock.
const SLACK: u64 = 300;

/// Answered a while later: whoever asks for that does not keep others from their work.
const PAUSING: &str = "/sleep?100";
