//! What the user named: one file, or versions of which the newest is meant.
//!
//! A `*` stands for the version. One star in one part of the path is a prefix and a suffix, so
//! there is no crate for it: those for globs walk directories without a bound, or compile patterns
//! of which this is the least.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind as Kind};
use std::path::{Component, Path, PathBuf};

use semver::Version;

use super::beside::Beside;
use super::stamp::Stamp;
use super::watch::Watch;
use crate::error::{Context as _, Error, ErrorKind, Result};

/// Where binaries are published.
#[derive(Debug)]
pub(super) enum Place {
    One(PathBuf),
    Versions(Versions),
}

/// A path with a `*` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions {
    directory: PathBuf,
    /// What the names of versions begin and end with.
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    /// Where the binary is in the directory of a version; empty if the version is the binary.
    rest: PathBuf,
    pub(super) takes_pre_releases: bool,
}

/// A file as it was seen at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

impl Place {
    /// What `path` means, or the mistake in it.
    pub(super) fn parse(path: &Path) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            let words =
                "the path of the file fetcher is empty; name the file that releases replace";
            return Err(words.into());
        }
        let parts: Vec<_> = path.components().collect();
        let Some(at) = parts.iter().position(has_star) else {
            return Ok(Self::One(path.to_owned()));
        };
        let pattern = parts[at].as_os_str().as_encoded_bytes();
        let (prefix, suffix) = around_star(pattern);
        let is_twice = suffix.contains(&b'*') || parts[at + 1..].iter().any(has_star);
        if is_twice || pattern.iter().any(|byte| b"?[]{}".contains(byte)) {
            return Err(format!(
                "{}: a `*` stands for the version, once, and is all that is understood of a pattern",
                path.display()
            ));
        }
        Ok(Self::Versions(Versions {
            directory: parts[..at].iter().collect(),
            prefix: prefix.to_vec(),
            suffix: suffix.to_vec(),
            rest: parts[at + 1..].iter().collect(),
            takes_pre_releases: false,
        }))
    }

    /// What is there, or `None` while nothing is. What could change that is watched first.
    pub(super) fn find(&self, watch: &mut Watch, beside: &[&Beside]) -> Result<Option<Found>> {
        match self {
            Self::One(path) => {
                watch.follow(path, beside);
                let stamp = look(path, true)?;
                Ok(stamp.map(|stamp| Found { path: path.clone(), stamp }))
            }
            Self::Versions(versions) => versions.newest(watch, beside),
        }
    }
}

impl Versions {
    /// The directory with the versions in it.
    pub(super) fn directory(&self) -> &Path {
        if self.directory.as_os_str().is_empty() { Path::new(".") } else { &self.directory }
    }

    /// The version that a name in the directory has, if it has one that counts.
    pub(super) fn of(&self, name: &OsStr) -> Option<Version> {
        let bytes = name.as_encoded_bytes();
        let version = bytes.strip_prefix(&*self.prefix)?.strip_suffix(&*self.suffix)?;
        let version = std::str::from_utf8(version).ok()?;
        // What lies beside a pre-release would be another one, and a later.
        if BESIDE.iter().any(|suffix| version.ends_with(suffix)) {
            return None;
        }
        let version = Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()?;
        (version.pre.is_empty() || self.takes_pre_releases).then_some(version)
    }

    /// The newest version whose binary is there.
    fn newest(&self, watch: &mut Watch, beside: &[&Beside]) -> Result<Option<Found>> {
        watch.follow_versions(self);
        for (tried, path) in self.list()?.into_iter().enumerate() {
            if tried < FOLLOWED {
                watch.follow(&path, beside);
            } else {
                watch.miss();
            }
            if let Some(stamp) = look(&path, self.rest.as_os_str().is_empty())? {
                return Ok(Some(Found { path, stamp }));
            }
        }
        Ok(None)
    }

    /// Where the binaries of all versions would be, the newest first. Of two that are the same by
    /// the rules, the one with the later build metadata or name, so that it is always the same one.
    fn list(&self) -> Result<Vec<PathBuf>> {
        let directory = self.directory();
        let shown = directory.display();
        let unlisted = || {
            format!(
                "directory {shown} cannot be listed; the user of this service must be able to read it"
            )
        };
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(Vec::new()),
            read => read.context(ErrorKind::Fetch, unlisted)?,
        };
        let mut versions = Vec::new();
        for (count, entry) in entries.enumerate() {
            if count == MOST {
                let words = format!(
                    "directory {shown} has more than {MOST} entries; remove old versions, or give \
                     them a directory of their own"
                );
                return Err(Error::new(ErrorKind::Fetch, words));
            }
            let name = entry.context(ErrorKind::Fetch, unlisted)?.file_name();
            versions.extend(self.of(&name).map(|version| (version, name)));
        }
        versions.sort_unstable();
        let path_of = |name| {
            self.directory.join::<&Path>(name).components().chain(self.rest.components()).collect()
        };
        Ok(versions.iter().rev().map(|(_, name)| path_of(name.as_ref())).collect())
    }
}

fn has_star(part: &Component<'_>) -> bool {
    part.as_os_str().as_encoded_bytes().contains(&b'*')
}

fn around_star(pattern: &[u8]) -> (&[u8], &[u8]) {
    let at = pattern.iter().position(|byte| *byte == b'*').unwrap_or(pattern.len());
    (&pattern[..at], pattern.get(at + 1..).unwrap_or_default())
}

/// What is at `path`, or `None` while nothing is. A part of the path that is no directory is told,
/// unless it only has the name of one.
fn look(path: &Path, is_meant: bool) -> Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(metadata) => regular(path, &metadata).map(Some),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) if error.kind() == Kind::NotADirectory && !is_meant => Ok(None),
        Err(error) => {
            let remedy = match error.kind() {
                Kind::PermissionDenied => {
                    "; the user of this service must be able to enter its directory"
                }
                _ => "",
            };
            Err(fault(path, format!("cannot be looked at{remedy}")).caused_by(error))
        }
    }
}

/// The file at `path`, or `None` while there is none. Its stamp is that of the opened file,
/// whatever is at the path by now.
pub(super) fn open(path: &Path) -> Result<Option<(fs::File, Stamp)>> {
    match open_at_once(path) {
        Ok(file) => {
            let metadata = file.metadata();
            let metadata =
                metadata.context(ErrorKind::Fetch, || says(path, "cannot be looked at"))?;
            let stamp = regular(path, &metadata)?;
            Ok(Some((file, stamp)))
        }
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => {
            let words = "cannot be opened; the user of this service must be able to read it";
            Err(fault(path, words).caused_by(error))
        }
    }
}

/// Opens for reading. Between a look and this call the path may have become a FIFO, which would
/// keep a plain `open` waiting for somebody to write to it; std adds `O_CLOEXEC`.
pub(super) fn open_at_once(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

fn regular(path: &Path, metadata: &fs::Metadata) -> Result<Stamp> {
    if metadata.is_dir() {
        return Err(fault(path, "is a directory; name the binary in it"));
    }
    if !metadata.is_file() {
        return Err(fault(path, "is not a regular file; name the binary itself"));
    }
    Ok(Stamp::of(metadata))
}

pub(super) fn fault(path: &Path, what: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Fetch, says(path, what))
}

fn says(path: &Path, what: impl AsRef<str>) -> String {
    format!("file {} {}", path.display(), what.as_ref())
}

/// What is published beside a binary, by its name.
const BESIDE: [&str; 5] = [".minisig", ".sha256", ".sig", ".asc", ".sha512"];

/// A directory with more entries is not read to its end.
const MOST: usize = 10_000;

/// As many versions are watched that are newer than the one that is there, and it.
const FOLLOWED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(path: &str) -> Versions {
        match Place::parse(Path::new(path)).unwrap() {
            Place::Versions(versions) => versions,
            Place::One(_) => panic!("{path} has no star"),
        }
    }

    #[test]
    fn the_star_is_the_version_in_any_part_of_the_path() {
        for (path, name, version) in [
            ("/srv/app-*", "app-1.2.3", Some("1.2.3")),
            ("/srv/app-*", "app-v1.2.3", Some("1.2.3")),
            ("/srv/app-v*", "app-v1.2.3", Some("1.2.3")),
            ("*", "1.2.3+7", Some("1.2.3+7")),
            ("/srv/app-*-linux.tar.gz", "app-10.0.0-linux.tar.gz", Some("10.0.0")),
            ("/srv/*/bin/app", "2.0.0", Some("2.0.0")),
            ("/srv/app-*", "app-1.2", None),
            ("/srv/app-*", "app-vv1.2.3", None),
            ("/srv/app-*", "app-", None),
            ("/srv/app-*", ".app-1.2.3.k2Xq", None),
            ("/srv/app-*", "app-1.2.3.minisig", None),
            ("/srv/app-*", "app-1.2.3-rc.1", None),
            ("/srv/a*a", "a", None),
        ] {
            let found = versions(path).of(name.as_ref());
            assert_eq!(found.map(|version| version.to_string()).as_deref(), version, "{name}");
        }
        let all = Versions { takes_pre_releases: true, ..versions("/srv/app-*") };
        assert_eq!(all.of("app-1.2.3-rc.1".as_ref()).unwrap().to_string(), "1.2.3-rc.1");
        assert_eq!(all.of("app-1.2.3-rc.1.minisig".as_ref()), None);
        assert!(matches!(Place::parse(Path::new("/srv/app")), Ok(Place::One(_))));
    }

    #[test]
    fn a_pattern_that_is_not_understood_is_a_mistake() {
        for path in ["/srv/**/app", "/srv/*/app-*", "/srv/app-*-*", "/srv/app-[0-9]*", "app-?.*"] {
            let mistake = Place::parse(Path::new(path)).unwrap_err();
            assert!(mistake.contains("a `*` stands for the version, once"), "{mistake}");
        }
    }
}
