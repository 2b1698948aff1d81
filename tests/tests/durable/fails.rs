//! Calls that fail, one after the other, as those to a sick disk do.
//!
//! Every call of an upgrade that may change the disk fails once, before it is made, and every release
//! is put in place all the same: at the next poll, if not at this one. So does each by which a
//! service goes back from a bad release, and the previous binary comes back; with all that come after it, the
//! service says what to do and goes on, and the binary comes back once they work. Every such call of a start that
//! finds a trial fails once, and also with all that come after it, as on a disk that is full or that
//! the kernel has made read-only: the service comes up all the same.

use std::collections::BTreeSet;

use nix::errno::Errno;
use selfup_tests::traced::Verdict;
use selfup_tests::{Answer, Load, Release, eventually};

use crate::kill::{Left, on_trial};
use crate::points::{Kind, Point, Search, Shared, in_parallel};
use crate::site::{COMES_BACK, End, Offer, PREVIOUS, Setting, Site, TAKES_THE_PATH, TRIAL};

/// Has each of the calls fail in its turn, with the next of `errors`.
fn fail_everywhere(errors: &[Errno]) {
    let mut site = Site::upgraded(Setting::Beside);
    let shared = Shared::new(Search::list(Kind::Changing));
    let pid = site.service().pid();
    let traced = site.trace(shared.watch());
    site.upgrade();
    wait_for_polls(&site);
    let points = shared.all();
    let load = Load::start(site.service().address(), "/sleep?20", 1);
    for (point, &error) in points.iter().zip(errors.iter().cycle()) {
        shared.search(Search::for_point(Kind::Changing, point.clone(), Verdict::Fail(error)));
        fail_at(&mut site, &shared, point, error);
    }
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(site.service().pid(), pid);
    eprintln!("{} calls failed with {errors:?}", points.len());
    site.stop();
    traced.end();
}

fn fail_at(site: &mut Site, shared: &Shared, point: &Point, error: Errno) {
    let before = site.service().lines("").len();
    let removed = point.call.strip_prefix("unlink ");
    site.upgrade_leaving(removed.unwrap_or(PREVIOUS));
    // What is allowed to stay is there before its removal was tried, too.
    eventually(&format!("{point} is come to"), || shared.is_found().then_some(()));
    assert_helpful(site, &site.service().lines("").split_off(before), point, error);
    match removed {
        // The next poll removes it, which has nothing else to do.
        Some(TRIAL) => site.service().assert_files(&[PREVIOUS]),
        // A file for staging is swept at the next start.
        Some(_) => site.remove_leftovers(),
        None => {}
    }
}

/// Has each of the calls by which a service goes back from what failed its trial fail in its turn, with
/// the next of `errors`, as `fail` has it.
fn fail_each_way_back(errors: &[Errno], fail: impl Fn(&Site, &Shared, &Point, Errno)) {
    let mut site = Site::upgraded(Setting::Beside);
    let shared = Shared::new(Search::list(Kind::Changing));
    let pid = site.service().pid();
    let traced = site.trace(shared.watch());
    site.fail_a_trial();
    wait_for_polls(&site);
    let points = shared.all();
    let swap = points.iter().position(|point| point.call == TAKES_THE_PATH);
    let points = &points[swap.expect("it was put in place") + 1..];
    assert!(points.iter().any(|point| point.call == COMES_BACK), "{points:#?}");
    let load = Load::start(site.service().address(), "/sleep?20", 1);
    for (point, &error) in points.iter().zip(errors.iter().cycle()) {
        fail(&site, &shared, point, error);
        site.wait_until_tidy_but_for_staged(point);
        site.service().assert_runs(&site.current);
    }
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(site.service().pid(), pid);
    eprintln!("{} calls of a way back failed with {errors:?}", points.len());
    let good = site.current.clone();
    site.upgrade();
    site.service().assert_previous(&good);
    site.stop();
    traced.end();
}

fn fail_once(site: &Site, shared: &Shared, point: &Point, error: Errno) {
    shared.search(Search::for_point(Kind::Changing, point.clone(), Verdict::Fail(error)));
    let before = site.service().lines("").len();
    site.fail_a_trial();
    eventually(&format!("{point} is come to"), || shared.is_found().then_some(()));
    assert_helpful(site, &site.service().lines("").split_off(before), point, error);
}

/// And all that come after it, until the service has said so and polled on.
fn fail_from_there_on(site: &Site, shared: &Shared, point: &Point, error: Errno) {
    let search = Search::for_point(Kind::Changing, point.clone(), Verdict::Fail(error));
    shared.search(search.lasting());
    let before = site.service().lines("").len();
    let went_back = || site.service().lines(End::RolledBack.event()).len();
    let times = went_back();
    site.publisher.publish(Answer::Whole(Release::flawed("exits")));
    eventually(&format!("{point} is come to"), || shared.is_found().then_some(()));
    let told = || site.service().lines("").split_off(before);
    eventually(&format!("{point}: it is told"), || {
        (assert_helpful(site, &told(), point, error) > 0).then_some(())
    });
    let starts = || site.service().lines("event child_started: ").len();
    let started = starts();
    let serving = site.current.id().to_string();
    for _ in 0..5 {
        // Each takes as long as a poll.
        assert!(site.service().get("/sleep?50").contains(&serving));
    }
    assert_eq!(starts(), started, "what failed is tried again, {point}");
    assert_helpful(site, &told(), point, error);
    // Well again.
    shared.search(Search::list(Kind::Changing));
    eventually(&format!("{point}: it goes back"), || (went_back() > times).then_some(()));
    wait_for_polls(site);
}

/// Waits until the service has nothing more to do.
fn wait_for_polls(site: &Site) {
    let mut quiet = site.end_of_poll();
    eventually("it polls", || quiet().then_some(()));
}

/// That each line which tells of something that went wrong says where, why, and what to do. Says how
/// many these are.
fn assert_helpful(site: &Site, lines: &[String], point: &Point, error: Errno) -> usize {
    let is_bad = |line: &&String| TOLD.iter().any(|event| line.starts_with(event));
    let [directory, state] = site.place().directories().map(|it| it.display().to_string());
    for line in lines.iter().filter(is_bad) {
        let is_named = line.contains(&directory) || line.contains(&state);
        assert!(is_named, "no directory, {point}: {line}");
        assert!(line.contains("; "), "no remedy, {point}: {line}");
        let cause = format!("(os error {})", error as i32);
        assert!(line.contains(&cause), "no cause, {point}: {line}");
    }
    lines.iter().filter(is_bad).count()
}

/// Has each of the calls of a start fail in its turn, with all that come after it or alone.
fn fail_every_start(left: &Left, with: [Errno; 2]) {
    let setting = Setting::Beside;
    let mut site = Site::new(setting);
    site.lay_out(&left.place);
    let shared = Shared::new(Search::list(Kind::Changing));
    site.kill_start(&shared);
    let points = shared.all();
    let start = || (Site::new(setting), left.again());
    in_parallel(&points, start, |(site, left), point| {
        for (error, lasts) in with.into_iter().zip([false, true]) {
            fail_start_at(site, left, point, error, lasts);
        }
    });
    let calls: BTreeSet<_> = points.iter().map(|point| &point.call).collect();
    assert!(calls.iter().any(|call| call.starts_with("first: ")), "{calls:#?}");
    let [once, on] = with;
    eprintln!("{} calls of a start failed, once with {once}, on and on with {on}", points.len());
}

fn fail_start_at(site: &mut Site, left: &Left, point: &Point, error: Errno, lasts: bool) {
    site.lay_out(&left.place);
    let search = Search::for_point(Kind::Changing, point.clone(), Verdict::Fail(error));
    let search = if lasts { search.lasting() } else { search };
    let shared = Shared::new(search);
    let told = site.start_failing(&shared);
    assert!(shared.is_found(), "{point} was not come to");
    let words = assert_helpful(site, &told, point, error);
    // What was done or will be at the next start is no news; what is not as it should be is.
    assert!(words > 0 || !lasts || is_last(point), "nothing was told, {point}: {told:#?}");
    // Well again, it finds out what it was about, and upgrades.
    site.assert_good(&left.old, &left.new, point);
    let _ = site.start_again(&left.old, &left.new, point);
}

/// Behind the removal of the note nothing is left to do.
fn is_last(point: &Point) -> bool {
    point.call == "fsync place"
}

/// What goes wrong is told by these.
const TOLD: &[&str] = &["event warning: ", "event upgrades_disabled: "];

/// Once, and from there on.
const SICK: [Errno; 2] = [Errno::EIO, Errno::EROFS];

/// The same of a disk that is full.
const FULL: [Errno; 2] = [Errno::ENOSPC, Errno::ENOSPC];

/// The same of a directory whose rights somebody takes away.
const DENIED: [Errno; 2] = [Errno::EACCES, Errno::EACCES];

/// Of the kernel, and of the directory: one call with this, the next with that.
const REFUSING: [Errno; 2] = [Errno::EROFS, Errno::EACCES];

#[test]
fn whichever_call_of_an_upgrade_fails_with_an_error_of_the_disk_the_release_comes_all_the_same() {
    fail_everywhere(&[Errno::EIO]);
}

#[test]
fn whichever_call_of_an_upgrade_finds_no_space_the_release_comes_all_the_same() {
    fail_everywhere(&[Errno::ENOSPC]);
}

#[test]
fn whichever_call_of_an_upgrade_is_refused_the_release_comes_all_the_same() {
    fail_everywhere(&REFUSING);
}

#[test]
fn whichever_call_of_a_way_back_fails_the_previous_binary_comes_back_all_the_same() {
    fail_each_way_back(&[Errno::EIO], fail_once);
}

#[test]
fn whichever_call_of_a_way_back_is_refused_the_previous_binary_comes_back_all_the_same() {
    fail_each_way_back(&REFUSING, fail_once);
}

#[test]
fn from_whichever_call_on_a_way_back_fails_the_service_says_what_to_do_and_goes_back_once_it_can() {
    fail_each_way_back(&[Errno::EROFS, Errno::EACCES, Errno::ENOSPC], fail_from_there_on);
}

#[test]
fn whichever_call_of_a_start_that_counts_fails_the_service_comes_up_and_says_what_to_do() {
    let left = on_its_trial();
    for with in [SICK, FULL, DENIED] {
        fail_every_start(&left, with);
    }
}

#[test]
fn whichever_call_of_a_start_that_puts_a_binary_back_fails_the_service_comes_up_and_says_what_to_do()
 {
    let left = on_its_trial().counted();
    for with in [SICK, FULL, DENIED] {
        fail_every_start(&left, with);
    }
}

fn on_its_trial() -> Left {
    let offer = Offer::Release(Release::good());
    Left::behind(Setting::Beside, &offer, End::Committed, &on_trial())
}
