//! Programs of others that no package has to install: `.ci/run` puts them into `target/tools`.

use std::path::{Path, PathBuf};

/// Where `.ci/run` has put a tool, under `target/tools`. Where it is not, that is said aloud, and with `CI=true` it is a
/// failure.
///
/// # Panics
///
/// If it is not there, with `CI=true`.
#[must_use]
pub fn tool(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("target/tools").join(path);
    if found.exists() {
        return Some(found);
    }
    let words = format!("SKIPPED: {} is not there; `.ci/run` installs it", found.display());
    assert!(std::env::var_os("CI").is_none_or(|value| value != "true"), "{words}");
    eprintln!("{words}");
    None
}

/// The command `selfup`, as this workspace builds it. Where it is not built, that is said aloud, and with `CI` set it is a
/// failure.
///
/// # Panics
///
/// If it is not there, in CI.
#[must_use]
pub fn command() -> Option<PathBuf> {
    let test = std::env::current_exe().expect("a test is a file");
    let command = test.ancestors().nth(2)?.join("selfup");
    if command.exists() {
        return Some(command);
    }
    let words = "SKIPPED: the command `selfup` is not built: cargo build -p selfup-cli";
    assert!(std::env::var_os("CI").is_none(), "{words}");
    eprintln!("{words}");
    None
}
