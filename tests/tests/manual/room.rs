//! A machine to run commands in: this one, with directories, processes, a network and users of its own.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, Uid};
use selfup_tests::manual::Block;
use selfup_tests::{PATIENCE, children_of, eventually};
use tempfile::TempDir;

/// `/opt`, `/srv` and `/run` are its own, what is written to `/etc` is gone with it, and so is its loopback interface. Whatever is
/// started in it ends with it.
#[derive(Debug)]
pub(crate) struct Room {
    directory: TempDir,
    /// Who keeps the namespaces, until its input ends.
    holder: Child,
    first: Pid,
}

/// What commands did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
}

/// Commands that run.
#[derive(Debug)]
pub(crate) struct Running {
    shell: Child,
    output: PathBuf,
}

impl Room {
    /// None where this user may not mount: that is said aloud, and fails in CI.
    pub(crate) fn try_new() -> Option<Self> {
        if !Uid::effective().is_root() {
            eprintln!("SKIPPED: only root may mount");
            assert!(std::env::var_os("CI").is_none(), "skipped in CI");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        for part in ["opt/app", "srv/releases", "run/app", "work", "over", "commands"] {
            fs::create_dir_all(directory.path().join(part)).unwrap();
        }
        let mut unshare = Command::new("unshare");
        unshare.args(["--fork", "--kill-child", "--pid", "--mount-proc", "--net"]);
        unshare.args(["sh", "-ec", SETUP]).arg(directory.path());
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = unshare.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the room is made");
        let first = children_of(Pid::from_raw(holder.id().cast_signed()))[0];
        Some(Self { directory, holder, first })
    }

    /// A file or directory of it, as it is found from outside: `opt/app`, `work`.
    pub(crate) fn path(&self, of: &str) -> PathBuf {
        self.directory.path().join(of)
    }

    /// What a command has to begin with to run in it.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let target = self.first.to_string();
        ["nsenter", "--target", &target, "--mount", "--net", "--pid"].map(str::to_owned).to_vec()
    }

    /// Starts commands in its directory `work`, with its own commands before those of this machine.
    pub(crate) fn start(&self, commands: &str, variables: &[(&str, OsString)]) -> Running {
        let output = self.path("output");
        let file = fs::File::create(&output).unwrap();
        let entrance = self.entrance();
        let mut shell = Command::new(&entrance[0]);
        // The directory that it starts in belongs to another namespace.
        shell.args(&entrance[1..]).args(["bash", "-ec", &format!("cd \"$0\"\n{commands}")]);
        shell.arg(self.path("work"));
        let path = std::env::var("PATH").unwrap();
        shell.env("PATH", format!("{}:{path}", self.path("commands").display()));
        shell.envs(variables.iter().map(|(name, value)| (name, value)));
        shell.stdin(Stdio::null()).stderr(file.try_clone().unwrap()).stdout(file);
        Running { shell: shell.spawn().unwrap(), output }
    }

    /// Runs them to their end. What they leave in the background goes on.
    pub(crate) fn run(&self, commands: &str, variables: &[(&str, OsString)]) -> Done {
        let mut running = self.start(commands, variables);
        let status = running.wait();
        Done { status, output: running.output() }
    }

    /// Makes a program a command of it.
    pub(crate) fn add_command(&self, program: &Path) {
        let name = program.file_name().unwrap();
        std::os::unix::fs::symlink(program, self.path("commands").join(name)).unwrap();
    }

    /// Waits until the service of it answers.
    pub(crate) fn wait_for_answer(&self) {
        let curl = "curl --silent --show-error --fail http://127.0.0.1:3000/";
        eventually("it answers", || self.run(curl, &[]).status.success().then_some(()));
    }
}

impl Done {
    /// Asserts that commands came to a good end, and printed what they had to.
    pub(crate) fn assert(&self, block: &Block) {
        let Block { place, text, .. } = block;
        assert!(self.status.success(), "{place}: {}\n{text}\n{}", self.status, self.output);
        block.assert_shown(&self.output);
    }
}

impl Running {
    /// Waits for the end.
    fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.shell.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "this has no end: {}", self.output());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// `$0` is the directory outside. `cat` is the first process, and ends when nobody holds its input any more.
const SETUP: &str = "
    mount -t tmpfs none \"$0/over\"
    mkdir \"$0/over/upper\" \"$0/over/work\"
    mount -t overlay -o \"lowerdir=/etc,upperdir=$0/over/upper,workdir=$0/over/work\" none /etc
    mount --bind \"$0/opt\" /opt
    mount --bind \"$0/srv\" /srv
    mount --bind \"$0/run\" /run
    ip link set lo up
    echo ready
    exec cat
";
