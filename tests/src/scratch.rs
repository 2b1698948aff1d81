//! Another build of the fixture, from sources that were changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::Release;

/// A copy of this workspace, in a directory that is kept from one run to the next: what was built
/// there once is not built again.
#[derive(Debug)]
pub struct Scratch {
    directory: PathBuf,
    changed: Vec<(PathBuf, String)>,
    /// Nobody else may change it meanwhile.
    _lock: Flock<fs::File>,
}

impl Scratch {
    /// A copy in `directory` of what the fixture is built from.
    ///
    /// # Panics
    ///
    /// If the directory cannot be had.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory).expect("it can be made");
        let lock = fs::File::create(directory.join("lock")).expect("it can be made");
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error);
        let directory = directory.to_owned();
        let lock = lock.expect("nobody holds it for ever");
        let scratch = Self { directory, changed: Vec::new(), _lock: lock };
        scratch
            .change("Cargo.toml", "\"selfup-cli\", ", "")
            .change(
                "Cargo.toml",
                ", \"examples\", \"examples/stacks\", \"tests\", \"ui-tests\"]",
                ", \"tests\"]",
            )
            // Of the suites nothing is built.
            .change(
                "tests/Cargo.toml",
                "[[test]]\nname = \"stores\"\nrequired-features = [\"stores\"]",
                "",
            )
    }

    /// Replaces `from`, which is in `file` once, by `to`.
    ///
    /// # Panics
    ///
    /// If that is not so: the sources have changed, and this has to follow.
    #[must_use]
    pub fn change(mut self, file: &str, from: &str, to: &str) -> Self {
        let path = PathBuf::from(file);
        let known = self.changed.iter().position(|(changed, _)| *changed == path);
        let at = known.unwrap_or_else(|| {
            let text = fs::read_to_string(workspace().join(file)).expect("it is there");
            self.changed.push((path, text));
            self.changed.len() - 1
        });
        let text = &mut self.changed[at].1;
        assert_eq!(text.matches(from).count(), 1, "{file} no longer says {from:?}");
        *text = text.replace(from, to);
        self
    }

    /// Builds the fixture, as it was changed.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn build(self) -> Release {
        let from = workspace();
        for name in ["Cargo.lock", "Cargo.toml", "README.md", "selfup", "selfup-macros", "tests"] {
            self.copy(&from.join(name), Path::new(name));
        }
        let target = self.directory.join("target");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--offline", "--bin", "server"]);
        cargo.args(["--config", "profile.dev.debug=false"]);
        cargo.args(["--package", "selfup-tests", "--target-dir"]).arg(&target);
        let status = cargo.current_dir(&self.directory).status();
        assert!(status.is_ok_and(|status| status.success()), "the changed sources build");
        Release::of(fs::read(target.join("debug/server")).expect("it was built"))
    }

    /// Copies what is not there already: cargo goes by the time of a file.
    fn copy(&self, from: &Path, name: &Path) {
        if from.is_dir() {
            let entries = fs::read_dir(from).expect("it is there").flatten();
            // No suites.
            let is_needed = |path: &PathBuf| !path.ends_with("tests/tests");
            let paths = entries.map(|entry| entry.path()).filter(is_needed);
            let name_of = |path: &Path| name.join(path.file_name().expect("an entry has one"));
            return paths.for_each(|path| self.copy(&path, &name_of(&path)));
        }
        let changed = self.changed.iter().find(|(changed, _)| changed == name);
        let bytes = match changed {
            Some((_, text)) => text.clone().into_bytes(),
            None => fs::read(from).expect("it is there"),
        };
        let to = self.directory.join(name);
        if fs::read(&to).is_ok_and(|found| found == bytes) {
            return;
        }
        fs::create_dir_all(to.parent().expect("it is in the directory")).expect("it can be made");
        fs::write(to, bytes).expect("it can be written");
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace")
}
