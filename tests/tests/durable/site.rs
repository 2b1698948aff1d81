//! A service that is killed, and started again in the same directory.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use selfup_tests::traced::{Traced, Verdict};
use selfup_tests::{Answer, Publisher, Release, Service, ServiceBuilder, eventually};

use crate::points::{Kind, Point, Search, Shared};

/// A directory, who publishes for it, and what runs there.
pub(crate) struct Site {
    /// None while it is down: whoever drops one ends all that runs in its directory.
    service: Option<Service>,
    pub(crate) publisher: Publisher,
    /// What was installed there last.
    pub(crate) current: Release,
    directory: tempfile::TempDir,
}

/// How an upgrade ends that nobody disturbs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Committed,
    RolledBack,
    Refused,
}

impl End {
    /// The event that tells of it.
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Committed => "event committed: ",
            Self::RolledBack => "event rolled_back: ",
            Self::Refused => "event candidate_refused: ",
        }
    }
}

impl End {
    /// The call up to which an upgrade goes as any other.
    fn begins_behind(self) -> Option<&'static str> {
        match self {
            Self::Committed => None,
            Self::RolledBack => Some(TAKES_THE_PATH),
            Self::Refused => Some("unlink .app.selfup-stage-"),
        }
    }
}

impl Site {
    /// With a service that has found out that there is nothing new.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same, first started with these variables.
    pub(crate) fn with(variables: &[(&str, &Path)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let current = Release::good();
        current.install(&directory.path().join("app"));
        let publisher = Publisher::start(Answer::Whole(current.clone()));
        let builder = builder(directory.path(), &publisher);
        let set = |builder: ServiceBuilder, (name, value): &(&str, &Path)| builder.set(name, *value);
        let service = variables.iter().fold(builder, set).start();
        publisher.wait_for("GET 304", 1);
        Self { service: Some(service), publisher, current, directory }
    }

    /// What runs there.
    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("it is up")
    }

    /// Kills the master at the point `index` of its upgrade to `new`. `None` if that was over before.
    pub(crate) fn kill_at(&mut self, index: usize, new: &Release, end: End) -> Option<Point> {
        let search = Search::new(Kind::Every, index, Verdict::Kill).behind(end.begins_behind());
        let shared = Shared::new(search);
        let (pid, directory) = (self.service().pid(), self.directory.path());
        let traced = Traced::upgrades_of(pid, directory, shared.watch());
        self.publisher.publish(Answer::Whole(new.clone()));
        let found = self.wait_for_point_or_end(&shared, end);
        if found.is_none() {
            self.service().signal(Signal::SIGKILL);
        }
        traced.end();
        let mut service = self.service.take().expect("it was up");
        service.wait();
        service.processes().wait_until_gone();
        found
    }

    fn wait_for_point_or_end(&self, shared: &Shared, end: End) -> Option<Point> {
        let mut is_over = self.end(end);
        eventually("the point is come to, or the upgrade is over", || match shared.found() {
            None => is_over().then_some(None),
            found => Some(found),
        })
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

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
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
        let path = self.binary();
        let found = fs::read(&path).unwrap_or_else(|error| panic!("{point}: {error}"));
        let good = [old, new].into_iter().find(|release| found == release.bytes());
        let good = good.unwrap_or_else(|| panic!("{point}: the path holds something else"));
        let metadata = fs::metadata(&path).expect("it was read");
        assert_eq!(metadata.mode() & 0o7777, 0o755, "{point}");
        assert_eq!(metadata.uid(), nix::unistd::getuid().as_raw(), "{point}");
        good
    }

    /// Starts it again, with nothing new to be had, and sees that `runs` serves and that nothing is
    /// left of the upgrade.
    pub(crate) fn start_again(&mut self, runs: &Release, point: &Point) {
        self.publisher.publish(Answer::Status(404));
        self.service = Some(builder(self.directory.path(), &self.publisher).start());
        let answer = self.service().get("/");
        assert!(answer.contains(&runs.id().to_string()), "{point}: {answer}");
        eventually(&format!("{point}: leftovers are gone"), || {
            let files = self.service().files();
            files.iter().all(|name| name == PREVIOUS).then_some(())
        });
    }

    /// Upgrades it to a release that is well.
    pub(crate) fn upgrade(&mut self) {
        self.current = Release::good();
        let committed = self.service().lines(End::Committed.event()).len();
        self.publisher.publish(Answer::Whole(self.current.clone()));
        self.service().wait_for_nth(End::Committed.event(), committed + 1);
        self.service().assert_runs(&self.current);
        self.service().assert_files(&[PREVIOUS]);
    }

    fn binary(&self) -> PathBuf {
        self.directory.path().join("app")
    }
}

/// A service that goes on in the same process, so that a tracer finds its upgrade thread.
pub(crate) fn builder(directory: &Path, publisher: &Publisher) -> ServiceBuilder {
    let builder = ServiceBuilder::of(directory).set("FETCHER", publisher.url());
    builder.set("UPGRADE_MASTER", "false").set("INTERVAL", "50ms")
}

/// The call by which a candidate is put in place.
pub(crate) const TAKES_THE_PATH: &str = "rename .app.selfup-stage- app";

pub(crate) const HISTORY: &str = ".app.selfup-history";

pub(crate) const TRIAL: &str = ".app.selfup-trial";

pub(crate) const PREVIOUS: &str = ".app.selfup-previous";
