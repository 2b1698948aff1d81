//! Versions of the fixture: copies of one binary, told apart by what is written behind its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of one version.
#[derive(Debug, Clone)]
pub struct Release {
    bytes: Vec<u8>,
}

impl Release {
    /// A good version, unlike every other.
    ///
    /// # Panics
    ///
    /// If the fixture was not built.
    #[must_use]
    pub fn good() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let mut bytes = fs::read(fixture()).expect("the fixture is built with the suites");
        bytes.extend_from_slice(format!("\nversion {count}\n").as_bytes());
        Self { bytes }
    }

    /// A version with a flaw; the words are those of the fixture.
    #[must_use]
    pub fn flawed(flaw: &str) -> Self {
        let mut release = Self::good();
        release.bytes.extend_from_slice(format!("#fixture {flaw}\n").as_bytes());
        release
    }

    /// A version made of any bytes.
    #[must_use]
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into() }
    }

    /// A version that is some other program of this machine.
    ///
    /// # Panics
    ///
    /// If there is no such program.
    #[must_use]
    pub fn program(path: &str) -> Self {
        Self::of(fs::read(path).expect("the program is there"))
    }

    /// The first `length` bytes of this version.
    #[must_use]
    pub fn cut(&self, length: usize) -> Self {
        Self::of(&self.bytes[..length])
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What `State::id` says of it.
    #[must_use]
    pub fn id(&self) -> selfup::BinaryId {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), &self.bytes).expect("a temporary file can be written");
        selfup::BinaryId::of_file(file.path()).expect("a temporary file can be read")
    }

    /// Puts it at `path` by a rename, as a deploy does, executable.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn install(&self, path: &Path) {
        let directory = path.parent().expect("a file has a directory");
        let new = tempfile::Builder::new().prefix(".installing").tempfile_in(directory);
        let new = new.expect("the directory can be written").into_temp_path();
        fs::write(&new, &self.bytes).expect("the release can be written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&new, mode).expect("the mode can be set");
        new.persist(path).expect("the release can be renamed");
    }
}

/// The binary that cargo built beside this test.
fn fixture() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join("server")
}
