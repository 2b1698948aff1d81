//! The three versions of `app`: built by the cargo that runs the demo, or given as arguments.
//!
//! A build uses the target directory and the profile of the demo itself, so all that it compiles is
//! `app`; each version is copied out before the next one takes its place.
//!
//! The copies lie in a directory beside the demo's own binary, where a binary can be executed for
//! sure: a temp directory may be mounted noexec, or live in memory.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use selfup::BinaryId;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::group::Group;
use crate::{Result, say};

/// One version of `app`, on disk.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    name: String,
    id: BinaryId,
    path: PathBuf,
    directory: Arc<TempDir>,
}

/// The versions, one after another.
#[derive(Debug)]
pub(crate) struct Releases {
    given: Vec<PathBuf>,
    version: usize,
    /// Removed when the releases and the service, which runs in it, are gone.
    directory: Arc<TempDir>,
}

impl Release {
    /// How this version calls itself: `app#1 (1cd8b992)`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What this version answers to every request.
    pub(crate) fn hello(&self) -> String {
        format!("{} says hello", self.name)
    }

    pub(crate) fn id(&self) -> BinaryId {
        self.id
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What keeps the files of the demo on disk.
    pub(crate) fn directory(&self) -> Arc<TempDir> {
        self.directory.clone()
    }

    /// Puts a copy where a service can be run from it.
    pub(crate) fn install(&self) -> Result<PathBuf> {
        let directory = self.directory.path().join("service");
        std::fs::create_dir(&directory)?;
        let path = directory.join("app");
        std::fs::copy(&self.path, &path)?;
        Ok(path)
    }
}

impl Releases {
    pub(crate) fn from_arguments() -> Result<Self> {
        let given: Vec<_> = std::env::args_os().skip(1).map(PathBuf::from).collect();
        if !matches!(given.len(), 0 | 3) {
            return Err("usage: demo [APP-1 APP-2 APP-3]".into());
        }
        let demo = std::env::current_exe()?;
        let beside = demo.parent().ok_or("the demo lies in no directory")?;
        let directory = tempfile::Builder::new().prefix("demo-").tempdir_in(beside)?;
        Ok(Self { given, version: 0, directory: Arc::new(directory) })
    }

    pub(crate) async fn next(&mut self) -> Result<Release> {
        self.version += 1;
        let version = self.version;
        let built = match self.given.get(version - 1) {
            Some(given) => given.clone(),
            None => build(version).await?,
        };
        let path = self.directory.path().join(format!("app-{version}"));
        std::fs::copy(&built, &path).map_err(|error| format!("{}: {error}", built.display()))?;
        let id = BinaryId::of_file(&path)?;
        say(&format!("BUILT APP ({version})"))?;
        let name = format!("app#{version} ({})", id.short());
        Ok(Release { name, id, path, directory: self.directory.clone() })
    }
}

/// Builds `app` as this version, and gives where cargo puts it.
async fn build(version: usize) -> Result<PathBuf> {
    let Output { target, profile, directory } = Output::of_demo()?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--quiet", "--package", "examples", "--bin", "app"]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.arg("--target-dir").arg(target).arg("--profile").arg(profile);
    // What `cargo run` says about the demo would make build scripts run again.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_the_demo(name)) {
        cargo.env_remove(name);
    }
    cargo.env("APP_VERSION", version.to_string()).stderr(Stdio::piped());
    let ended = tokio::time::timeout(BUILD, end(Group::start(&mut cargo)?)).await;
    match ended.map_err(|_| format!("app {version} was not built within {BUILD:?}"))?? {
        (status, _) if status.success() => Ok(directory.join("app")),
        (status, words) => Err(format!("app {version} was not built: {status}\n{words}").into()),
    }
}

/// Waits for the end of a build, which is silent unless it fails.
async fn end(mut group: Group) -> Result<(ExitStatus, String)> {
    let (mut words, stderr) = (Vec::new(), group.stderr());
    if let Some(mut stderr) = stderr {
        stderr.read_to_end(&mut words).await?;
    }
    Ok((group.ended().await?, String::from_utf8_lossy(&words).into_owned()))
}

/// Where the demo was built, and how.
struct Output {
    target: PathBuf,
    profile: OsString,
    /// Of the binaries.
    directory: PathBuf,
}

impl Output {
    fn of_demo() -> Result<Self> {
        let demo = std::env::current_exe()?;
        let directory = demo.parent().ok_or("the demo lies in no directory")?;
        let (Some(target), Some(name)) = (directory.parent(), directory.file_name()) else {
            return Err("the demo lies in no target directory; give it three paths".into());
        };
        let profile = if name == "debug" { "dev".into() } else { name.to_owned() };
        Ok(Self { target: target.to_owned(), profile, directory: directory.to_owned() })
    }
}

fn is_about_the_demo(name: &OsString) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

/// All but `app` is compiled already; another build may hold the directory's lock.
const BUILD: Duration = Duration::from_secs(600);
