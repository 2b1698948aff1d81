//! A master that is killed, at each system call of its upgrades and of its start.
//!
//! The points are not listed: the tracer kills at the first call that is about a file in the binary's
//! directory, at the next upgrade at the second, and so on until an upgrade comes to its end. So
//! whatever the pipeline will do one day is tried, too.

use selfup_tests::Release;

use crate::points::{Point, assert_covered, in_parallel};
use crate::site::{End, Site, TAKES_THE_PATH};

/// Kills a master at each point of its upgrade to a `release`, and says at which.
fn kill_everywhere(release: fn() -> Release, end: End) -> Vec<Point> {
    let points = in_parallel(|first, step| {
        let mut site = Site::new();
        let mut points = Vec::new();
        for index in (first..).step_by(step) {
            let (old, new) = (site.current.clone(), release());
            let Some(point) = site.kill_at(index, &new, end) else { break };
            let runs = site.assert_good(&old, &new, &point);
            assert_is_what_was_done(runs, &old, &point);
            site.start_again(runs, &point);
            site.upgrade();
            points.push(point);
        }
        points
    });
    eprintln!("killed at {} points: {end:?}", points.len());
    points
}

/// A call before which it was killed was not made, and one after which it was killed was.
fn assert_is_what_was_done(runs: &Release, old: &Release, point: &Point) {
    if point.call == TAKES_THE_PATH {
        assert_eq!(runs.id() == old.id(), !point.is_after, "{point}");
    }
}

#[test]
fn killed_at_any_call_of_an_upgrade_the_path_holds_a_binary_that_starts_and_upgrades() {
    let points = kill_everywhere(Release::good, End::Committed);
    let calls = [
        "openat .app.selfup-stage-",
        "write .app.selfup-stage-",
        "fchmod .app.selfup-stage-",
        "fsync .app.selfup-stage-",
        "link app .app.selfup-stage-",
        "rename .app.selfup-stage- .app.selfup-previous",
        TAKES_THE_PATH,
        "rename .app.selfup-stage- .app.selfup-history",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_the_way_back_the_path_holds_a_binary_that_starts_and_upgrades() {
    let points = kill_everywhere(|| Release::flawed("unwell-at-start"), End::RolledBack);
    let back = "rename .app.selfup-previous app";
    assert_covered(&points, &[back, "rename .app.selfup-stage- .app.selfup-history"]);
}

#[test]
fn killed_at_any_call_of_a_refusal_the_path_holds_the_binary_that_was_there() {
    let points = kill_everywhere(|| Release::flawed("probe-fails"), End::Refused);
    assert_covered(&points, &["rename .app.selfup-stage- .app.selfup-history"]);
}
