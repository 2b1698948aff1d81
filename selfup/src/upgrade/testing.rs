//! What the tests of this room share: a binary in a directory of its own, and downloads for it.

use std::future::Future;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::candidate::Candidate;
use super::preflight::Target;
use super::stage::{Limits, stage};
use crate::error::Result;
use crate::fetcher::Download;
use crate::identity::BinaryId;

/// Runs `future` as the upgrade thread does.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A directory with a binary called `app`.
pub(super) struct Place {
    pub(super) directory: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Place {
    pub(super) fn with(bytes: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // As the pipeline sees it: without links.
        let path = directory.path().canonicalize().unwrap().join("app");
        std::fs::write(&path, bytes).unwrap();
        chmod(&path, 0o755);
        Self { directory, path }
    }

    pub(super) fn target(&self) -> Target {
        Target::open(self.path.clone(), None).unwrap()
    }

    /// All names in the directory, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.directory.path().join(name)).unwrap()
    }
}

pub(super) fn chmod(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).unwrap();
}

pub(super) fn mode(path: &Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o7777
}

/// A download of which nothing but the bytes is known.
pub(super) fn download(bytes: &[u8]) -> Download {
    Download::new(Cursor::new(bytes.to_vec()))
}

pub(super) fn staged(target: &Target, bytes: &[u8]) -> Result<Candidate> {
    block_on(stage(download(bytes), target, Limits::default()))
}

pub(super) fn id(bytes: &[u8]) -> BinaryId {
    BinaryId::of_reader(&mut &*bytes).unwrap()
}

/// The path of this test binary's test `name` in the module `module`, for `--exact`.
pub(super) fn test_path(module: &str, name: &str) -> String {
    format!("{}::{name}", module.split_once("::").unwrap().1)
}

/// As root: runs that test again as a user who may do nothing special, with `place` as its
/// directory of temporary files.
pub(super) fn run_as_nobody(directory: &Path, test: &str) {
    use std::os::unix::process::CommandExt as _;
    let exe = directory.join("test-binary");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    chmod(&exe, 0o755);
    let mut command = std::process::Command::new(&exe);
    command.args(["--exact", test]).env("TMPDIR", directory).uid(65534).gid(65534);
    let output = loop {
        match command.output() {
            // Another test forked while the copy was written; it closes the copy when it executes.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::yield_now();
            }
            output => break output.unwrap(),
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
