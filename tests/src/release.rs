//! Versions of the fixture: copies of one binary, told apart by what is written behind its end.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use selfup::BinaryId;

/// The bytes of one version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Release {
    bytes: Arc<[u8]>,
    id: Arc<OnceLock<BinaryId>>,
}

impl Release {
    /// A good version, unlike every other.
    ///
    /// # Panics
    ///
    /// If the fixture was not built.
    #[must_use]
    pub fn good() -> Self {
        Self::ending_with("")
    }

    /// One of the other programs of the suites, by the name of its file in `fixtures/`.
    ///
    /// # Panics
    ///
    /// If it was not built.
    #[must_use]
    pub fn of_fixture(name: &str) -> Self {
        let path = fixture().with_file_name(name);
        Self::of(fs::read(path).expect("the fixture is built with the suites"))
    }

    /// A version with a flaw; the words are those of the fixture.
    ///
    /// # Panics
    ///
    /// If the fixture was not built.
    #[must_use]
    pub fn flawed(flaw: &str) -> Self {
        Self::ending_with(&format!("#fixture {flaw}\n"))
    }

    /// A version with a config of its own: `NAME=VALUE`, for variables of the fixture, in place of
    /// those that it is started with. A flaw may be among the words.
    ///
    /// # Panics
    ///
    /// If the fixture was not built.
    #[must_use]
    pub fn configured(words: &str) -> Self {
        Self::flawed(words)
    }

    fn ending_with(words: &str) -> Self {
        let fixture = Self::of(fs::read(fixture()).expect("the fixture is built with the suites"));
        fixture.next_version(words)
    }

    /// A version with these bytes, unlike every other.
    #[must_use]
    pub fn again(&self) -> Self {
        self.next_version("")
    }

    fn next_version(&self, words: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let words = format!("\nversion {count}\n{words}");
        Self::of([self.bytes(), words.as_bytes()].concat())
    }

    /// The program without the last `missing` bytes of its ELF file, and without what is behind it.
    ///
    /// # Panics
    ///
    /// If the fixture was not built, or has fewer bytes.
    #[must_use]
    pub fn cut_short(missing: usize) -> Self {
        let mut bytes = fs::read(fixture()).expect("the fixture is built with the suites");
        let length = bytes.len().checked_sub(missing).expect("the fixture is longer");
        bytes.truncate(length);
        Self::of(bytes)
    }

    /// This release with another version in its note, as long as the one that it has.
    ///
    /// # Panics
    ///
    /// If it has no note with that version.
    #[must_use]
    pub fn of_version(&self, version: &str) -> Self {
        self.with_field(3, env!("CARGO_PKG_VERSION"), version)
    }

    /// This release with another target in its note, as long as the one that it has.
    ///
    /// # Panics
    ///
    /// If it has no note with that target.
    #[must_use]
    pub fn of_target(&self, is: &str, becomes: &str) -> Self {
        self.with_field(4, is, becomes)
    }

    fn with_field(&self, tag: u8, is: &str, becomes: &str) -> Self {
        assert_eq!(is.len(), becomes.len(), "nothing else may move");
        let length = u8::try_from(is.len()).expect("a field of the note is short");
        let field = [&[tag, 0, length, 0], is.as_bytes()].concat();
        let mut windows = self.bytes.windows(field.len());
        let at = windows.position(|window| window == field).expect("it has a note");
        let mut bytes = self.bytes.to_vec();
        bytes[at + 4..at + 4 + is.len()].copy_from_slice(becomes.as_bytes());
        Self::of(bytes)
    }

    /// It as `bin/NAME` in a tar archive, without compression.
    ///
    /// # Panics
    ///
    /// If there is no tar.
    #[must_use]
    pub fn tarred(&self, name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let bin = directory.path().join("bin");
        fs::create_dir(&bin).expect("the directory is ours");
        self.install(&bin.join(name));
        let mut tar = Command::new("tar");
        let packed = tar.arg("-C").arg(directory.path()).args(["-cf", "-", "bin"]).output();
        let packed = packed.ok().filter(|packed| packed.status.success());
        Self::of(packed.expect("there is a tar").stdout)
    }

    /// A version made of any bytes.
    #[must_use]
    pub fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into().into(), id: Arc::default() }
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
    ///
    /// # Panics
    ///
    /// If there is no place for a temporary file.
    #[must_use]
    pub fn id(&self) -> BinaryId {
        *self.id.get_or_init(|| {
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            fs::write(file.path(), &self.bytes).expect("a temporary file can be written");
            BinaryId::of_file(file.path()).expect("a temporary file can be read")
        })
    }

    /// When it was changed last: a second of one day, by what it is.
    pub(crate) fn date(&self) -> String {
        let digits = &self.id().to_string()[..8];
        let second = u32::from_str_radix(digits, 16).expect("it is hexadecimal") % 86_400;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("Sun, 06 Nov 1994 {hour:02}:{minute:02}:{second:02} GMT")
    }

    /// Puts it at `path` by a rename, as a deploy does, executable.
    ///
    /// # Panics
    ///
    /// If that cannot be done.
    pub fn install(&self, path: &Path) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let new = path.with_file_name(format!(".installing-{}-{count}", std::process::id()));
        // Written by another process: what this one holds open for writing, a process that another
        // test starts at this moment would hold open too, and nobody could execute it meanwhile.
        let mut writer = Command::new("sh");
        writer.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&new);
        let mut writer = writer.stdin(Stdio::piped()).spawn().expect("there is a shell");
        let mut stdin = writer.stdin.take().expect("it is piped");
        stdin.write_all(&self.bytes).expect("the release can be written");
        drop(stdin);
        assert!(writer.wait().is_ok_and(|status| status.success()), "the release can be written");
        fs::rename(&new, path).expect("the release can be renamed");
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
