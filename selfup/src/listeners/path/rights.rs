//! Who may connect to a socket at a path.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::path::PathBuf;

use nix::unistd::{Group, User, getegid, geteuid};

use super::{Inode, inode_of};
use crate::config::Options;

/// A socket in the file system that stays the same one, whatever is put under its name.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) struct Held {
    pub(super) inode: Inode,
    pub(super) links: u64,
    file: fs::File,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Held {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let metadata = file.metadata()?;
        Ok(Self { inode: inode_of(path, &metadata)?, links: metadata.nlink(), file })
    }

    fn chown(&self, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
        use nix::fcntl::AtFlags;
        use nix::unistd::{Gid, Uid, fchownat};
        let (owner, group) = (owner.map(Uid::from_raw), group.map(Gid::from_raw));
        Ok(fchownat(&self.file, "", owner, group, AtFlags::AT_EMPTY_PATH)?)
    }

    /// By way of /proc: the call that takes such a descriptor itself is of Linux 6.6.
    fn chmod(&self, mode: u32) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        let through = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        fs::set_permissions(through, fs::Permissions::from_mode(mode))
    }
}

/// Other systems can open no socket: it is its name there.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) struct Held {
    pub(super) inode: Inode,
    pub(super) links: u64,
    path: PathBuf,
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Held {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let inode = inode_of(path, &metadata)?;
        Ok(Self { inode, links: metadata.nlink(), path: path.to_owned() })
    }

    fn chown(&self, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
        std::os::unix::fs::lchown(&self.path, owner, group)
    }

    fn chmod(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))
    }
}

/// Who may connect.
#[derive(Debug)]
pub(super) struct Rights {
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
}

impl Rights {
    pub(super) fn of(options: &Options) -> io::Result<Self> {
        let owner = options.owner.as_deref().map(|name| {
            let by_name = || Ok(User::from_name(name)?.map(|user| user.uid.as_raw()));
            account("user", name, by_name)
        });
        let group = options.group.as_deref().map(|name| {
            let by_name = || Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()));
            account("group", name, by_name)
        });
        Ok(Self { mode: options.mode, owner: owner.transpose()?, group: group.transpose()? })
    }

    /// The same, with the owner and the group of this process for those that `before` named and these
    /// do not. The mode that a socket has without one is nowhere to be read: it stays.
    pub(super) fn in_place_of(self, before: &Options) -> Self {
        let own_owner = before.owner.as_ref().map(|_| geteuid().as_raw());
        let own_group = before.group.as_ref().map(|_| getegid().as_raw());
        Self { owner: self.owner.or(own_owner), group: self.group.or(own_group), ..self }
    }

    pub(super) fn give(&self, held: &Held) -> io::Result<()> {
        if self.owner.is_some() || self.group.is_some() {
            held.chown(self.owner, self.group)?;
        }
        self.mode.map_or(Ok(()), |mode| held.chmod(mode))
    }
}

fn account(
    kind: &str,
    name: &str,
    by_name: impl Fn() -> io::Result<Option<u32>>,
) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    by_name()?.ok_or_else(|| {
        let text = format!("there is no {kind} {name:?}; add it, or name another");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}
