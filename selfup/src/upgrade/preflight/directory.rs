//! What a swap will need of the directory of the binary, one need a function.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::statvfs::{FsFlags, statvfs};
use tempfile::NamedTempFile;

use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::upgrade::attributes;
use crate::upgrade::folder::Folder;

/// What a swap will need of the directory. Tells what an upgrade would lose of the binary.
pub(super) fn check_directory(folder: &Folder, file: &File) -> Result<Option<Error>> {
    check_read_write(folder)?;
    check_exec(folder)?;
    let trial = try_new_file(folder)?;
    check_sticky(folder, file)?;
    attributes::losses(file, trial.as_file())
}

/// Whether the file system of the directory is mounted read-write.
pub(in crate::upgrade) fn check_read_write(folder: &Folder) -> Result<()> {
    if !flags_of(folder).contains(FsFlags::ST_RDONLY) {
        return Ok(());
    }
    refused(format!(
        "directory {} is on a read-only file system; mount it read-write, or move the binary to \
         one that is",
        folder.directory().display()
    ))
}

/// Whether what lies in the directory can be executed.
pub(in crate::upgrade) fn check_exec(folder: &Folder) -> Result<()> {
    if !flags_of(folder).contains(FsFlags::ST_NOEXEC) {
        return Ok(());
    }
    refused(format!(
        "directory {} is on a file system mounted noexec, where no candidate can be probed; mount \
         it with exec, or move the binary",
        folder.directory().display()
    ))
}

// A file system that does not tell its flags is tried all the same.
fn flags_of(folder: &Folder) -> FsFlags {
    statvfs(folder.directory()).map_or(FsFlags::empty(), |stat| stat.flags())
}

/// An empty file in the directory, which is gone when it is dropped.
pub(in crate::upgrade) fn try_new_file(folder: &Folder) -> Result<NamedTempFile> {
    folder.new_file().context(ErrorKind::Swap, || {
        let (directory, user) = (folder.directory().display(), nix::unistd::geteuid());
        format!(
            "no file can be created in directory {directory}; make it writable for user {user}, or \
             move the binary to a directory that is"
        )
    })
}

/// Whether a sticky directory keeps the binary from this user.
pub(in crate::upgrade) fn check_sticky(folder: &Folder, file: &File) -> Result<()> {
    if !is_sticky_to_us(folder, file) {
        return Ok(());
    }
    refused(format!(
        "directory {} is sticky and the binary belongs to somebody else, so it cannot be replaced; \
         give the binary to user {}, or move it",
        folder.directory().display(),
        nix::unistd::geteuid()
    ))
}

fn refused(why: String) -> Result<()> {
    Err(Error::new(ErrorKind::Swap, why))
}

/// Whether only the owners of the binary and of its directory may rename over the path, and this
/// process is neither.
fn is_sticky_to_us(folder: &Folder, file: &File) -> bool {
    let user = nix::unistd::geteuid();
    let (Ok(directory), Ok(file)) = (std::fs::metadata(folder.directory()), file.metadata()) else {
        return false;
    };
    let owns = [directory.uid(), file.uid()].contains(&user.as_raw());
    directory.mode() & libc::S_ISVTX != 0 && !user.is_root() && !owns
}
