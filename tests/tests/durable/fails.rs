//! Calls that fail, one after the other, as those to a sick disk do.
//!
//! Every call of an upgrade that may change the disk fails once, before it is made, and every release
//! is put in place all the same: at the next poll, if not at this one.

use nix::errno::Errno;
use selfup_tests::traced::{Traced, Verdict};
use selfup_tests::{Load, eventually};

use crate::points::{Kind, Point, Search, Shared};
use crate::site::{PREVIOUS, Site, TRIAL};

/// Has each of the calls fail in its turn with `error`.
fn fail_everywhere(error: Errno) {
    let mut site = Site::upgraded();
    let shared = Shared::new(Search::list(Kind::Changing));
    let pid = site.service().pid();
    let traced = Traced::upgrades_of(pid, site.directory(), shared.watch());
    site.upgrade();
    let mut quiet = site.end_of_poll();
    eventually("the upgrade is over", || quiet().then_some(()));
    drop(quiet);
    let points = shared.all();
    let load = Load::start(site.service().address(), "/", 1);
    for point in &points {
        shared.search(Search::for_point(Kind::Changing, point.clone(), Verdict::Fail(error)));
        fail_at(&mut site, &shared, point, error);
    }
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(site.service().pid(), pid);
    eprintln!("{} calls failed with {error}", points.len());
    site.stop();
    traced.end();
}

fn fail_at(site: &mut Site, shared: &Shared, point: &Point, error: Errno) {
    let before = site.service().lines("").len();
    let removed = point.call.strip_prefix("unlink ");
    site.upgrade_leaving(removed.unwrap_or(PREVIOUS));
    assert!(shared.is_found(), "{point} was not come to");
    let mut warnings = site.service().lines("").split_off(before);
    warnings.retain(|line| TOLD.iter().any(|event| line.starts_with(event)));
    let directory = site.directory().display().to_string();
    for warning in &warnings {
        assert!(warning.contains(&directory), "{point}: {warning}");
        assert!(warning.contains("; "), "no remedy, {point}: {warning}");
        assert!(
            warning.contains(&format!("(os error {})", error as i32)),
            "no cause, {point}: {warning}"
        );
    }
    match removed {
        // The next poll removes it, which has nothing else to do.
        Some(TRIAL) => site.service().assert_files(&[PREVIOUS]),
        // A file for staging is swept at the next start.
        Some(_) => site.remove_leftovers(),
        None => {}
    }
}

/// What goes wrong is told by these.
const TOLD: &[&str] = &["event warning: ", "event upgrades_disabled: "];
#[test]
fn whichever_call_of_an_upgrade_fails_with_an_error_of_the_disk_the_release_comes_all_the_same() {
    fail_everywhere(Errno::EIO);
}

#[test]
fn whichever_call_of_an_upgrade_finds_no_space_the_release_comes_all_the_same() {
    fail_everywhere(Errno::ENOSPC);
}
