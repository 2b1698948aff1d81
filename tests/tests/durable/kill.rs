//! A master that is killed, at each system call of its upgrades, of what follows them, and of its start.
//!
//! The points are those of a master that is traced and not disturbed: all calls that are about a file
//! in the binary's directory, in the `state_dir` or in memory, by a name or by a descriptor, and all
//! that nobody has said are harmless. So whatever the pipeline will do one day is tried, too. A call
//! that is about no file leaves nothing that outlives the process: killed at it is killed behind the
//! last one that is.
//!
//! Behind each call that may change the disk, what is left is started and upgraded. Any other call
//! finds the disk as the last of these left it.

use selfup_tests::Release;
use selfup_tests::traced::Verdict;

use crate::place::Place;
use crate::points::{Kind, Point, Search, Shared, assert_covered, in_parallel};
use crate::site::{End, Offer, Setting, Site, TAKES_THE_PATH, TRIAL};

/// An upgrade during which a master is killed.
struct Story {
    setting: Setting,
    kind: Kind,
    offer: fn() -> Offer,
    end: End,
}

impl Story {
    /// Of a release that is published, in a service that is set up so.
    fn of(setting: Setting, offer: fn() -> Offer, end: End) -> Self {
        Self { setting, kind: Kind::Every, offer, end }
    }

    /// Kills a master at each point that `is_wanted`, and says at which.
    fn kill_everywhere(&self, is_wanted: impl Fn(&[Point], usize) -> bool) -> Vec<Point> {
        let Self { setting, kind, offer, end } = *self;
        let all = Site::upgraded(setting).list(kind, &offer(), end);
        let wanted = (0..all.len()).filter(|index| is_wanted(&all, *index));
        let points: Vec<_> = wanted.map(|index| all[index].clone()).collect();
        let start = || (Site::upgraded(setting), None);
        in_parallel(&points, start, |(site, left_over), point| {
            let old = site.current.clone();
            let offer = left_over.take().unwrap_or_else(offer);
            let new = site.offered(&offer);
            site.kill_at(kind, point, &offer, end);
            let found = site.assert_good(&old, &new, point);
            assert_is_what_was_done(found, &old, point);
            let is_in_place = site.start_again(&old, &new, point).id() == new.id();
            // A rollback has to have where to go, as it had the first time.
            if point.is_after || matches!(offer, Offer::Previous) {
                site.upgrade();
            } else if !is_in_place && matches!(end, End::Committed | End::Followed) {
                // Nobody has turned it down.
                *left_over = Some(offer);
            }
        });
        eprintln!("killed at {} points: {end:?}, {setting:?}", points.len());
        points
    }
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

/// What is not behind the call `call`.
fn is_before(call: &str) -> impl Fn(&[Point], usize) -> bool {
    let is_behind = is_behind(call);
    move |points, index| !is_behind(points, index)
}

fn good() -> Offer {
    Offer::Release(Release::good())
}

fn unwell() -> Offer {
    Offer::Release(Release::flawed("unwell-at-start"))
}

fn refused() -> Offer {
    Offer::Release(Release::flawed("probe-fails"))
}

fn packed() -> Offer {
    let release = Release::good();
    Offer::Packed(release.clone(), release.tarred("server"))
}

#[test]
fn killed_at_any_call_of_an_upgrade_the_path_holds_a_binary_that_starts_and_upgrades() {
    let story = Story::of(Setting::Beside, good, End::Committed);
    let points = story.kill_everywhere(|_, _| true);
    let calls = [
        "openat .app.selfup-stage-",
        "write .app.selfup-stage-",
        "fchmod .app.selfup-stage-",
        "fsync .app.selfup-stage-",
        "link app .app.selfup-stage-",
        "fsync place",
        "rename .app.selfup-stage- .app.selfup-trial",
        "rename .app.selfup-stage- .app.selfup-previous",
        TAKES_THE_PATH,
        "rename .app.selfup-stage- .app.selfup-history",
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
    assert_met(&points, &["flock .app.selfup-stage-", "close .app.selfup-stage-"]);
}

#[test]
fn killed_at_any_call_of_an_unpacking_the_path_holds_a_binary_that_starts_and_upgrades() {
    // From there on it is an upgrade like any other.
    let is_wanted = is_before(NOTES_THE_TRIAL);
    let story = Story::of(Setting::Beside, packed, End::Committed);
    let points = story.kill_everywhere(is_wanted);
    let is_second = |point: &Point| point.call == "write .app.selfup-stage-" && point.number > 2;
    assert!(points.iter().any(is_second), "nothing was unpacked at {points:#?}");
    assert_covered(&points, &["unlink .app.selfup-stage-", NOTES_THE_TRIAL]);
}

#[test]
fn killed_at_any_call_of_a_swap_without_links_the_path_holds_a_binary_that_starts_and_upgrades() {
    let (is_linked, is_taken) = (is_behind(NOTES_THE_TRIAL), is_behind(TAKES_THE_PATH));
    let is_wanted =
        |points: &[Point], index: usize| is_linked(points, index) && !is_taken(points, index);
    let story = Story { kind: Kind::Linkless, ..Story::of(Setting::Beside, good, End::Committed) };
    let points = story.kill_everywhere(is_wanted);
    let calls = [
        "link app .app.selfup-stage-",
        "copy_file_range .app.selfup-stage- app",
        "fsync .app.selfup-stage-",
        "rename .app.selfup-stage- .app.selfup-previous",
        TAKES_THE_PATH,
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_the_way_back_the_path_holds_a_binary_that_starts_and_upgrades() {
    // Before that it is an upgrade like any other.
    let is_wanted = is_behind(TAKES_THE_PATH);
    let story = Story::of(Setting::Beside, unwell, End::RolledBack);
    let points = story.kill_everywhere(is_wanted);
    let calls = [
        "rename .app.selfup-stage- .app.selfup-trial",
        "rename .app.selfup-previous app",
        "rename .app.selfup-stage- .app.selfup-history",
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_a_rollback_by_request_the_path_holds_a_binary_that_starts_and_upgrades() {
    let story = Story::of(Setting::Beside, || Offer::Previous, End::Committed);
    let points = story.kill_everywhere(|_, _| true);
    let calls = [
        "link .app.selfup-previous .app.selfup-stage-",
        "rename .app.selfup-stage- .app.selfup-history",
        NOTES_THE_TRIAL,
        "rename .app.selfup-stage- .app.selfup-previous",
        TAKES_THE_PATH,
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_a_refusal_the_path_holds_the_binary_that_was_there() {
    let story = Story::of(Setting::Beside, refused, End::Refused);
    let points = story.kill_everywhere(is_refused);
    assert_covered(&points, &["rename .app.selfup-stage- .app.selfup-history"]);
}

/// From there on: the candidate is removed, and the history is written.
fn is_refused(points: &[Point], index: usize) -> bool {
    let removed = |point: &&Point| point.call == "unlink .app.selfup-stage-" && point.is_after;
    points[..index].iter().filter(removed).count() > 1
}

#[test]
fn killed_at_any_call_that_writes_a_history_elsewhere_the_path_holds_a_binary_that_upgrades() {
    let commit = Story::of(Setting::Elsewhere, good, End::Committed);
    let way_back = Story::of(Setting::Elsewhere, unwell, End::RolledBack);
    let refusal = Story::of(Setting::Elsewhere, refused, End::Refused);
    let calls = ["rename .app-*.selfup-stage- .app-*.selfup-history", "fsync state"];
    assert_covered(&commit.kill_everywhere(is_behind(TAKES_THE_PATH)), &calls);
    assert_covered(&way_back.kill_everywhere(is_behind("rename .app.selfup-previous app")), &calls);
    assert_covered(&refusal.kill_everywhere(is_refused), &calls);
}

#[test]
fn killed_at_any_call_of_a_succession_the_path_holds_the_binary_that_was_committed() {
    let story =
        Story { kind: Kind::Succession, ..Story::of(Setting::Succession, good, End::Followed) };
    let points = story.kill_everywhere(|_, _| true);
    assert_covered(&points, &["first: write memfd:selfup"]);
    assert_met(&points, &["first: memfd_create", "first: execve app", "flock app"]);
}

/// Kills a master at each point of its start from what another left that was killed `at` this call of
/// its upgrade by `offer`.
fn kill_every_start(setting: Setting, offer: &Offer, end: End, at: &Point) -> Vec<Point> {
    let left = Left::behind(setting, offer, end, at);
    let mut site = Site::new(setting);
    site.lay_out(&left.place);
    let shared = Shared::new(Search::list(Kind::Every));
    site.kill_start(&shared);
    let points = shared.seen();
    let start = || (Site::new(setting), left.again());
    in_parallel(&points, start, |(site, left), point| {
        site.lay_out(&left.place);
        let shared = Shared::new(Search::for_point(Kind::Every, point.clone(), Verdict::Kill));
        site.kill_start(&shared);
        assert!(shared.is_found(), "{point} was not come to: {:#?}", shared.seen());
        site.assert_good(&left.old, &left.new, point);
        if point.is_after {
            let _ = site.start_again(&left.old, &left.new, point);
            site.upgrade();
        }
    });
    eprintln!("killed at {} points of a start, behind {at}, {setting:?}", points.len());
    points
}

#[test]
fn killed_at_any_call_of_a_start_that_goes_on_with_a_trial_the_path_holds_a_binary_that_starts() {
    let points = kill_every_start(Setting::Beside, &good(), End::Committed, &on_trial());
    let calls = [
        "first: rename .app.selfup-stage- .app.selfup-trial",
        "unlink .app.selfup-stage-",
        "unlink .app.selfup-trial",
    ];
    assert_covered(&points, &calls);
}

#[test]
fn killed_at_any_call_of_a_start_that_puts_a_binary_back_the_path_holds_one_that_starts() {
    let points = kill_every_start(Setting::Beside, &unwell(), End::RolledBack, &failed());
    let calls =
        ["first: rename .app.selfup-previous app", "rename .app.selfup-stage- .app.selfup-history"];
    assert_covered(&points, &calls);
}

/// Where a candidate is on trial, and none of its starts was counted.
pub(crate) fn on_trial() -> Point {
    Point { call: TAKES_THE_PATH.to_owned(), number: 1, is_after: true }
}

/// Where a candidate is known to have failed, and is in place.
fn failed() -> Point {
    Point { call: "rename .app.selfup-previous app".to_owned(), number: 1, is_after: false }
}

/// What a master left that was killed during an upgrade.
pub(crate) struct Left {
    pub(crate) old: Release,
    pub(crate) new: Release,
    pub(crate) place: Place,
    _temporary: tempfile::TempDir,
}

impl Left {
    /// Killed `at` this call of an upgrade by `offer`. A file lies there that somebody else left.
    pub(crate) fn behind(setting: Setting, offer: &Offer, end: End, at: &Point) -> Self {
        let mut site = Site::upgraded(setting);
        let (old, new) = (site.current.clone(), site.offered(offer));
        site.kill_at(Kind::Every, at, offer, end);
        let half_written = site.place().path_of(".app.selfup-stage-ABCDEF");
        std::fs::write(half_written, &old.bytes()[..1_000_000]).expect("it can be written");
        Self::copy_of(site.place(), old, new)
    }

    /// The same, where the next start is one too many.
    pub(crate) fn counted(self) -> Self {
        let path = self.place.path_of(TRIAL);
        let note = std::fs::read_to_string(&path).expect("it is noted");
        let counted = note.replace("\"starts\": 0", "\"starts\": 2");
        assert_ne!(note, counted, "no start was counted");
        std::fs::write(path, counted).expect("it is ours");
        self
    }

    /// The same, with locks of its own.
    pub(crate) fn again(&self) -> Self {
        Self::copy_of(&self.place, self.old.clone(), self.new.clone())
    }

    fn copy_of(place: &Place, old: Release, new: Release) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let copy = Place::new(temporary.path());
        place.copy_to(&copy);
        Self { old, new, place: copy, _temporary: temporary }
    }
}

/// That each of these calls is among `points`, whose only place is before it.
fn assert_met(points: &[Point], calls: &[&str]) {
    for call in calls {
        assert!(points.iter().any(|point| point.call == *call), "{call} is not one of {points:#?}");
    }
}

const NOTES_THE_TRIAL: &str = "rename .app.selfup-stage- .app.selfup-trial";
