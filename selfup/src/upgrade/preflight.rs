//! Can the binary be replaced where it lies? Asked at start, and again for another file.
//!
//! What a swap will need is tried, not guessed: a file is created in the binary's directory. One
//! upgrader at a time is ensured by a [`lock`](super::lock) on the binary file itself. It travels: a
//! candidate is locked before it is renamed over the path, so whoever opens the path next, at any
//! moment, finds a file that is locked already.
//!
//! Rejected: a lock file beside the binary, which outlives crashes as litter, and a pid file, which
//! lies after a crash.
//!
//! Limits: an immutable file, and a single file mounted over its path, are found out by the swap. A
//! lock is as good as the file system's: over NFS an exclusive lock needs a writer, so there is
//! none, and upgrades are off.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use self::directory::check_directory;
use super::candidate::stamp::Stamp;
use super::folder::Folder;
use super::lock::{Held, lock, not_locked};
use crate::error::{Context, Error, ErrorKind, Result};
use crate::identity::BinaryId;

pub(super) mod directory;

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

    /// The file of this very name, which may be a link.
    pub(super) fn of_name(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::fs::symlink_metadata(path)?))
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
    /// The directory of the binary.
    folder: Folder,
    /// The directory of its history.
    state: Folder,
    file: Held,
    inode: Inode,
    id: BinaryId,
    /// What of the binary a candidate could not be given.
    losses: Option<Error>,
}

impl Target {
    /// Locks the file at `path`, which contains no links, and checks what a swap will need. Its
    /// history lies in `state_dir`, or beside it.
    pub(super) fn open(path: PathBuf, state_dir: Option<&Path>) -> Result<Self> {
        let (folder, file) = (folder_of(&path)?, open_locked(&path)?);
        // Asked again and again while the answer is no, so before the file is read.
        check_directory(&folder, &file)?;
        if let Some(directory) = state_dir {
            Folder::in_state_dir(directory, &path)?;
        }
        let mut target = Self::of(path, folder, file)?;
        target.check()?;
        target.with_state_dir(state_dir)
    }

    /// Locks the file at `path`, which contains no links, and no more.
    pub(super) fn lock(path: PathBuf) -> Result<Self> {
        let (folder, file) = (folder_of(&path)?, open_locked(&path)?);
        Self::of(path, folder, file)
    }

    fn of(path: PathBuf, folder: Folder, file: Held) -> Result<Self> {
        let failed = || format!("{} cannot be read; make it readable", path.display());
        let inode = Inode::of(&file.metadata().context(ErrorKind::Swap, failed)?);
        let id = BinaryId::of_reader(&mut &*file).context(ErrorKind::Swap, failed)?;
        Ok(Self { path, state: folder.clone(), folder, file, inode, id, losses: None })
    }

    /// The same, with its history in `state_dir`, if there is one.
    pub(super) fn with_state_dir(mut self, state_dir: Option<&Path>) -> Result<Self> {
        if let Some(directory) = state_dir {
            self.state = Folder::in_state_dir(directory, &self.path)?;
        }
        Ok(self)
    }

    /// Whether it can be replaced, still.
    pub(super) fn check(&mut self) -> Result<()> {
        self.losses = check_directory(&self.folder, &self.file)?;
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn directory(&self) -> &Path {
        self.folder.directory()
    }

    /// The files beside the binary.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What an upgrade would lose of it, to be told before there is one.
    pub(super) fn losses(&self) -> Option<&Error> {
        self.losses.as_ref()
    }

    /// Where its history is.
    pub(super) fn state(&self) -> &Folder {
        &self.state
    }

    /// The last part of its path.
    pub(super) fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default().as_bytes()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn into_file(self) -> Held {
        self.file
    }

    /// Whether its lock is ours.
    pub(super) fn is_locked(&self) -> bool {
        self.file.is_locked()
    }

    pub(super) fn inode(&self) -> Inode {
        self.inode
    }

    pub(super) fn id(&self) -> BinaryId {
        self.id
    }

    /// The name that the binary keeps when a candidate takes its path.
    pub(super) fn previous_path(&self) -> PathBuf {
        self.folder.path_of("previous")
    }

    /// Has the disk hold the names that the directory has now.
    pub(super) fn flush_directory(&self) -> io::Result<()> {
        self.folder.flush()
    }

    /// Whether the path still leads to this file.
    pub(super) fn is_in_place(&self) -> bool {
        Inode::at(&self.path).is_ok_and(|inode| inode == self.inode)
    }

    /// The same path, once it leads to `file`.
    pub(super) fn with_file(&self, file: Held, id: BinaryId) -> io::Result<Self> {
        let inode = Inode::of(&file.metadata()?);
        let (folder, state) = (self.folder.clone(), self.state.clone());
        Ok(Self { path: self.path.clone(), folder, state, file, inode, id, losses: None })
    }

    /// Creates a file beside the binary, for its owner alone, which is gone when it is dropped.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        self.folder.new_file()
    }

    /// Gives the file at `path` one more name beside the binary, which is gone when it is dropped.
    pub(super) fn new_link(&self, path: &Path) -> io::Result<TempPath> {
        let prefix = self.folder.stage_prefix();
        let link = |name: &Path| std::fs::hard_link(path, name);
        let linked = tempfile::Builder::new().prefix(&prefix).make_in(self.directory(), link)?;
        Ok(linked.into_temp_path())
    }

    /// Removes what an earlier upgrader left when it was killed. The lock says that it is gone.
    pub(super) fn sweep(&self) -> Result<()> {
        let swept = sweep(&self.folder).and_then(|()| self.sweep_previous());
        // One directory that is sick is no reason to leave the other.
        sweep(&self.state).and(swept)
    }

    /// The previous binary is the binary itself, as a swap leaves it that was killed half-way:
    /// nothing was replaced.
    fn sweep_previous(&self) -> Result<()> {
        let path = self.previous_path();
        if Inode::of_name(&path).is_ok_and(|inode| inode == self.inode) {
            std::fs::remove_file(&path).context(ErrorKind::Swap, || left_in(&self.folder))?;
        }
        Ok(())
    }
}

fn sweep(folder: &Folder) -> Result<()> {
    folder.sweep().context(ErrorKind::Swap, || left_in(folder))
}

fn left_in(folder: &Folder) -> String {
    format!(
        "leftovers of an upgrade in directory {} cannot be removed; make it writable, or remove its \
         files {}* by hand",
        folder.directory().display(),
        folder.stage_prefix().display()
    )
}

/// The directory of the binary at `path`.
pub(super) fn folder_of(path: &Path) -> Result<Folder> {
    let parts = path.parent().zip(path.file_name());
    let (directory, name) = parts.ok_or_else(|| {
        Error::new(ErrorKind::Swap, format!("{} is no file in a directory", path.display()))
    })?;
    Ok(Folder::beside(directory, name))
}

/// Opens and locks the file at `path`, and makes sure that it is still there afterwards.
fn open_locked(path: &Path) -> Result<Held> {
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
        let error = Target::open(place.path.clone(), None).unwrap_err();
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
        let mut target = place.target();
        place.directory.close().unwrap();
        let error = target.check().unwrap_err().to_string();
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
        let error = Target::open(place.path.clone(), None).unwrap_err();
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
        let words = Target::open(path, None).unwrap_err().to_string();
        assert!(words.contains("is sticky and the binary belongs to somebody else"), "{words}");
    }
}
