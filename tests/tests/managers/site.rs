//! A service as a process manager finds it: a directory with a binary, an address, and a log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use selfup_tests::{Load, Port, Processes, Release, eventually, get, tool};
use tempfile::TempDir;

/// Everything of one service, in a directory that goes with it.
#[derive(Debug)]
pub(crate) struct Site {
    directory: TempDir,
    port: Port,
    /// Where its output comes to lie.
    log: PathBuf,
}

impl Site {
    /// A good release, which writes to the file of that name in the log directory.
    pub(crate) fn new(log: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for part in ["bin", "log", "manager"] {
            fs::create_dir(directory.path().join(part)).unwrap();
        }
        let log = directory.path().join("log").join(log);
        let site = Self { directory, port: Port::of_the_kernels_choice(), log };
        Release::good().install(&site.binary());
        site
    }

    /// Where a manager keeps its own files.
    pub(crate) fn manager(&self) -> PathBuf {
        self.directory.path().join("manager")
    }

    pub(crate) fn binary(&self) -> PathBuf {
        self.directory.path().join("bin/app")
    }

    /// A file of `examples`, for this directory and this user, and else as it stands.
    pub(crate) fn example(&self, path: &str) -> String {
        let text = fs::read_to_string(example(path)).unwrap();
        let user = User::from_uid(Uid::effective()).unwrap().unwrap().name;
        let path = |part: &str| self.directory.path().join(part).display().to_string();
        text.replace("/opt/app", &path("bin"))
            .replace("/var/log/app", &path("log"))
            .replace("/run/app", &path("run"))
            .replace("install -d -o app ", &format!("install -d -o {user} "))
            .replace("user=app\n", &format!("user={user}\n"))
            .replace("chpst -u app ", &format!("chpst -u {user} "))
    }

    /// A manager's own process, which the service gets its environment from.
    pub(crate) fn spawn(&self, command: &mut Command) -> Child {
        command.env("ADDRESS", format!("127.0.0.1:{}", self.port.number()));
        command.env("FETCHER", self.directory.path().join("published"));
        command.env("INTERVAL", "100ms").env("MIN_FETCH_INTERVAL", "50ms").env("PROBATION", "0s");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// What the fetcher finds from now on.
    pub(crate) fn publish(&self, release: &Release) {
        release.install(&self.directory.path().join("published"));
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until so many lines of the log contain `text`.
    pub(crate) fn wait_for_nth(&self, text: &str, count: usize) {
        let found = || self.log().lines().filter(|line| line.contains(text)).count() >= count;
        eventually(&format!("{text:?} (no. {count}) is in {}", self.log.display()), || {
            found().then_some(())
        });
    }

    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_for_nth(text, 1);
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port.number()).into()
    }

    pub(crate) fn get(&self, target: &str) -> String {
        get(self.address(), target)
    }

    pub(crate) fn load(&self) -> Load {
        Load::start(self.address(), "/", 4)
    }

    pub(crate) fn processes(&self) -> Processes {
        Processes::of(&self.directory.path().join("bin"))
    }

    /// Ends a manager's process, and whatever of the service is left.
    pub(crate) fn clear(&self, manager: &mut Child) {
        let _ = manager.kill();
        let _ = manager.wait();
        for id in self.processes().ids() {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGKILL);
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// The id of a process, in words of others.
pub(crate) fn pid(words: &str) -> Option<Pid> {
    words.trim().parse().ok().filter(|pid| *pid > 0).map(Pid::from_raw)
}

/// A file of `examples`.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples").join(path)
}

/// The root of what was unpacked from packages of Debian, if it has this program.
pub(crate) fn debian(program: &str) -> Option<PathBuf> {
    tool(&format!("debian/{program}"))?;
    tool("debian")
}
