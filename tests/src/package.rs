//! A new program, outside of this workspace, as the manual has one made.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Shell;

/// The directory in which `cargo new app` is said.
#[derive(Debug)]
pub struct Package {
    directory: PathBuf,
}

impl Package {
    /// How long a build may take on a slow machine, with nothing built.
    pub const BUILD: Duration = Duration::from_secs(1800);

    /// Has a directory know this workspace in place of the registry.
    ///
    /// # Panics
    ///
    /// If it cannot be written to.
    #[must_use]
    pub fn begin(directory: &Path) -> Self {
        fs::create_dir(directory.join(".cargo")).expect("the directory is ours");
        fs::write(directory.join(".cargo/config.toml"), config()).expect("the directory is ours");
        Self { directory: directory.to_owned() }
    }

    /// A shell in that directory, reached by `entrance`, that builds with what is locked and built here.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn shell(&self, entrance: &[String]) -> Shell {
        let test = std::env::current_exe().expect("it is known");
        let target = test.ancestors().nth(3).expect("it is in a target directory");
        let lock = workspace().join("Cargo.lock");
        let variables = [("SHARED", target), ("LOCK", &lock), ("CARGO", Path::new(env!("CARGO")))];
        let mut shell = Shell::start(entrance, &variables, &self.directory.join("output"));
        let _ = shell.run(&format!("cd '{}'\n{CARGO}", self.directory.display()), crate::PATIENCE);
        shell
    }

    /// Writes a file of the package.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.directory.join("app").join(path), text).expect("`cargo new` was said");
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in it")
}

/// Cargo as it is here: from this workspace in place of the registry, with what is downloaded and what is built already,
/// and with no other profile, or it would be built again.
fn config() -> String {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("it is there");
    let begin = manifest.find("[profile.dev.package.sha2]").expect("it has profiles");
    let profiles = manifest[begin..].split("\n[");
    let profiles = profiles.filter(|profile| !profile.contains("selfup-tests]"));
    let profiles = profiles.collect::<Vec<_>>().join("\n[");
    let path = workspace().join("selfup").display().to_string();
    format!("[net]\noffline = true\n\n[patch.crates-io]\nselfup.path = {path:?}\n\n{profiles}\n")
}

/// One build at a time, since all of them leave the same file in the shared directory.
const CARGO: &str = "
    cargo() (
        flock 9
        CARGO_TARGET_DIR=\"$SHARED\" \"$CARGO\" \"$@\"
        case \"$1\" in
            new) cp \"$LOCK\" \"$2/Cargo.lock\" ;;
            build) install -D \"$SHARED/debug/app\" target/debug/app ;;
        esac
    ) 9>\"$SHARED/new-package.lock\"
";
