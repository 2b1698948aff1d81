//! A service together with the publisher that it takes its releases from.

use std::path::PathBuf;

use crate::{Publisher, Release, Service, ServiceBuilder, eventually};

/// A service, its publisher, and a note of every start of its binary.
///
/// Dropped in this order, so that a service never outlives what it needs.
#[derive(Debug)]
pub struct Published {
    /// What runs.
    pub service: Service,
    /// Where its releases come from.
    pub publisher: Publisher,
    notes: tempfile::TempDir,
}

impl Published {
    /// A service with these variables that polls a publisher of its own release, and has found out
    /// that there is nothing new.
    ///
    /// # Panics
    ///
    /// If a directory cannot be made.
    #[must_use]
    pub fn start(variables: &[(&str, &str)]) -> Self {
        Self::with(&Release::good(), variables)
    }

    /// The same, of a `release` that the test goes back to.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn with(release: &Release, variables: &[(&str, &str)]) -> Self {
        let publisher = Publisher::start(crate::Answer::Whole(release.clone()));
        let started = Self::of(ServiceBuilder::new(release), publisher, variables);
        started.publisher.wait_for("GET 304", 1);
        started
    }

    /// A service of this builder that polls `publisher`.
    ///
    /// # Panics
    ///
    /// If a directory cannot be made.
    #[must_use]
    pub fn of(builder: ServiceBuilder, publisher: Publisher, variables: &[(&str, &str)]) -> Self {
        let notes = tempfile::tempdir().expect("a temporary directory");
        let builder = builder.set("FETCHER", publisher.url());
        let builder = builder.set("STARTS", notes.path().join("starts"));
        let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
        let service = variables.iter().fold(builder, set).start();
        Self { service, publisher, notes }
    }

    /// Stops the service, and starts it again as it was started, with these variables in place of
    /// the others.
    ///
    /// # Panics
    ///
    /// If it does not end well.
    #[must_use]
    pub fn start_again(&mut self, variables: &[(&str, &str)]) -> Service {
        assert!(self.service.stop().success(), "it ends well");
        self.start_next(variables)
    }

    /// Starts the service again once it has ended.
    #[must_use]
    pub fn start_next(&self, variables: &[(&str, &str)]) -> Service {
        let builder = ServiceBuilder::of(self.service.directory());
        let builder = builder.set("FETCHER", self.publisher.url());
        let builder = builder.set("STARTS", self.starts_path());
        let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
        variables.iter().fold(builder, set).start()
    }

    /// Publishes `release`, and waits until a generation of it is committed.
    pub fn upgrade(&self, release: &Release) {
        let committed = self.service.lines(COMMITTED).len();
        self.publisher.publish(crate::Answer::Whole(release.clone()));
        self.service.wait_for_nth(COMMITTED, committed + 1);
        self.service.assert_runs(release);
    }

    /// How often the binary, or a candidate for it, was started in this role: a fixture notes that
    /// before it does anything wrong.
    #[must_use]
    pub fn starts(&self, role: &str) -> usize {
        let notes = std::fs::read_to_string(self.starts_path()).unwrap_or_default();
        notes.lines().filter(|line| *line == role).count()
    }

    fn starts_path(&self) -> PathBuf {
        self.notes.path().join("starts")
    }
}

impl Service {
    /// That `release` answers, and that it is the binary on disk, byte for byte.
    ///
    /// # Panics
    ///
    /// If it is not so.
    pub fn assert_runs(&self, release: &Release) {
        let id = release.id().to_string();
        // Where a machine is so slow that a generation does not say in time that it is paused, the
        // restart goes on without its word, and it may answer once more.
        eventually(&format!("{id} answers"), || self.get("/").contains(&id).then_some(()));
        self.assert_on_disk(release);
    }

    /// Waits until `generation` answers, and gives its answer.
    ///
    /// A commit is told before that: where the one before has not said in time that it is paused, it may answer
    /// once more.
    #[expect(clippy::must_use_candidate, reason = "often it is only waited for")]
    pub fn wait_until_served_by(&self, generation: u64) -> String {
        crate::served_by(self.address(), generation)
    }

    /// That the binary on disk is `release`, byte for byte.
    ///
    /// # Panics
    ///
    /// If it is not so.
    pub fn assert_on_disk(&self, release: &Release) {
        let found = std::fs::read(self.binary()).expect("the binary is there");
        assert!(found == release.bytes(), "the binary on disk is another one");
    }

    /// That nothing lies beside the binary but what a swap keeps: `previous`.
    ///
    /// # Panics
    ///
    /// If it is not so.
    pub fn assert_previous(&self, previous: &Release) {
        // What is remembered is written to a file of its own first.
        eventually("only the previous binary lies there", || {
            (self.files() == [PREVIOUS]).then_some(())
        });
        let found = std::fs::read(self.directory().join(PREVIOUS)).expect("it was listed");
        assert!(found == previous.bytes(), "the previous binary is another one");
    }

    /// Waits until this many bytes of a candidate lie beside the binary. Files of other lengths are
    /// written there as well: by the preflight an empty one, and the history.
    pub fn wait_for_staged(&self, bytes: u64) {
        let is_long = |name: &String| {
            let file = std::fs::metadata(self.directory().join(name));
            file.is_ok_and(|file| file.len() == bytes)
        };
        eventually("a candidate is being staged", || {
            let files = self.files().into_iter();
            let mut staged = files.filter(|name| name.starts_with(".app.selfup-stage-"));
            staged.any(|name| is_long(&name)).then_some(())
        });
    }

    /// A number of `/proc/PID/status` of the master, such as `VmHWM`, in KiB.
    ///
    /// `RssAnon` is counted page by page: what `status` tells of it leaves out what each thread, or
    /// processor, has not handed in yet (`proc_pid_status(5)`), which may be hundreds of KiB.
    ///
    /// # Panics
    ///
    /// If there is no such number.
    #[must_use]
    pub fn memory(&self, name: &str) -> u64 {
        let (file, name) = match name {
            "RssAnon" => ("smaps_rollup", "Anonymous"),
            name => ("status", name),
        };
        let status = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid()));
        let status = status.expect("the master is there");
        let mut lines = status.lines().filter_map(|line| line.strip_prefix(name));
        let line = lines.find_map(|line| line.strip_prefix(':')).expect("the kernel tells it");
        let number = line.trim().trim_end_matches(" kB").parse();
        number.expect("it is a number of KiB")
    }
}

const COMMITTED: &str = "event committed: ";

/// What a swap keeps beside the binary.
const PREVIOUS: &str = ".app.selfup-previous";
