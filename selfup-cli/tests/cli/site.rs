//! A binary in a directory of its own. It is the command itself, which has a note.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

#[cfg(target_env = "gnu")]
use crate::ran::run;

pub(crate) struct Site {
    directory: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::of(&sample())
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::within(tempfile::tempdir().unwrap(), bytes)
    }

    /// On the disk that is built on, wherever temporary files are.
    pub(crate) fn on_disk() -> Self {
        Self::within(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), &sample())
    }

    fn within(directory: TempDir, bytes: &[u8]) -> Self {
        let site = Self { directory };
        // Others may look at it.
        fs::set_permissions(site.directory(), fs::Permissions::from_mode(0o755)).unwrap();
        install(&site.path(), bytes);
        site
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory().join("app")
    }

    /// A file beside the binary.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Puts a program at `path`, which can be executed at once, whatever other tests start meanwhile.
pub(crate) fn install(path: &Path, bytes: &[u8]) {
    selfup_tests::Release::of(bytes).install(path);
}

/// The bytes of a whole binary with a note.
pub(crate) fn sample() -> Vec<u8> {
    fs::read(env!("CARGO_BIN_EXE_selfup")).unwrap()
}

/// The same with `is` replaced wherever it is, by as many bytes.
pub(crate) fn changed(is: &[u8], becomes: &[u8]) -> Vec<u8> {
    assert_eq!(is.len(), becomes.len(), "nothing else may move");
    let mut bytes = sample();
    let found: Vec<_> =
        (0..bytes.len() - is.len()).filter(|at| bytes[*at..].starts_with(is)).collect();
    assert!(!found.is_empty(), "it is there");
    for at in found {
        bytes[at..at + is.len()].copy_from_slice(becomes);
    }
    bytes
}

/// The same that needs a glibc which no machine has.
#[cfg(target_env = "gnu")]
pub(crate) fn of_a_newer_glibc() -> Vec<u8> {
    let own = run(&["inspect", "--json", Site::new().path().to_str().unwrap()]).json();
    let own = own["glibc"].as_str().unwrap();
    let newer = format!("{}99", &own[..own.len() - 2]);
    let [own, newer] = [own, &newer].map(|version| format!("GLIBC_{version}\0"));
    changed(own.as_bytes(), newer.as_bytes())
}

/// A field of the sample's note.
pub(crate) fn field(tag: u8, value: &str) -> Vec<u8> {
    [&[tag, 0, u8::try_from(value.len()).unwrap(), 0], value.as_bytes()].concat()
}

/// Whether tests may do what only root may. That is said aloud if not, and is no excuse in CI.
pub(crate) fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    assert!(is_root || std::env::var_os("CI").is_none(), "CI has to be root");
    if !is_root {
        eprintln!("skipped: only root can make this");
    }
    is_root
}

/// Runs a tool.
pub(crate) fn tool(words: &[&str], path: &Path) {
    let status = Command::new(words[0]).args(&words[1..]).arg(path).status();
    assert!(status.is_ok_and(|status| status.success()), "{words:?}");
}
