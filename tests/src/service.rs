//! A service made of real processes, and what it prints.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{Connection, PATIENCE, Processes, Release, Terminal, get};

/// How a service is to be started.
#[derive(Debug)]
pub struct ServiceBuilder {
    directory: Directory,
    path: PathBuf,
    environment: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
    own_group: bool,
    stdin: Stdio,
    stderr: Option<Stdio>,
}

/// A service that runs, in a directory of its own.
#[derive(Debug)]
pub struct Service {
    directory: Directory,
    master: Child,
    lines: Arc<Lines>,
}

/// Where a binary lies.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// Gone with the service, unless the directory is the test's own.
    _owned: Option<TempDir>,
}

/// What the processes have printed so far, on stdout and stderr alike.
#[derive(Debug, Default)]
struct Lines {
    seen: Mutex<Vec<String>>,
    more: Condvar,
}

impl ServiceBuilder {
    /// A release in a fresh directory, on a port that the kernel chooses, with events printed.
    ///
    /// # Panics
    ///
    /// If the directory cannot be made.
    #[must_use]
    pub fn new(release: &Release) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        release.install(&directory.path().join("app"));
        let path = directory.path().to_owned();
        Self::in_directory(Directory { path, _owned: Some(directory) })
    }

    /// The binary that is in `directory` already, which outlives the service: for a second service
    /// of one binary, or the next start of one that ended.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self::in_directory(Directory { path: directory.to_owned(), _owned: None })
    }

    fn in_directory(directory: Directory) -> Self {
        let path = directory.path.join("app");
        let (environment, wrapper, stdin) = (Vec::new(), Vec::new(), Stdio::null());
        let (own_group, stderr) = (true, None);
        let builder = Self { directory, path, environment, wrapper, own_group, stdin, stderr };
        builder
            .set("ADDRESS", "127.0.0.1:0")
            .set("PROBATION", "0s")
            .set("MIN_FETCH_INTERVAL", "50ms")
    }

    /// Starts the binary by `path`, which leads to it.
    #[must_use]
    pub fn through(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sets a variable of the fixture.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs the binary as the last argument of another command, such as `strace`.
    #[must_use]
    pub fn under(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(OsString::from).collect();
        self
    }

    /// Starts it with every signal at its default action, whatever whoever runs the test ignores.
    #[must_use]
    pub fn with_default_signals(self) -> Self {
        self.under(&["env", "--default-signal"])
    }

    /// Has a system call fail in each of its threads, as `strace -e inject=CALL:FAULT` has it.
    #[must_use]
    pub fn with_fault(self, call: &str, fault: &str) -> Self {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
        let quiet = ["env", "--default-signal", "strace", "-D", "-f", "-qqq", "-o", "/dev/null"];
        let tracer: Vec<_> = quiet.into_iter().chain(["-e", &trace, "-e", &inject]).collect();
        self.under(&tracer)
    }

    /// Gives it this standard input. Default: none.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Gives it this standard error. Default: its lines are collected with the others.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// Runs it in the foreground of `terminal`, as a shell would.
    #[must_use]
    pub fn in_terminal(mut self, terminal: &Terminal) -> Self {
        // It leads a session of its own, so it must not lead a process group before.
        self.own_group = false;
        self.under(&["env", "--default-signal", "setsid", "--ctty"]).stdin(terminal.line())
    }

    /// The directory of the binary.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory.path
    }

    /// The binary.
    #[must_use]
    pub fn binary(&self) -> PathBuf {
        self.directory.path.join("app")
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(self) -> Service {
        let mut words = self.wrapper.clone();
        words.push(self.path.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(self.stdin);
        command.stdout(Stdio::piped()).stderr(self.stderr.unwrap_or_else(Stdio::piped));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.own_group {
            command.process_group(0);
        }
        let mut master = command.spawn().expect("the service starts");
        let lines = Arc::new(Lines::default());
        lines.collect(master.stdout.take().expect("stdout is piped"));
        if let Some(stderr) = master.stderr.take() {
            lines.collect(stderr);
        }
        Service { directory: self.directory, master, lines }
    }

    /// Starts it, and waits until its first generation serves.
    #[must_use]
    pub fn start(self) -> Service {
        let service = self.spawn();
        service.wait_for("serving 1 ");
        service
    }
}

impl Lines {
    fn collect(self: &Arc<Self>, from: impl Read + Send + 'static) {
        let lines = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                lines.lock().push(String::from_utf8_lossy(&line).into_owned());
                lines.more.notify_all();
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// A service of a good release, started with these variables.
    #[must_use]
    pub fn with(variables: &[(&str, &str)]) -> Self {
        let builder = ServiceBuilder::new(&Release::good());
        let set = |builder: ServiceBuilder, (name, value): &(&str, &str)| builder.set(name, *value);
        variables.iter().fold(builder, set).start()
    }

    /// Waits for the first line that contains `text`.
    ///
    /// # Panics
    ///
    /// If it does not come, with everything that did.
    #[expect(clippy::must_use_candidate, reason = "often it is only waited for")]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_nth(text, 1)
    }

    /// Waits for the `count`-th line that contains `text`.
    ///
    /// # Panics
    ///
    /// If it does not come, with everything that did.
    pub fn wait_for_nth(&self, text: &str, count: usize) -> String {
        let until = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock();
        loop {
            let mut found = lines.iter().filter(|line| line.contains(text));
            if let Some(line) = found.nth(count - 1) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} (no. {count}) did not come; these did: {lines:#?}");
            let waited = self.lines.more.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The lines so far that contain `text`.
    #[must_use]
    pub fn lines(&self, text: &str) -> Vec<String> {
        let lines = self.lines.lock();
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Where it listens, as the kernel bound it.
    ///
    /// # Panics
    ///
    /// If it listens nowhere.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let line = self.wait_for("event bound: ");
        let local = line.rsplit(' ').next().expect("the event ends with the address");
        local.parse().expect("the event ends with the address")
    }

    /// The process id of the master.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.master.id().cast_signed())
    }

    /// The process id of a generation that has begun to serve.
    ///
    /// # Panics
    ///
    /// If it never does.
    #[must_use]
    pub fn pid_of(&self, generation: u64) -> Pid {
        let line = self.wait_for(&format!("serving {generation} "));
        let pid = line.rsplit(' ').next().and_then(|pid| pid.parse().ok());
        Pid::from_raw(pid.expect("the line ends with the process id"))
    }

    /// Sends the master a signal.
    ///
    /// # Panics
    ///
    /// If there is no master any more.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the master is there");
    }

    /// Sends its whole process group a signal, as `timeout` and a shell do.
    ///
    /// # Panics
    ///
    /// If there is nobody in it any more.
    pub fn signal_group(&self, signal: Signal) {
        nix::sys::signal::killpg(self.pid(), signal).expect("the group is there");
    }

    /// Asks for a restart, and waits until generation `next` is committed.
    pub fn restart(&self, next: u64) {
        self.signal(Signal::SIGUSR2);
        self.wait_for(&format!("event committed: generation {next} "));
    }

    /// The answer to one request.
    #[must_use]
    pub fn get(&self, target: &str) -> String {
        get(self.address(), target)
    }

    /// A connection that a generation has accepted and not heard of yet, and that one's answer to
    /// another.
    #[must_use]
    pub fn hold(&self) -> (Connection, String) {
        let held = Connection::open(self.address());
        // Connections are accepted in their order.
        (held, self.get("/"))
    }

    /// Its binary.
    #[must_use]
    pub fn binary(&self) -> PathBuf {
        self.directory.path.join("app")
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory.path
    }

    /// The names of the files beside the binary, but for that of its [history](Service::history).
    ///
    /// # Panics
    ///
    /// If the directory is gone.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory.path).expect("the directory is there");
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name != "app" && name != HISTORY).collect();
        names.sort();
        names
    }

    /// That just these [`files`](Self::files) are left, once whatever is being written is: the
    /// history, after a commit, is a file of another name until it is whole.
    pub fn assert_files(&self, names: &[&str]) {
        crate::eventually(&format!("{names:?} are left"), || (self.files() == names).then_some(()));
    }

    /// What it remembers on disk of binaries that it turned down, if anything.
    #[must_use]
    pub fn history(&self) -> Option<String> {
        std::fs::read_to_string(self.directory.path.join(HISTORY)).ok()
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> Processes {
        Processes::of(&self.directory.path)
    }

    /// Waits for the end of the master.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let pid = self.pid();
        let master = &mut self.master;
        crate::eventually(&format!("the master {pid} ends"), || {
            master.try_wait().expect("the master is our child")
        })
    }

    /// Sends SIGTERM, and gives how the master ended once nobody is left.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        self.processes().wait_until_gone();
        status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whatever a failed test left behind, and only that.
        let _ = self.master.kill();
        for id in self.processes().ids() {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
        let _ = self.master.wait();
    }
}

/// Where a service remembers what it turned down.
const HISTORY: &str = ".app.selfup-history";
