//! UNIX sockets in the file system.
//!
//! A socket is bound under a name of its own, given its rights, and renamed to its path: so it is
//! never there with others, and a path is replaced without a moment at which nobody listens. What is
//! at the path already is stale if it is a socket and connecting to it is refused; anything else is
//! left alone. The kernel has no "rename if it is still this": so what is replaced is exchanged, looked
//! at, and put back if another process was faster. Three of them that do this at once could put back
//! what is none of theirs: so they take turns.
//!
//! A lesser user who may write the directory can swap what has a name in it: so rights are given to
//! the socket that was looked at, never to a name.
//!
//! Who has put a socket there removes it, if it is the same one still: no child, no master that
//! hands its sockets to another, and none that was killed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, SockAddr, Socket, Type};

use self::rights::{Held, Rights};
use crate::config::Options;
use crate::sys;

mod rights;

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

    /// Gives it the rights of `options`, if it is there still, and takes those away that it has from
    /// `before`.
    pub(super) fn set_rights(&self, options: &Options, before: &Options) -> io::Result<()> {
        match Held::open(&self.path) {
            Ok(held) if held.inode == self.inode => {
                Rights::of(options)?.in_place_of(before).give(&held)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if self.is_ours.load(Ordering::Relaxed) {
            // Who finds it stale could put another there after the look at it.
            let _turn = turn_at(&self.path);
            remove_if(&self.path, self.inode);
        }
    }
}

fn remove_if(path: &Path, inode: Inode) {
    if inode_at(path).ok().flatten() == Some(inode) {
        // What cannot be removed is stale for whoever comes next.
        let _ = fs::remove_file(path);
    }
}

/// Listens at `path`.
pub(super) fn bind(path: &Path, options: &Options, backlog: i32) -> io::Result<(Socket, Placed)> {
    let rights = Rights::of(options)?;
    let turn = turn_at(path);
    let stale = stale(path)?;
    if turn.is_some() {
        sweep(path);
    }
    let socket = socket()?;
    let mut temporary = Temporary::bind(&socket, path)?;
    let inode = temporary.inode;
    rights.give(&temporary.hold()?)?;
    socket.listen(backlog)?;
    temporary.put_at(path, stale)?;
    let placed = Placed { path: path.to_owned(), inode, is_ours: AtomicBool::new(true) };
    Ok((socket, placed))
}

/// Removes what others left beside `path` that were killed before their socket was there. Nobody else
/// is at it: it is this one's turn.
fn sweep(path: &Path) {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return };
    let prefix = own_prefix(name);
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let is_own = entry.file_name().into_string().is_ok_and(|name| {
            let word = name.strip_prefix(&prefix).unwrap_or_default();
            word.len() == WORD && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if is_own && let Ok(Some(inode)) = stale(&entry.path()) {
            remove_if(&entry.path(), inode);
        }
    }
}

/// How the temporary name of a socket begins that is to be `name`.
fn own_prefix(name: &OsStr) -> String {
    format!(".{}.selfup-", name.to_string_lossy())
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

/// The turn of who puts a socket at `path`, or takes it away: a lock on the directory, until this is
/// dropped. None where there is no such lock: the directory may not be read, or its file system
/// knows none. Nor is one that stays taken waited for longer than any turn lasts: whoever may read the
/// directory may lock it, and is not to keep a server from its path.
fn turn_at(path: &Path) -> Option<Flock<fs::File>> {
    let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
    let mut options = fs::OpenOptions::new();
    let mut directory = options.read(true).custom_flags(flags).open(path.parent()?).ok()?;
    for _ in 0..TURNS {
        directory = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(turn) => return Some(turn),
            Err((directory, Errno::EWOULDBLOCK)) => directory,
            Err(_) => return None,
        };
        std::thread::sleep(TURN);
    }
    None
}

/// A turn takes less than a millisecond; half a second is enough for many, on a slow machine.
const TURN: Duration = Duration::from_millis(5);
const TURNS: usize = 100;

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
pub(super) fn inode_at(path: &Path) -> io::Result<Option<Inode>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => inode_of(path, &metadata?).map(Some),
    }
}

/// The socket at `path` that `metadata` are of, or what else that is.
fn inode_of(path: &Path, metadata: &fs::Metadata) -> io::Result<Inode> {
    let kind = metadata.file_type();
    if kind.is_socket() {
        return Ok((metadata.dev(), metadata.ino()));
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

/// A socket beside its path, removed if it does not get there.
struct Temporary {
    name: PathBuf,
    /// What is to be removed under this name; anything else there is another's.
    inode: Inode,
}

impl Temporary {
    fn bind(socket: &Socket, path: &Path) -> io::Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        for _ in 0..TRIES {
            let word: String = std::iter::repeat_with(fastrand::alphanumeric).take(WORD).collect();
            let own = directory.join(own_prefix(name) + &word);
            let bound = match SockAddr::unix(&own) {
                Ok(address) => socket.bind(&address).map(|()| own),
                // No room for more than the path itself.
                Err(_) => bind_in(socket, directory, &format!(".{word}")),
            };
            match bound {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return Self::at(bound?),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    fn at(name: PathBuf) -> io::Result<Self> {
        let inode = inode_at(&name)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { name, inode })
    }

    /// Holds it, if it is the one still and has no other name: a link to somebody's socket may have
    /// been put in its place.
    fn hold(&self) -> io::Result<Held> {
        let held = Held::open(&self.name)?;
        if held.inode != self.inode || held.links > 1 {
            let text = format!("{} is another's", self.name.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Ok(held)
    }

    /// Puts it at `path`, in place of the `stale` one, if that or nothing is there.
    fn put_at(&mut self, path: &Path, stale: Option<Inode>) -> io::Result<()> {
        let Some(stale) = stale else {
            return match sys::rename::without_replacing(&self.name, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(io::ErrorKind::AddrInUse.into())
                }
                renamed => renamed,
            };
        };
        sys::rename::exchange(&self.name, path).map_err(|error| match error.kind() {
            // It went away just now: another try finds nothing there.
            io::ErrorKind::NotFound => io::ErrorKind::AddrInUse.into(),
            _ => error,
        })?;
        if inode_at(&self.name).ok().flatten() != Some(stale) {
            let _ = sys::rename::exchange(&self.name, path);
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // What is left under the name of its own is the stale one.
        self.inode = stale;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove_if(&self.name, self.inode);
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

/// In characters.
const WORD: usize = 6;

#[cfg(test)]
mod tests;
