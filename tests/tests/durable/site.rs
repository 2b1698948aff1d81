//! A service that is killed, and started again in the same directory.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    directory: PathBuf,
    _temporary: tempfile::TempDir,
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

impl Site {
    /// With a service that has found out that there is nothing new.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same, first started with these variables.
    pub(crate) fn with(variables: &[(&str, &Path)]) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        // Its name is a part of the words for a call.
        let directory = temporary.path().join("place");
        fs::create_dir(&directory).expect("it can be made");
        let current = Release::good();
        current.install(&directory.join("app"));
        let publisher = Publisher::start(Answer::Whole(current.clone()));
        let builder = builder(&directory, &publisher);
        let set =
            |builder: ServiceBuilder, (name, value): &(&str, &Path)| builder.set(name, *value);
        let service = variables.iter().fold(builder, set).start();
        publisher.wait_for("GET 304", 1);
        let service = Some(service);
        Self { service, publisher, current, directory, _temporary: temporary }
    }

    /// The same, after an upgrade: with a previous binary, and a history.
    pub(crate) fn upgraded() -> Self {
        let mut site = Self::new();
        site.upgrade();
        site
    }

    /// What runs there.
    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("it is up")
    }

    /// The points of an upgrade to `new`, which is followed by another.
    pub(crate) fn list(&mut self, new: &Release, end: End) -> Vec<Point> {
        let shared = Shared::new(Search::list(Kind::Every));
        self.kill(&shared, new, end);
        shared.seen()
    }

    /// Kills the master at this point of its upgrade to `new`.
    pub(crate) fn kill_at(&mut self, point: &Point, new: &Release, end: End) {
        let search = Search::for_point(Kind::Every, point.clone(), Verdict::Kill);
        let shared = Shared::new(search);
        self.kill(&shared, new, end);
        assert!(shared.is_found(), "{point} was not come to: {:#?}", shared.seen());
    }

    /// Kills the master where it is found, or once its upgrade is over.
    fn kill(&mut self, shared: &Shared, new: &Release, end: End) {
        let (pid, directory) = (self.service().pid(), &self.directory);
        let traced = Traced::upgrades_of(pid, directory, shared.watch());
        let mut is_over = self.end(end);
        self.publisher.publish(Answer::Whole(new.clone()));
        eventually("the point is come to, or the upgrade is over", || {
            (shared.is_found() || is_over()).then_some(())
        });
        drop(is_over);
        if !shared.is_found() {
            self.service().signal(Signal::SIGKILL);
        }
        traced.end();
        let mut service = self.service.take().expect("it was up");
        service.wait();
        service.processes().wait_until_gone();
    }

    /// Puts a copy of `template` in place of all that lies there.
    pub(crate) fn lay_out(&mut self, template: &Path) {
        self.service = None;
        fs::remove_dir_all(&self.directory).expect("it is ours");
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(template).arg(&self.directory);
        assert!(copy.status().is_ok_and(|status| status.success()), "it can be copied");
    }

    /// Starts what lies there, and kills it where it is found, or once it has come to rest.
    pub(crate) fn kill_start(&mut self, shared: &Shared) {
        self.publisher.publish(Answer::Status(404));
        let (gate, mut open) = std::io::pipe().expect("there are descriptors");
        let waiting = ["sh", "-c", "read -r _; exec \"$0\" </dev/null"];
        let builder = builder(&self.directory, &self.publisher).under(&waiting).stdin(gate);
        self.service = Some(builder.spawn());
        let traced = Traced::start_of(self.service().pid(), &self.directory, shared.watch());
        writeln!(open, "go").expect("it waits");
        let mut polls = None;
        eventually("the point is come to, or the start is over", || {
            let service = self.service();
            let is_done = !service.lines("serving 1 ").is_empty() && self.is_tidy();
            let count = || self.publisher.answered().len();
            let is_over = is_done && count() > *polls.get_or_insert_with(count);
            (shared.is_found() || is_over).then_some(())
        });
        if !shared.is_found() {
            self.service().signal(Signal::SIGKILL);
        }
        traced.end();
        let mut service = self.service.take().expect("it was up");
        service.wait();
        service.processes().wait_until_gone();
    }

    fn is_tidy(&self) -> bool {
        self.service().files().iter().all(|name| name == PREVIOUS)
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

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
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

    /// Starts it again, with nothing new to be had, and sees that what is at the path serves, which
    /// may have been put back first, and that nothing is left of the upgrade.
    pub(crate) fn start_again(&mut self, old: &Release, new: &Release, point: &Point) {
        self.publisher.publish(Answer::Status(404));
        self.service = Some(builder(&self.directory, &self.publisher).start());
        let runs = self.assert_good(old, new, point);
        let answer = self.service().get("/");
        assert!(answer.contains(&runs.id().to_string()), "{point}: {answer}");
        eventually(&format!("{point}: leftovers are gone"), || self.is_tidy().then_some(()));
    }

    /// Upgrades it to a release that is well.
    pub(crate) fn upgrade(&mut self) {
        self.upgrade_leaving(PREVIOUS);
    }

    /// The same, where something that begins with `left` is all that lies there beside the previous
    /// binary.
    pub(crate) fn upgrade_leaving(&mut self, left: &str) {
        self.current = Release::good();
        let committed = self.service().lines(End::Committed.event()).len();
        self.publisher.publish(Answer::Whole(self.current.clone()));
        self.service().wait_for_nth(End::Committed.event(), committed + 1);
        self.service().assert_runs(&self.current);
        eventually("nothing else lies there", || {
            let files = self.service().files();
            files.iter().all(|name| name == PREVIOUS || name.starts_with(left)).then_some(())
        });
    }

    /// Removes by hand what could not be removed.
    pub(crate) fn remove_leftovers(&self) {
        for name in self.service().files() {
            if name != PREVIOUS {
                fs::remove_file(self.directory.join(name)).expect("it is ours");
            }
        }
    }

    fn binary(&self) -> PathBuf {
        self.directory.join("app")
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
