//! Power cuts: every directory that may be left at any moment of an upgrade or of a start, and a start
//! from it.
//!
//! An upgrade is traced once, which gives a [`log`] of what is written and what is flushed. A
//! [`disk`] that is played it tells after each step what may be found once the power is back. What may
//! never be found is in [`rules`]. The log without any one of its flushes breaks one of them: so
//! each flush is needed, and the model sees it.
//!
//! A flush may be needed in another run of the same code alone. The one behind a binary that was put
//! back has the disk hold that before the note of the trial is removed, and so has the flush of the
//! history in between; unless that lies elsewhere or could not be written. The one of the history
//! that refuses what is to be rolled back is done again by the flush before the swap; unless the
//! history lies elsewhere. So a story may have several runs, and one of them has to need it.

mod disk;
mod log;
mod rules;
mod start;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::errno::Errno;
use selfup_tests::traced::{Call, Verdict};
use selfup_tests::{Release, eventually};

use self::log::{Log, Recorder};
use self::rules::play;
use self::start::start_from_each;
use crate::kill::{Left, on_trial};
use crate::site::{End, Offer, Setting, Site};

/// What an upgrade does to the place, after another upgrade.
fn record(
    site: &mut Site,
    offer: &Offer,
    end: End,
    verdict: impl FnMut(&Call) -> Verdict + Send + 'static,
) -> Log {
    let recorder = Recorder::of(site.place());
    let swapped = if matches!(offer, Offer::Previous) { ROLLED_BACK } else { UPGRADED };
    let before = site.service().lines(swapped).len();
    let traced = site.trace(recorder.watch(verdict));
    let mut is_over = site.end(end);
    site.offer(offer);
    if !matches!(end, End::Refused) {
        site.service().wait_for_nth(swapped, before + 1);
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

/// What a start does to the place that finds what was `left`.
fn record_start(
    setting: Setting,
    left: &Left,
    verdict: impl FnMut(&Call) -> Verdict + Send + 'static,
) -> Log {
    let mut site = Site::new(setting);
    site.lay_out(&left.place);
    let recorder = Recorder::of(site.place());
    site.watch_start(recorder.watch(verdict));
    recorder.told();
    recorder.log()
}

/// That no power cut during one of these runs of a story breaks a rule, that one would if any one
/// flush of the story were left out, and that a service starts from whatever is found.
fn assert_survives(runs: &[Log]) {
    let mut is_needed = BTreeMap::<_, bool>::new();
    for log in runs {
        let states = play(log).unwrap_or_else(|wrong| panic!("{wrong}\n{log}"));
        let mut counts = BTreeMap::<_, u32>::new();
        for flush in log.flushes() {
            let label = log.label(flush);
            let count = *counts.entry(label.clone()).and_modify(|it| *it += 1).or_insert(1);
            let is_missed = play(&log.without(flush)).is_err();
            *is_needed.entry((label, count)).or_default() |= is_missed;
        }
        let started = start_from_each(log, &states);
        let (states, flushes) = (states.len(), log.flushes().len());
        eprintln!("{states} states after a power cut, {started} started from; {flushes} flushes");
    }
    eprintln!("{} flushes, each removed: {:#?}", is_needed.len(), is_needed.keys());
    let needless: Vec<_> = is_needed.iter().filter(|(_, is_needed)| !**is_needed).collect();
    assert!(needless.is_empty(), "nothing needs the flush of {needless:?}");
}

#[test]
fn a_power_cut_during_an_upgrade_leaves_one_of_both_binaries_and_the_way_back() {
    for setting in [Setting::Beside, Setting::Elsewhere] {
        let log = record(&mut Site::upgraded(setting), &good(), End::Committed, |_| Verdict::Go);
        assert_survives(&[log]);
    }
}

#[test]
fn a_power_cut_during_an_upgrade_of_a_set_id_binary_leaves_its_mode() {
    let mut site = Site::upgraded(Setting::Beside);
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(site.place().binary(), mode).expect("it is ours");
    let log = record(&mut site, &good(), End::Committed, |_| Verdict::Go);
    assert_survives(&[log]);
}

#[test]
fn a_power_cut_during_an_upgrade_where_links_are_refused_leaves_a_whole_copy() {
    let mut site = Site::upgraded(Setting::Beside);
    let log = record(&mut site, &good(), End::Committed, |call| {
        let is_link = call.name == "link" && call.result.is_none();
        if is_link { Verdict::Fail(Errno::EPERM) } else { Verdict::Go }
    });
    assert_survives(&[log]);
}

#[test]
fn a_power_cut_during_the_way_back_leaves_one_of_both_binaries() {
    let run = |setting, verdict: Box<dyn FnMut(&Call) -> Verdict + Send>| {
        record(&mut Site::upgraded(setting), &unwell(), End::RolledBack, verdict)
    };
    let go = || Box::new(|_: &Call| Verdict::Go);
    assert_survives(&[run(Setting::Beside, go()), run(Setting::Beside, Box::new(no_history()))]);
    assert_survives(&[run(Setting::Elsewhere, go())]);
}

#[test]
fn a_power_cut_during_a_rollback_by_request_leaves_one_of_both_binaries() {
    let run = |setting| {
        record(&mut Site::upgraded(setting), &Offer::Previous, End::Committed, |_| Verdict::Go)
    };
    assert_survives(&[run(Setting::Beside), run(Setting::Elsewhere)]);
}

#[test]
fn a_power_cut_during_a_start_that_counts_leaves_it_counted_and_the_way_back() {
    for setting in [Setting::Beside, Setting::Elsewhere] {
        let left = Left::behind(setting, &good(), End::Committed, &on_trial());
        assert_survives(&[record_start(setting, &left, |_| Verdict::Go)]);
    }
}

#[test]
fn a_power_cut_during_a_start_that_puts_a_binary_back_leaves_one_of_both() {
    for setting in [Setting::Beside, Setting::Elsewhere] {
        let left = Left::behind(setting, &good(), End::Committed, &on_trial()).counted();
        assert_survives(&[record_start(setting, &left, |_| Verdict::Go)]);
    }
}

#[test]
fn a_power_cut_after_a_refusal_does_not_undo_it() {
    for setting in [Setting::Beside, Setting::Elsewhere] {
        let refused = Offer::Release(Release::flawed("probe-fails"));
        let log = record(&mut Site::upgraded(setting), &refused, End::Refused, |_| Verdict::Go);
        assert_survives(&[log]);
    }
}

/// Has the disk be full when the history is to be written, behind a binary that was put back.
fn no_history() -> impl FnMut(&Call) -> Verdict + Send {
    let mut is_back = false;
    move |call| {
        let (is_before, words) = (call.result.is_none(), call.in_words());
        is_back |= !is_before && words == PUTS_BACK;
        let is_history = is_back && is_before && call.may_create();
        if is_history { Verdict::Fail(Errno::ENOSPC) } else { Verdict::Go }
    }
}

fn good() -> Offer {
    Offer::Release(Release::good())
}

fn unwell() -> Offer {
    Offer::Release(Release::flawed("unwell-at-start"))
}

const UPGRADED: &str = "event upgraded: ";

const ROLLED_BACK: &str = "event rolled_back: ";

const PUTS_BACK: &str = "rename .app.selfup-previous app";
