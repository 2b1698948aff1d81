//! A directory with small files of one binary: complete at every instant, bounded, and never those
//! of somebody else.
//!
//! A file is written under another name, flushed, and renamed; the caller flushes the directory,
//! for it may have more to put there. What is read may be anything: it is opened without following
//! a link or waiting for a pipe, and taken only from those who could replace the binary, too.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::error::{Context as _, Error, ErrorKind, Result};

/// Where the files lie, and the binary's part of their names.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    directory: PathBuf,
    base: OsString,
}

impl Folder {
    /// The directory of the binary itself.
    pub(super) fn beside(directory: &Path, name: &OsStr) -> Self {
        Self { directory: directory.to_owned(), base: name.to_owned() }
    }

    /// A directory for the files of several binaries, made if it is missing. Two of one name have
    /// different files, for a part of the digest of the path is in theirs.
    pub(super) fn in_state_dir(directory: &Path, binary: &Path) -> Result<Self> {
        let shown = directory.display();
        make(directory).context(ErrorKind::Stage, || {
            format!("`state_dir` {shown} cannot be made; make it, or name another")
        })?;
        let metadata = directory.metadata().context(ErrorKind::Stage, || {
            format!("`state_dir` {shown} cannot be looked at; see who may enter it")
        })?;
        if metadata.mode() & 0o022 != 0 {
            let words = format!(
                "`state_dir` {shown} can be written by others, who could have bad releases tried \
                 again; take that away with `chmod go-w`"
            );
            return Err(Error::new(ErrorKind::Stage, words));
        }
        let user = nix::unistd::geteuid();
        if ![0, user.as_raw()].contains(&metadata.uid()) {
            let words = format!(
                "`state_dir` {shown} belongs to user {}; give it to user {user}, or name another",
                metadata.uid()
            );
            return Err(Error::new(ErrorKind::Stage, words));
        }
        let folder = Self::of_state_dir(directory, binary);
        folder.new_file().context(ErrorKind::Stage, || {
            format!(
                "no file can be created in `state_dir` {shown}; make it writable for user {user}"
            )
        })?;
        Ok(folder)
    }

    /// The same, whatever lies there, and nothing is made.
    pub(super) fn of_state_dir(directory: &Path, binary: &Path) -> Self {
        let digest = Sha256::digest(binary.as_os_str().as_bytes());
        let mut base = binary.file_name().unwrap_or_default().to_owned();
        base.push("-");
        digest[..8].iter().for_each(|byte| base.push(format!("{byte:02x}")));
        Self { directory: directory.to_owned(), base }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file that is called `what`.
    pub(super) fn path_of(&self, what: &str) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(&self.base);
        name.push(".selfup-");
        name.push(what);
        self.directory.join(name)
    }

    /// Creates a file, for its owner alone, which is gone when it is dropped.
    pub(super) fn new_file(&self) -> io::Result<NamedTempFile> {
        tempfile::Builder::new().prefix(&self.stage_prefix()).tempfile_in(&self.directory)
    }

    /// The text of `what`, of so many bytes at most, or `None` if there is none.
    pub(super) fn read(&self, what: &str, largest: u64) -> io::Result<Option<String>> {
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(self.path_of(what));
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        self.check_owner(&file.metadata()?)?;
        let mut text = String::new();
        (&file).take(largest + 1).read_to_string(&mut text)?;
        if text.len() as u64 > largest {
            return Err(strange(format!("it is longer than {largest} bytes")));
        }
        Ok(Some(text))
    }

    /// Puts a file of this text there. A power cut may undo that until the directory is flushed.
    pub(super) fn write(&self, what: &str, text: &str) -> io::Result<()> {
        let mut file = self.new_file()?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path_of(what))?;
        Ok(())
    }

    /// Removes a file, if it is there, for good.
    pub(super) fn remove(&self, what: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path_of(what)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.flush()),
        }
    }

    /// Has the disk hold the names that the directory has now.
    pub(super) fn flush(&self) -> io::Result<()> {
        flush(&self.directory)
    }

    /// Removes what somebody who was killed left half-written.
    pub(super) fn sweep(&self) -> io::Result<()> {
        let mut swept = Ok(());
        for path in self.half_written()? {
            // One that stays is no reason to leave the others.
            swept = std::fs::remove_file(path?).and(swept);
        }
        swept
    }

    /// What is half-written, or was left so.
    pub(super) fn half_written(&self) -> io::Result<impl Iterator<Item = io::Result<PathBuf>>> {
        let prefix = self.stage_prefix();
        let is_ours = move |name: &OsStr| name.as_bytes().starts_with(prefix.as_bytes());
        Ok(std::fs::read_dir(&self.directory)?.filter_map(move |entry| match entry {
            Ok(entry) => is_ours(&entry.file_name()).then(|| Ok(entry.path())),
            Err(error) => Some(Err(error)),
        }))
    }

    pub(super) fn stage_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(&self.base);
        prefix.push(".selfup-stage-");
        prefix
    }

    /// Whoever owns the directory could put another binary there as well.
    fn check_owner(&self, metadata: &Metadata) -> io::Result<()> {
        if !metadata.is_file() {
            return Err(strange("it is no regular file".to_owned()));
        }
        let owner_of_all = self.directory.metadata()?.uid();
        let owners = [0, nix::unistd::geteuid().as_raw(), owner_of_all];
        if !owners.contains(&metadata.uid()) {
            return Err(strange(format!("it belongs to user {}", metadata.uid())));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(strange("others can write it".to_owned()));
        }
        Ok(())
    }
}

/// Makes `directory` and all that it lies in, for good: a power cut would take it with what is in it.
fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let missing = directory.ancestors().take_while(|directory| !directory.exists());
    let missing: Vec<_> = missing.collect();
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for made in missing.into_iter().filter_map(Path::parent) {
        // Of a relative path of one part.
        let parent = if made.as_os_str().is_empty() { Path::new(".") } else { made };
        // It is there; who may not read its parent goes without.
        let _ = flush(parent);
    }
    Ok(())
}

/// Has the disk hold the names that `directory` has now.
fn flush(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        // The file system knows no flushing of directories.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(()),
        done => done,
    }
}

fn strange(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests;
