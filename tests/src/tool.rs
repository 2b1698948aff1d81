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
