//! Can the binary be replaced where it lies? Asked at start, and again for another file.
//!
//! What a swap will need is tried, not guessed: a file is created in the binary's directory. One
//! upgrader at a time is ensured by an exclusive `flock` on the binary file itself, taken on a
//! read-only descriptor, for one that can write would keep the file from being executed. The lock
//! travels: a candidate is locked before it is renamed over the path, so whoever opens the path
//! next, at any moment, finds a file that is locked already.
//!
//! Rejected: a lock file beside the binary, which outlives crashes as litter, and a pid file, which
//! lies after a crash.
//!
//! Limits: an immutable file, and a single file mounted over its path, are found out by the swap. A
//! lock is as good as the file system's: over NFS an exclusive lock needs a writer, so there is
//! none, and upgrades are off.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::{FsFlags, statvfs};
use tempfile::{NamedTempFile, TempPath};

use super::candidate::stamp::Stamp;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::identity::BinaryId;

/// Which file it is, whatever its name is: for comparing a path with a descriptor, or with the
/// file that a process executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inode {
    dev: u64,
    ino: u64,
}

impl Inode {
    /// The file that `path` leads to, through links.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::fs::metadata(path)?))
    }

    pub(super) fn of_stamp(stamp: &Stamp) -> Self {
        let (dev, ino) = stamp.place();
        Self { dev, ino }
    }

    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

/// The binary on disk that is managed: locked, digested, in a directory that can be written.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    directory: PathBuf,
    name: OsString,
    file: Flock<File>,
    inode: Inode,
    id: BinaryId,
}

impl Target {
    /// Locks the file at `path`, which contains no links, and checks what a swap will need.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let parts = path.parent().zip(path.file_name());
        let (directory, name) = parts.ok_or_else(|| {
            Error::new(ErrorKind::Swap, format!("{} is no file in a directory", path.display()))
        })?;
        let (directory, name) = (directory.to_owned(), name.to_owned());
        let file = open_locked(&path)?;
        let failed = || format!("{} cannot be read; make it readable", path.display());
        let inode = Inode::of(&file.metadata().context(ErrorKind::Swap, failed)?);
        let id = BinaryId::of_reader(&mut &*file).context(ErrorKind::Swap, failed)?;
        let target = Self { path, directory, name, file, inode, id };
        target.check_directory()?;
        Ok(target)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The last part of its path.
    pub(super) fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn inode(&self) -> Inode {
        self.inode
    }

    pub(super) fn id(&self) -> BinaryId {
        self.id
    }

    /// The name that the binary keeps when a candidate takes its path.
    pub(super) fn previous_path(&self) -> PathBuf {
        self.directory.join(self.hidden(".selfup-previous"))
    }

    /// Where it is remembered what was turned down.
    pub(super) fn history_path(&self) -> PathBuf {
        self.directory.join(self.hidden(".selfup-history"))
    }

    /// Has the disk hold the names that the directory has now.
    pub(super) fn flush_directory(&self) -> io::Result<()> {
        match File::open(&self.directory)?.sync_all() {
            // The file system knows no flushing of directories.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
            done => done,
        }
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_in_place(&self) -> bool {
        Inode::at(&self.path).is_ok_and(|inode| inode == self.inode)
    }

    /// The same path, once it leads to `file`.
    pub(super) fn with_file(&self, file: Flock<File>, id: BinaryId) -> io::Result<Self> {
        let inode = Inode::of(&file.metadata()?);
        let (path, directory) = (self.path.clone(), self.directory.clone());
        Ok(Self { path, directory, name: self.name.clone(), file, inode, id })
    }

    /// Creates a file beside the binary, for its owner alone, which is gone when it is dropped.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        let prefix = self.stage_prefix();
        tempfile::Builder::new().prefix(&prefix).tempfile_in(&self.directory)
    }

    /// Gives the binary one more name, which is gone when it is dropped.
    pub(super) fn new_link(&self) -> io::Result<TempPath> {
        let prefix = self.stage_prefix();
        let link = |name: &Path| std::fs::hard_link(&self.path, name);
        let linked = tempfile::Builder::new().prefix(&prefix).make_in(&self.directory, link)?;
        Ok(linked.into_temp_path())
    }

    /// Removes what an earlier upgrader left when it was killed. The lock says that it is gone.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let prefix = self.stage_prefix();
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            if name.as_bytes().starts_with(prefix.as_bytes()) {
                std::fs::remove_file(self.directory.join(name))?;
            }
        }
        Ok(())
    }

    fn stage_prefix(&self) -> OsString {
        self.hidden(".selfup-stage-")
    }

    fn hidden(&self, suffix: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.name);
        name.push(OsStr::new(suffix));
        name
    }

    fn check_directory(&self) -> Result<()> {
        let directory = self.directory.display();
        let refused = |why: String| Err(Error::new(ErrorKind::Swap, why));
        // A file system that does not tell its flags is tried all the same.
        let flags = statvfs(&self.directory).map_or(FsFlags::empty(), |stat| stat.flags());
        if flags.contains(FsFlags::ST_RDONLY) {
            return refused(format!(
                "directory {directory} is on a read-only file system; mount it read-write, or move \
                 the binary to one that is"
            ));
        }
        if flags.contains(FsFlags::ST_NOEXEC) {
            return refused(format!(
                "directory {directory} is on a file system mounted noexec, where no candidate can \
                 be probed; mount it with exec, or move the binary"
            ));
        }
        self.new_file().context(ErrorKind::Swap, || {
            let user = nix::unistd::geteuid();
            format!(
                "no file can be created in directory {directory}; make it writable for user \
                 {user}, or move the binary to a directory that is"
            )
        })?;
        if self.is_sticky_to_us() {
            return refused(format!(
                "directory {directory} is sticky and the binary belongs to somebody else, so it \
                 cannot be replaced; give the binary to user {}, or move it",
                nix::unistd::geteuid()
            ));
        }
        Ok(())
    }

    /// Whether only the owners of the binary and of its directory may rename over the path, and
    /// this process is neither.
    fn is_sticky_to_us(&self) -> bool {
        let user = nix::unistd::geteuid();
        let (Ok(directory), Ok(file)) = (std::fs::metadata(&self.directory), self.file.metadata())
        else {
            return false;
        };
        let owns = [directory.uid(), file.uid()].contains(&user.as_raw());
        directory.mode() & libc::S_ISVTX != 0 && !user.is_root() && !owns
    }
}

/// Locks `file`, which nobody else can have locked but another upgrader.
pub(super) fn lock(file: File) -> Result<Flock<File>, Errno> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)
}

/// Opens and locks the file at `path`, and makes sure that it is still there afterwards.
fn open_locked(path: &Path) -> Result<Flock<File>> {
    for _ in 0..ATTEMPTS {
        let file = File::open(path).context(ErrorKind::Swap, || {
            format!("the binary {} cannot be opened; make it readable", path.display())
        })?;
        let file = lock(file).map_err(|error| not_locked(path, error))?;
        let held = file.metadata().map(|metadata| Inode::of(&metadata));
        if held.ok() == Inode::at(path).ok() {
            return Ok(file);
        }
    }
    Err(Error::new(
        ErrorKind::Swap,
        format!("{} is replaced again and again; stop what replaces it", path.display()),
    ))
}

fn not_locked(path: &Path, error: Errno) -> Error {
    let path = path.display();
    let words = if error == Errno::EWOULDBLOCK {
        format!(
            "another process upgrades {path} already; give this service a copy of the binary of \
             its own, or leave the upgrades to that process"
        )
    } else {
        format!("{path} cannot be locked; move it to a local file system")
    };
    Error::new(ErrorKind::Swap, words).caused_by(error)
}

/// A deploy may replace the file between its opening and its locking, but not so often.
const ATTEMPTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::testing::{Place, chmod, run_as_nobody, test_path};

    #[test]
    fn one_upgrader_at_a_time() {
        let place = Place::with(b"bytes");
        let first = place.target();
        let error = Target::open(place.path.clone()).unwrap_err();
        assert!(error.to_string().contains("another process upgrades"), "{error}");
        drop(first);
        place.target();
    }

    #[test]
    fn the_target_is_digested_and_known_from_what_replaces_it() {
        let place = Place::with(b"bytes");
        let target = place.target();
        assert_eq!(target.id(), BinaryId::of_file(&place.path).unwrap());
        assert!(target.is_in_place());
        let other = place.directory.path().join("other");
        std::fs::write(&other, "bytes").unwrap();
        std::fs::rename(other, &place.path).unwrap();
        assert!(!target.is_in_place());
    }

    #[test]
    fn leftovers_of_this_binary_are_swept_and_nothing_else() {
        let place = Place::with(b"bytes");
        let kept = [".app.selfup-history", ".app.selfup-previous", ".app2.selfup-stage-1"];
        for name in kept.into_iter().chain([".app.selfup-stage-Xy12ab"]) {
            std::fs::write(place.directory.path().join(name), "").unwrap();
        }
        place.target().sweep().unwrap();
        assert_eq!(place.names(), [&kept[..], &["app"]].concat());
    }

    #[test]
    fn a_directory_that_is_gone_is_named() {
        let place = Place::with(b"bytes");
        let target = place.target();
        place.directory.close().unwrap();
        let error = target.check_directory().unwrap_err().to_string();
        assert!(error.contains(&target.directory().display().to_string()), "{error}");
    }

    /// Root may write everywhere, so as root this test runs itself again as somebody else.
    #[test]
    fn a_directory_that_cannot_be_written_is_named_with_the_remedy() {
        let test = "a_directory_that_cannot_be_written_is_named_with_the_remedy";
        if nix::unistd::geteuid().is_root() {
            let directory = tempfile::tempdir().unwrap();
            chmod(directory.path(), 0o777);
            run_as_nobody(directory.path(), &test_path(module_path!(), test));
            return;
        }
        let place = Place::with(b"bytes");
        chmod(place.directory.path(), 0o555);
        let error = Target::open(place.path.clone()).unwrap_err();
        chmod(place.directory.path(), 0o755);
        let words = error.to_string();
        assert!(words.contains("make it writable for user"), "{words}");
        assert!(words.contains(&place.directory.path().display().to_string()), "{words}");
    }

    #[test]
    fn a_sticky_directory_keeps_the_binary_of_somebody_else() {
        let test = "a_sticky_directory_keeps_the_binary_of_somebody_else";
        if nix::unistd::geteuid().is_root() {
            let place = Place::with(b"bytes");
            chmod(place.directory.path(), 0o1777);
            run_as_nobody(place.directory.path(), &test_path(module_path!(), test));
            return;
        }
        let path = std::env::temp_dir().canonicalize().unwrap().join("app");
        if !std::fs::metadata(&path).is_ok_and(|binary| binary.uid() == 0) {
            eprintln!("skipped: only root can prepare a binary of somebody else");
            return;
        }
        let words = Target::open(path).unwrap_err().to_string();
        assert!(words.contains("is sticky and the binary belongs to somebody else"), "{words}");
    }
}
