//! Power cuts: every directory that may be left at any moment of an upgrade, and a start from it.
//!
//! An upgrade is traced once, which gives a [`log`] of what is written and what is flushed. A
//! [`disk`] that is played it tells after each step what may be found once the power is back. What may
//! never be found is in [`rules`]. The log without any one of its flushes breaks one of them: so
//! each flush is needed, and the model sees it.

mod disk;
mod log;
mod rules;
mod start;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::errno::Errno;
use selfup_tests::traced::{Call, Traced, Verdict};
use selfup_tests::{Answer, Release, eventually};

use self::log::{Log, Recorder};
use self::rules::play;
use self::start::start_from_each;
use crate::site::{End, Site};

/// What an upgrade to `new` does to the directory, after another upgrade.
fn record(
    site: &mut Site,
    new: &Release,
    end: End,
    verdict: impl FnMut(&Call) -> Verdict + Send + 'static,
) -> Log {
    let (pid, recorder) = (site.service().pid(), Recorder::of(site.directory()));
    let upgraded = site.service().lines(UPGRADED).len();
    let traced = Traced::upgrades_of(pid, site.directory(), recorder.watch(verdict));
    let mut is_over = site.end(end);
    site.publisher.publish(Answer::Whole(new.clone()));
    if !matches!(end, End::Refused) {
        site.service().wait_for_nth(UPGRADED, upgraded + 1);
        recorder.told();
    }
    eventually("the upgrade is over", || is_over().then_some(()));
    drop(is_over);
    recorder.told();
    let log = recorder.log();
    site.stop();
    traced.end();
    log
}

/// That no power cut breaks a rule, that one would if any one flush were left out but so many of them,
/// and that a service starts from whatever is found.
fn assert_survives(log: &Log, needless: usize) {
    let states = play(log).unwrap_or_else(|wrong| panic!("{wrong}\n{log}"));
    let mut flushes = log.flushes();
    let all = flushes.len();
    flushes.retain(|flush| play(&log.without(*flush)).is_ok());
    assert_eq!(flushes.len(), needless, "nothing needs the flushes {flushes:?} of\n{log}");
    let started = start_from_each(log, &states);
    let states = states.len();
    eprintln!("{states} states after a power cut, {started} started from; {all} flushes");
}

#[test]
fn a_power_cut_during_an_upgrade_leaves_one_of_both_binaries_and_the_way_back() {
    let mut site = Site::upgraded();
    let log = record(&mut site, &Release::good(), End::Committed, |_| Verdict::Go);
    assert_survives(&log, 0);
}

#[test]
fn a_power_cut_during_an_upgrade_of_a_set_id_binary_leaves_its_mode() {
    let mut site = Site::upgraded();
    let binary = site.directory().join("app");
    fs::set_permissions(binary, fs::Permissions::from_mode(0o4755)).expect("it is ours");
    let log = record(&mut site, &Release::good(), End::Committed, |_| Verdict::Go);
    assert_survives(&log, 0);
}

#[test]
fn a_power_cut_during_an_upgrade_where_links_are_refused_leaves_a_whole_copy() {
    let mut site = Site::upgraded();
    let log = record(&mut site, &Release::good(), End::Committed, |call| {
        let is_link = call.name == "link" && call.result.is_none();
        if is_link { Verdict::Fail(Errno::EPERM) } else { Verdict::Go }
    });
    assert_survives(&log, 0);
}

#[test]
fn a_power_cut_during_the_way_back_leaves_one_of_both_binaries() {
    let log = way_back(&mut Site::upgraded());
    // The one after the rename: the history is flushed, too, before the note of the trial is removed.
    assert_survives(&log, 1);
}

#[test]
fn a_power_cut_during_the_way_back_leaves_one_of_both_binaries_where_the_history_lies_elsewhere() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let mut site = Site::with(&[("STATE_DIR", elsewhere.path())]);
    site.upgrade();
    // The one of the note that it failed: the history, which needs it, is not looked at here.
    assert_survives(&way_back(&mut site), 1);
}

fn way_back(site: &mut Site) -> Log {
    record(site, &Release::flawed("unwell-at-start"), End::RolledBack, |_| Verdict::Go)
}

#[test]
fn a_power_cut_after_a_refusal_does_not_undo_it() {
    let mut site = Site::upgraded();
    let log = record(&mut site, &Release::flawed("probe-fails"), End::Refused, |_| Verdict::Go);
    assert_survives(&log, 0);
}

const UPGRADED: &str = "event upgraded: ";
