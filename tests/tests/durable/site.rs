//! A service that is killed, and started again in the same directory.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use selfup_tests::traced::{Traced, Verdict, Watch};
use selfup_tests::{Answer, Load, Publisher, Release, Service, ServiceBuilder, eventually};

use crate::place::Place;
use crate::points::{Kind, Point, Search, Shared};

mod names;

pub(crate) use self::names::{
    COMES_BACK, ELSEWHERE, HISTORY, PREVIOUS, STAGED, STARTS, TAKES_THE_PATH, TRIAL,
};

/// A place, who publishes for it, and what runs there.
pub(crate) struct Site {
    /// None while it is down: whoever drops one ends all that runs in its directory.
    service: Option<Service>,
    pub(crate) publisher: Publisher,
    /// What was installed there last.
    pub(crate) current: Release,
    /// What was there before.
    previous: Release,
    setting: Setting,
    place: Place,
    temporary: tempfile::TempDir,
}

/// How a service is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Its history lies beside the binary.
    Beside,
    /// Its history lies in a `state_dir`.
    Elsewhere,
    /// The master becomes what it has committed.
    Succession,
}

/// What is to take the path.
#[derive(Debug, Clone)]
pub(crate) enum Offer {
    /// This, which is published.
    Release(Release),
    /// This, which is published in an archive: the other.
    Packed(Release, Release),
    /// The previous binary, because the program asks for it.
    Previous,
}

/// How an upgrade ends that nobody disturbs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Committed,
    RolledBack,
    Refused,
    /// The master has become it.
    Followed,
}

impl End {
    /// The event that tells of it.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Committed => "event committed: ",
            Self::RolledBack => "event rolled_back: ",
            Self::Refused => "event candidate_refused: ",
            Self::Followed => "event master_replaced: ",
        }
    }
}

impl Site {
    /// With a service that has found out that there is nothing new.
    pub(crate) fn new(setting: Setting) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let place = Place::new(temporary.path());
        let current = Release::good();
        current.install(&place.binary());
        let publisher = Publisher::start(Answer::Whole(current.clone()));
        let previous = current.clone();
        let mut site =
            Self { service: None, publisher, current, previous, setting, place, temporary };
        site.service = Some(site.builder().start());
        site.publisher.wait_for("GET 304", 1);
        site
    }

    /// The same, after an upgrade: with a previous binary, and a history.
    pub(crate) fn upgraded(setting: Setting) -> Self {
        let mut site = Self::new(setting);
        site.upgrade();
        site
    }

    /// What runs there.
    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("it is up")
    }

    /// Where it runs.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    fn builder(&self) -> ServiceBuilder {
        let directory = self.place.directory();
        let builder =
            builder(&directory, &self.publisher).set("STARTS", self.temporary.path().join(STARTS));
        match self.setting {
            Setting::Beside => builder,
            Setting::Elsewhere => builder.set("STATE_DIR", self.place.state()),
            Setting::Succession => builder.set("UPGRADE_MASTER", "true"),
        }
    }

    /// What takes the path by this offer.
    pub(crate) fn offered(&self, offer: &Offer) -> Release {
        match offer {
            Offer::Release(release) | Offer::Packed(release, _) => release.clone(),
            Offer::Previous => self.previous.clone(),
        }
    }

    /// Offers it.
    pub(crate) fn offer(&self, offer: &Offer) {
        match offer {
            Offer::Release(published) | Offer::Packed(_, published) => {
                self.publisher.publish(Answer::Whole(published.clone()));
            }
            Offer::Previous => {
                self.publisher.publish(Answer::Status(304));
                assert_eq!(self.service().get("/rollback"), ASKED);
            }
        }
    }

    /// The points of an upgrade, which is followed by another.
    pub(crate) fn list(&mut self, kind: Kind, offer: &Offer, end: End) -> Vec<Point> {
        let shared = Shared::new(Search::list(kind));
        self.kill(&shared, offer, end);
        shared.seen()
    }

    /// Kills the master at this point of an upgrade.
    pub(crate) fn kill_at(&mut self, kind: Kind, point: &Point, offer: &Offer, end: End) {
        let search = Search::for_point(kind, point.clone(), Verdict::Kill);
        let shared = Shared::new(search);
        self.kill(&shared, offer, end);
        assert!(shared.is_found(), "{point} was not come to: {:#?}", shared.seen());
    }

    /// Kills the master where it is found, or once its upgrade is over.
    fn kill(&mut self, shared: &Shared, offer: &Offer, end: End) {
        let traced = self.trace(shared.watch());
        let mut is_over = self.end(end);
        self.offer(offer);
        eventually("the point is come to, or the upgrade is over", || {
            (shared.is_found() || is_over()).then_some(())
        });
        drop(is_over);
        self.kill_traced(traced, shared.is_found());
    }

    /// Traces what does the upgrades, or what becomes of the master after one.
    pub(crate) fn trace(&self, watch: Watch) -> Traced {
        let (pid, directories) = (self.service().pid(), self.place.directories());
        let directories = directories.each_ref().map(PathBuf::as_path);
        match self.setting {
            Setting::Succession => Traced::first_thread_of(pid, &directories, watch),
            Setting::Beside | Setting::Elsewhere => Traced::upgrades_of(pid, &directories, watch),
        }
    }

    /// Kills what is traced, unless that was done.
    fn kill_traced(&mut self, traced: Traced, is_killed: bool) {
        if !is_killed {
            self.service().signal(Signal::SIGKILL);
        }
        traced.end();
        let mut service = self.service.take().expect("it was up");
        service.wait();
        service.processes().wait_until_gone();
    }

    /// Puts what lies in `template` in place of all that lies there.
    pub(crate) fn lay_out(&mut self, template: &Place) {
        self.service = None;
        self.place.lay_out(template);
    }

    /// Starts what lies there, and kills it where it is found, or once it has come to rest.
    pub(crate) fn kill_start(&mut self, shared: &Shared) {
        let [directory, state] = self.place.directories();
        let traced = self.start_traced(&[&directory, &state], shared.watch());
        let mut is_over = self.is_at_rest();
        eventually("the point is come to, or the start is over", || {
            (shared.is_found() || is_over()).then_some(())
        });
        drop(is_over);
        self.kill_traced(traced, shared.is_found());
    }

    /// Starts what lies there, with calls that fail, and stops it once it has nothing more to do or
    /// says that it can do nothing. It serves meanwhile. Gives what it told.
    pub(crate) fn start_failing(&mut self, shared: &Shared) -> Vec<String> {
        let [directory, state] = self.place.directories();
        let traced = self.start_traced(&[&directory, &state], shared.watch());
        self.service().wait_for("serving 1 ");
        let load = Load::start(self.service().address(), "/sleep?20", 1);
        let mut polls = self.end_of_poll();
        let is_off = || !self.service().lines("event upgrades_disabled: ").is_empty();
        eventually("it polls, or says why not", || {
            ((shared.lasts() && is_off()) || polls()).then_some(())
        });
        drop(polls);
        assert!(self.service().lines("without a master").is_empty(), "it has no master");
        // By a restart, if what was on trial came up and was put back behind that.
        let in_place = fs::read(self.place.binary()).expect("it is there");
        self.service().assert_runs(&Release::of(in_place));
        assert_eq!(load.stop(), [""; 0]);
        let told = self.service().lines("");
        self.service().signal(Signal::SIGTERM);
        traced.end();
        assert!(self.service.take().expect("it was up").wait().success());
        told
    }

    /// Starts what lies there, traced from its first call on, and lets it come to rest. The calls
    /// that are about the file [`STARTS`] are seen, too.
    pub(crate) fn watch_start(&mut self, watch: Watch) {
        let root = self.temporary.path().to_owned();
        let traced = self.start_traced(&[&root], watch);
        let mut is_over = self.is_at_rest();
        eventually("the start is over", || is_over().then_some(()));
        drop(is_over);
        self.kill_traced(traced, false);
    }

    fn start_traced(&mut self, directories: &[&Path], watch: Watch) -> Traced {
        self.publisher.publish(Answer::Status(404));
        let (gate, mut open) = std::io::pipe().expect("there are descriptors");
        let waiting = ["sh", "-c", "read -r _; exec \"$0\" </dev/null"];
        self.service = Some(self.builder().under(&waiting).stdin(gate).spawn());
        let traced = Traced::first_thread_of(self.service().pid(), directories, watch);
        writeln!(open, "go").expect("it waits");
        traced
    }

    /// Looks whether a start is over: it serves, is tidy, and has polled after that.
    fn is_at_rest(&self) -> impl FnMut() -> bool {
        let mut polls = None;
        move || {
            let is_done = !self.service().lines("serving 1 ").is_empty() && self.is_tidy();
            let count = || self.publisher.answered().len();
            // One poll may have been answered, and not noticed, before it was tidy.
            is_done && count() > *polls.get_or_insert_with(count) + 1
        }
    }

    pub(crate) fn is_tidy(&self) -> bool {
        is_tidy(&self.place)
    }

    /// Looks whether the next upgrade has ended so: asked again and again.
    pub(crate) fn end(&self, end: End) -> impl FnMut() -> bool {
        let before = self.service().lines(end.event()).len();
        let mut polls = None;
        move || {
            if self.service().lines(end.event()).len() == before {
                return false;
            }
            // It polls again once it has nothing more to do.
            let answered = self.publisher.answered().iter().filter(|it| *it == "GET 304").count();
            answered > *polls.get_or_insert(answered)
        }
    }

    /// Looks whether it has polled once more.
    pub(crate) fn end_of_poll(&self) -> impl FnMut() -> bool {
        let count = || self.publisher.answered().len();
        let before = count();
        move || count() > before + 1
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        assert!(self.service.take().expect("it is up").stop().success());
    }

    /// That the path holds `old` or `new`, complete and executable, and says which.
    pub(crate) fn assert_good<'r>(
        &self,
        old: &'r Release,
        new: &'r Release,
        point: &Point,
    ) -> &'r Release {
        let path = self.place.binary();
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{point}: {error}"));
        let good = [old, new].into_iter().find(|release| found == release.bytes());
        let good = good.unwrap_or_else(|| panic!("{point}: the path holds something else"));
        let metadata = fs::metadata(&path).expect("it was read");
        assert_eq!(metadata.mode() & 0o7777, 0o755, "{point}");
        assert_eq!(metadata.uid(), nix::unistd::getuid().as_raw(), "{point}");
        good
    }

    /// Starts it again, with nothing new to be had, and sees that what is at the path serves, which
    /// may have been put back first, and that nothing is left of the upgrade. Gives that.
    pub(crate) fn start_again(&mut self, old: &Release, new: &Release, point: &Point) -> &Release {
        self.publisher.publish(Answer::Status(404));
        self.service = Some(self.builder().start());
        let runs = self.assert_good(old, new, point).clone();
        let answer = self.service().get("/");
        assert!(answer.contains(&runs.id().to_string()), "{point}: {answer}");
        eventually(&format!("{point}: leftovers are gone"), || self.is_tidy().then_some(()));
        // Only then the disk has what it was told before.
        let mut is_quiet = self.end_of_poll();
        eventually("it polls", || is_quiet().then_some(()));
        drop(is_quiet);
        self.previous = if runs.id() == new.id() { old.clone() } else { new.clone() };
        self.current = runs;
        &self.current
    }

    /// Upgrades it to a release that is well.
    pub(crate) fn upgrade(&mut self) {
        self.upgrade_leaving(PREVIOUS);
    }

    /// The same, where something that begins with `left` is all that lies there beside the previous
    /// binary.
    pub(crate) fn upgrade_leaving(&mut self, left: &str) {
        self.previous = std::mem::replace(&mut self.current, Release::good());
        // What follows a commit is no part of the next upgrade.
        let end = match self.setting {
            Setting::Succession => End::Followed.event(),
            Setting::Beside | Setting::Elsewhere => End::Committed.event(),
        };
        let before = self.service().lines(end).len();
        self.publisher.publish(Answer::Whole(self.current.clone()));
        self.service().wait_for_nth(end, before + 1);
        self.service().assert_runs(&self.current);
        eventually("nothing else lies there", || {
            let files = self.service().files();
            files.iter().all(|name| name == PREVIOUS || name.starts_with(left)).then_some(())
        });
    }

    /// Has it go back from a release that is not well.
    pub(crate) fn fail_a_trial(&self) {
        let event = End::RolledBack.event();
        let before = self.service().lines(event).len();
        self.publisher.publish(Answer::Whole(Release::flawed("exits")));
        self.service().wait_for_nth(event, before + 1);
        self.service().assert_on_disk(&self.current);
    }

    /// Waits until nothing lies there but what the next start sweeps, which is removed.
    pub(crate) fn wait_until_tidy_but_for_staged(&self, point: &Point) {
        eventually(&format!("{point}: leftovers are gone"), || {
            let files = self.service().files();
            files.iter().all(|name| name.starts_with(STAGED)).then_some(())
        });
        self.remove_leftovers();
    }

    /// Removes by hand what could not be removed.
    pub(crate) fn remove_leftovers(&self) {
        for name in self.service().files() {
            if name != PREVIOUS {
                fs::remove_file(self.place.path_of(&name)).expect("it is ours");
            }
        }
    }
}

/// Whether nothing lies there but what an upgrade keeps.
pub(crate) fn is_tidy(place: &Place) -> bool {
    let is_kept = |name: &String| ["app", PREVIOUS, HISTORY, ELSEWHERE].contains(&name.as_str());
    place.names().iter().all(is_kept)
}

/// A service that goes on in the same process, so that a tracer finds its upgrade thread.
pub(crate) fn builder(directory: &Path, publisher: &Publisher) -> ServiceBuilder {
    let builder = ServiceBuilder::of(directory).set("FETCHER", publisher.url());
    builder.set("UPGRADE_MASTER", "false").set("INTERVAL", "50ms")
}

/// What the program says once it has asked the master.
const ASKED: &str = "Ok(())\n";
