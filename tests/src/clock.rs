//! A wall clock of its own for a process, by a library that is loaded before that of the system.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use tempfile::TempDir;

/// One that shows the kernel's time until it is set.
#[derive(Debug)]
pub struct Clock(TempDir);

impl Clock {
    /// Builds it.
    ///
    /// # Panics
    ///
    /// If the C compiler does not.
    #[must_use]
    pub fn build() -> Self {
        let clock = Self(tempfile::tempdir().expect("a temporary directory"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-Wall", "-Werror", "-o"]);
        compiler.arg(clock.library()).arg(source);
        assert!(compiler.status().is_ok_and(|status| status.success()), "it compiles");
        clock
    }

    /// What a process that goes by it has in its environment.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library()), ("CLOCK_OFFSET", self.offset())]
    }

    /// Has it show `seconds` since 1970.
    ///
    /// # Panics
    ///
    /// If that cannot be written.
    pub fn set(&self, seconds: u64) {
        let offset = seconds.cast_signed() - Self::now().cast_signed();
        let new = self.offset().with_extension("new");
        fs::write(&new, offset.to_string()).expect("it can be written");
        fs::rename(new, self.offset()).expect("it is ours");
    }

    /// The seconds since 1970 by the kernel's clock.
    ///
    /// # Panics
    ///
    /// If that is before 1970.
    #[must_use]
    pub fn now() -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.expect("it is later").as_secs()
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("clock.so")
    }

    fn offset(&self) -> PathBuf {
        self.0.path().join("offset")
    }
}
