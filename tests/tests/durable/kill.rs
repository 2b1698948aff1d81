//! A master that is killed, at each system call of its upgrades and of its start.
//!
//! The points are those of an upgrade that is traced and not disturbed: all calls of the upgrade thread
//! that are about a file in the binary's directory. So whatever the pipeline will do one day is tried,
//! too.

use selfup_tests::Release;
use selfup_tests::traced::Verdict;

use crate::points::{Kind, Point, Search, Shared, assert_covered, in_parallel};
use crate::site::{End, Site, TAKES_THE_PATH};

/// Kills a master at each point of its upgrade to a `release` that `is_wanted`, and says at which.
fn kill_everywhere(
    release: fn() -> Release,
    end: End,
    is_wanted: impl Fn(&[Point], usize) -> bool,
) -> Vec<Point> {
    let all = Site::upgraded().list(&release(), end);
    let wanted = (0..all.len()).filter(|index| is_wanted(&all, *index));
    let points: Vec<_> = wanted.map(|index| all[index].clone()).collect();
    in_parallel(&points, Site::upgraded, |site, point| {
        let (old, new) = (site.current.clone(), release());
        site.kill_at(point, &new, end);
        let found = site.assert_good(&old, &new, point);
        assert_is_what_was_done(found, &old, point);
        site.start_again(&old, &new, point);
        site.upgrade();
    });
    eprintln!("killed at {} points: {end:?}", points.len());
    points
}

/// A call before which it was killed was not made, and one after which it was killed was.
fn assert_is_what_was_done(found: &Release, old: &Release, point: &Point) {
    if point.call == TAKES_THE_PATH {
        assert_eq!(found.id() == old.id(), !point.is_after, "{point}");
    }
}

/// What is behind the call `call`.
fn is_behind(call: &str) -> impl Fn(&[Point], usize) -> bool {
    move |points, index| points[..index].iter().any(|point| point.call == call && point.is_after)
}

#[test]
fn killed_at_any_call_of_an_upgrade_the_path_holds_a_binary_that_starts_and_upgrades() {
    let points = kill_everywhere(Release::good, End::Committed, |_, _| true);
    let calls = [
        "openat .app.selfup-stage-",
        "write .app.selfup-stage-",
        "fchmod .app.selfup-stage-",
        "fsync .app.selfup-stage-",
        "link app .app.selfup-stage-",
        "rename .app.selfup-stage- .app.selfup-trial",
        "rename .app.selfup-stage- .app.selfup-previous",
        TAKES_THE_PATH,
        "rename .app.selfup-stage- .app.selfup-history",
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_the_way_back_the_path_holds_a_binary_that_starts_and_upgrades() {
    // Before that it is an upgrade like any other.
    let is_wanted = is_behind(TAKES_THE_PATH);
    let release = || Release::flawed("unwell-at-start");
    let points = kill_everywhere(release, End::RolledBack, is_wanted);
    let calls = [
        "rename .app.selfup-stage- .app.selfup-trial",
        "rename .app.selfup-previous app",
        "rename .app.selfup-stage- .app.selfup-history",
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_a_refusal_the_path_holds_the_binary_that_was_there() {
    // From there on: the candidate is removed, and the history is written.
    let is_wanted = |points: &[Point], index: usize| {
        let removed = |point: &&Point| point.call == "unlink .app.selfup-stage-" && point.is_after;
        points[..index].iter().filter(removed).count() > 1
    };
    let release = || Release::flawed("probe-fails");
    let points = kill_everywhere(release, End::Refused, is_wanted);
    assert_covered(&points, &["rename .app.selfup-stage- .app.selfup-history"]);
}

/// Kills a master at each point of its start from what another left that was killed `at` this call of
/// its upgrade to `new`.
fn kill_every_start(new: &Release, end: End, at: &str, is_after: bool) -> Vec<Point> {
    let mut site = Site::upgraded();
    let old = site.current.clone();
    let at = Point { call: at.to_owned(), number: 1, is_after };
    site.kill_at(&at, new, end);
    let half_written = site.directory().join(".app.selfup-stage-ABCDEF");
    std::fs::write(half_written, &old.bytes()[..1_000_000]).expect("it can be written");
    let template = tempfile::tempdir().expect("a temporary directory");
    let template = template.path().join("place");
    std::fs::rename(site.directory(), &template).expect("nobody needs it");
    std::fs::create_dir(site.directory()).expect("it was renamed");

    site.lay_out(&template);
    let shared = Shared::new(Search::list(Kind::Every));
    site.kill_start(&shared);
    let points = shared.seen();
    in_parallel(&points, Site::new, |site, point| {
        site.lay_out(&template);
        let shared = Shared::new(Search::for_point(Kind::Every, point.clone(), Verdict::Kill));
        site.kill_start(&shared);
        assert!(shared.is_found(), "{point} was not come to: {:#?}", shared.seen());
        site.assert_good(&old, new, point);
        site.start_again(&old, new, point);
        site.upgrade();
    });
    eprintln!("killed at {} points of a start, behind {at}", points.len());
    points
}

#[test]
fn killed_at_any_call_of_a_start_that_goes_on_with_a_trial_the_path_holds_a_binary_that_starts() {
    let new = Release::good();
    let points = kill_every_start(&new, End::Committed, TAKES_THE_PATH, true);
    let calls = [
        "first: rename .app.selfup-stage- .app.selfup-trial",
        "unlink .app.selfup-stage-",
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_a_start_that_puts_a_binary_back_the_path_holds_one_that_starts() {
    let new = Release::flawed("unwell-at-start");
    let back = "rename .app.selfup-previous app";
    let points = kill_every_start(&new, End::RolledBack, back, false);
    let back = format!("first: {back}");
    assert_covered(&points, &[&back, "rename .app.selfup-stage- .app.selfup-history"]);
}
