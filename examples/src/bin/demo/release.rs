//! The three versions of `app`: built by the cargo that runs the demo, or given as arguments.
//!
//! A build uses the target directory and the profile of the demo itself, so all that it compiles is
//! `app`; each version is copied out before the next one takes its place.
//!
//! The copies lie in a directory beside the demo's own binary, where a binary can be executed for
//! sure: a temp directory may be mounted noexec, or live in memory.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use selfup::BinaryId;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::group::Group;
use crate::{Result, say, within};

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

/// Builds `app` as this version, and gives where cargo put it.
async fn build(version: usize) -> Result<PathBuf> {
    let demo = std::env::current_exe()?;
    let directory = demo.parent().ok_or("the demo lies in no directory")?;
    let (Some(target), Some(name)) = (directory.parent(), directory.file_name()) else {
        return Err("the demo lies in no target directory; give it three paths".into());
    };
    let profile = if name == "debug" { OsStr::new("dev") } else { name };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--quiet", "--message-format", "json-render-diagnostics"]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.args(["--bin", "app"]).arg("--target-dir").arg(target).arg("--profile").arg(profile);
    // What `cargo run` says about the demo would make build scripts run again.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_about_the_demo(name)) {
        cargo.env_remove(name);
    }
    cargo.env("APP_VERSION", version.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (status, messages, words) = within(BUILD, "the build", async {
        let mut group = Group::start(&mut cargo)?;
        let (stdout, stderr) = (group.stdout(), group.stderr());
        let (messages, words) = tokio::try_join!(read(stdout), read(stderr))?;
        Ok((group.ended().await?, messages, words))
    })
    .await?;
    let built = messages.lines().find_map(executable).filter(|_| status.success());
    built.ok_or_else(|| format!("app {version} was not built: {status}\n{words}").into())
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The binary that one of cargo's messages is about, if it is about one.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(PathBuf::from)
}

fn is_about_the_demo(name: &OsStr) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    name.to_str().is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

/// All but `app` is compiled already; another build may hold the directory's lock.
const BUILD: Duration = Duration::from_secs(600);
