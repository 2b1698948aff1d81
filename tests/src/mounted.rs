//! Directories with a file system of their own, where the user may mount.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tempfile::TempDir;

/// A file system in memory, in a directory of its own; both are gone when this is.
#[derive(Debug)]
pub struct Mounted {
    directory: TempDir,
}

impl Mounted {
    /// A file system of so many MiB, or `None` where this user may not mount. That is said aloud,
    /// and is no excuse in CI.
    ///
    /// # Panics
    ///
    /// If it cannot be made, and the variable `CI` is set.
    #[must_use]
    pub fn try_new(mebibytes: usize) -> Option<Self> {
        let mounted = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let Err(error) = mounted.mount(MsFlags::empty(), mebibytes) else { return Some(mounted) };
        assert!(std::env::var_os("CI").is_none(), "CI has to mount, and may not: {error}");
        eprintln!("skipped: this user may not mount: {error}");
        None
    }

    /// Gives it another size.
    ///
    /// # Panics
    ///
    /// If more is in use.
    pub fn resize(&self, mebibytes: usize) {
        self.mount(MsFlags::MS_REMOUNT, mebibytes).expect("its size can be changed");
    }

    /// Makes it read-only, once nothing in it is being written.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn forbid_writing(&self, mebibytes: usize) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let mounted = crate::eventually("nothing in it is being written", || {
            Some(self.mount(flags, mebibytes)).filter(|it| *it != Err(Errno::EBUSY))
        });
        mounted.expect("it can be made read-only");
    }

    /// Makes it hold files that cannot be executed.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn forbid_executing(&self, mebibytes: usize) {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOEXEC;
        self.mount(flags, mebibytes).expect("it can be made noexec");
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn mount(&self, flags: MsFlags, mebibytes: usize) -> nix::Result<()> {
        let options = format!("size={mebibytes}m");
        let kind = Some("tmpfs");
        mount(kind, self.path(), kind, flags, Some(options.as_str()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Whoever still runs from it keeps it, and nobody sees it any more.
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}
