//! UNIX sockets in the file system.
//!
//! A socket is bound under a name of its own, given its rights, and renamed to its path: so it is
//! never there with others, and a path is replaced without a moment at which nobody listens. What is
//! at the path already is stale if it is a socket and connecting to it is refused; anything else is
//! left alone. The kernel has no "rename if it is still this": so what is replaced is exchanged, looked
//! at, and put back if another process was faster.
//!
//! Who has put a socket there removes it, if it is the same one still: no child, no master that
//! hands its sockets to another, and none that was killed.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::{Group, User};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::config::Options;
use crate::sys;

/// A socket at a path, removed when this is dropped by who is in charge.
#[derive(Debug)]
pub(crate) struct Placed {
    path: PathBuf,
    inode: Inode,
    is_ours: AtomicBool,
}

/// Device and number of a file.
pub(crate) type Inode = (u64, u64);

impl Placed {
    /// One that the master before this one has put there. It is that one's until this one says that
    /// it is [its own](Self::own).
    pub(crate) fn taken_over(path: &str, inode: Inode) -> Self {
        Self { path: path.into(), inode, is_ours: AtomicBool::new(false) }
    }

    /// It is this process's to remove from now on.
    pub(crate) fn own(&self) {
        self.is_ours.store(true, Ordering::Relaxed);
    }

    pub(crate) fn inode(&self) -> Inode {
        self.inode
    }

    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.path == Path::new(path)
    }

    /// Gives it the rights of `options`, if it is there still.
    pub(super) fn set_rights(&self, options: &Options) -> io::Result<()> {
        if inode_at(&self.path).ok().flatten() == Some(self.inode) {
            return Rights::of(options)?.give(&self.path);
        }
        Ok(())
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let is_ours = self.is_ours.load(Ordering::Relaxed);
        if is_ours && inode_at(&self.path).ok().flatten() == Some(self.inode) {
            // What cannot be removed is stale for whoever comes next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`.
pub(super) fn bind(path: &Path, options: &Options, backlog: i32) -> io::Result<(Socket, Placed)> {
    let rights = Rights::of(options)?;
    let stale = stale(path)?;
    let socket = socket()?;
    let mut temporary = Temporary::bind(&socket, path)?;
    rights.give(&temporary.0)?;
    socket.listen(backlog)?;
    let inode = inode_at(&temporary.0)?.ok_or(io::ErrorKind::NotFound)?;
    temporary.put_at(path, stale)?;
    let placed = Placed { path: path.to_owned(), inode, is_ours: AtomicBool::new(true) };
    Ok((socket, placed))
}

/// Listens at an abstract name.
pub(super) fn bind_abstract(name: &str, backlog: i32) -> io::Result<Socket> {
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        let text = "abstract names are Linux's alone; use a path";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let socket = socket()?;
    socket.bind(&SockAddr::unix(format!("\0{name}"))?)?;
    socket.listen(backlog)?;
    Ok(socket)
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What is at `path` and may be replaced: a socket that nobody listens on.
fn stale(path: &Path) -> io::Result<Option<Inode>> {
    let Some(inode) = inode_at(path)? else { return Ok(None) };
    match socket()?.connect(&SockAddr::unix(path)?) {
        Ok(()) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => Ok(Some(inode)),
            Some(libc::ENOENT) => Ok(None),
            // Its queue is full, or it takes packets.
            Some(libc::EAGAIN | libc::EPROTOTYPE) => Err(io::ErrorKind::AddrInUse.into()),
            _ => Err(error),
        },
    }
}

/// The socket at `path`, if there is anything.
fn inode_at(path: &Path) -> io::Result<Option<Inode>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    let kind = metadata.file_type();
    if kind.is_socket() {
        return Ok(Some((metadata.dev(), metadata.ino())));
    }
    let what = match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_file() => "a regular file",
        () => "a special file",
    };
    let text = format!("{} is {what}", path.display());
    Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
}

/// Who may connect.
#[derive(Debug)]
struct Rights {
    mode: Option<u32>,
    owner: Option<u32>,
    group: Option<u32>,
}

impl Rights {
    fn of(options: &Options) -> io::Result<Self> {
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

    fn give(&self, path: &Path) -> io::Result<()> {
        if self.owner.is_some() || self.group.is_some() {
            std::os::unix::fs::lchown(path, self.owner, self.group)?;
        }
        let permissions = self.mode.map(fs::Permissions::from_mode);
        permissions.map_or(Ok(()), |permissions| fs::set_permissions(path, permissions))
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

/// A socket beside its path, removed if it does not get there.
struct Temporary(PathBuf);

impl Temporary {
    fn bind(socket: &Socket, path: &Path) -> io::Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        for _ in 0..TRIES {
            let word: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
            let own = directory.join(format!(".{}.selfup-{word}", name.to_string_lossy()));
            let bound = match SockAddr::unix(&own) {
                Ok(address) => socket.bind(&address).map(|()| own),
                // No room for more than the path itself.
                Err(_) => bind_in(socket, directory, &format!(".{word}")),
            };
            match bound {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound.map(Self),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Puts it at `path`, in place of the `stale` one, if that or nothing is there.
    fn put_at(&mut self, path: &Path, stale: Option<Inode>) -> io::Result<()> {
        if stale.is_none() {
            return match sys::rename::without_replacing(&self.0, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(io::ErrorKind::AddrInUse.into())
                }
                renamed => renamed,
            };
        }
        sys::rename::exchange(&self.0, path).map_err(|error| match error.kind() {
            // It went away just now: another try finds nothing there.
            io::ErrorKind::NotFound => io::ErrorKind::AddrInUse.into(),
            _ => error,
        })?;
        if inode_at(&self.0).ok().flatten() != stale {
            let _ = sys::rename::exchange(&self.0, path);
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // What is left under the name of its own is the stale one.
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Binds `name` in `directory`, whose path is too long for an address.
fn bind_in(socket: &Socket, directory: &Path, name: &str) -> io::Result<PathBuf> {
    use std::os::fd::AsRawFd as _;
    let open = fs::File::open(directory)?;
    let through = format!("/proc/self/fd/{}/{name}", open.as_raw_fd());
    socket.bind(&SockAddr::unix(through)?)?;
    Ok(directory.join(name))
}

/// A name of our own that somebody else has is a chance of one in 56 billions.
const TRIES: usize = 8;

#[cfg(test)]
mod tests;
