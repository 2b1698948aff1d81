//! Descriptors: telling one from another, and closing one that others still borrow.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Takes the socket that this process was started with as number `raw`, if that number is open and
/// is the socket with this inode number, and makes it close-on-exec.
///
/// Anything else that happens to be open under the number belongs to somebody else and is left
/// alone.
pub(crate) fn take_inherited_socket(raw: RawFd, inode: u64) -> Option<OwnedFd> {
    take_inherited(raw, inode, libc::S_IFSOCK)
}

/// [`take_inherited_socket`], for a file.
pub(crate) fn take_inherited_file(raw: RawFd, inode: u64) -> Option<OwnedFd> {
    take_inherited(raw, inode, libc::S_IFREG)
}

fn take_inherited(raw: RawFd, inode: u64, kind: libc::mode_t) -> Option<OwnedFd> {
    if raw <= 2 {
        return None;
    }
    // SAFETY: fcntl(F_GETFD) reads a flag of the number and is harmless on one that is not open.
    let flags = unsafe { libc::fcntl(raw, libc::F_GETFD) };
    // Everything that this process opens itself is close-on-exec: such a number has an owner here.
    if flags == -1 || flags & libc::FD_CLOEXEC != 0 {
        return None;
    }
    // SAFETY: the number is open, and the borrow ends before anything can close it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
    let stat = nix::sys::stat::fstat(borrowed).ok()?;
    if stat.st_mode & libc::S_IFMT != kind || stat.st_ino != inode {
        return None;
    }
    // SAFETY: the number is open, was inherited, and nothing in this process knows it but the
    // caller, who asks once.
    let owned = unsafe { OwnedFd::from_raw_fd(raw) };
    set_cloexec(&owned).ok()?;
    Some(owned)
}

/// Takes what this process was started with as number `raw`, if anything, and makes it close-on-exec.
pub(crate) fn take_given(raw: RawFd) -> Option<OwnedFd> {
    // SAFETY: fcntl(F_GETFD) reads a flag of the number and is harmless on one that is not open.
    let flags = unsafe { libc::fcntl(raw, libc::F_GETFD) };
    // Everything that this process opens itself is close-on-exec: such a number has an owner here.
    if raw <= 2 || flags == -1 || flags & libc::FD_CLOEXEC != 0 {
        return None;
    }
    // SAFETY: the number is open, was inherited, and its close-on-exec flag is set at once, so
    // whoever asks again is given nothing.
    let owned = unsafe { OwnedFd::from_raw_fd(raw) };
    set_cloexec(&owned).ok()?;
    Some(owned)
}

/// Makes `fd` close-on-exec.
pub(crate) fn set_cloexec(fd: &OwnedFd) -> io::Result<()> {
    let flags = nix::fcntl::FdFlag::FD_CLOEXEC;
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(flags))?;
    Ok(())
}

/// A copy, close-on-exec, of what is open under a number that this process inherited.
pub(crate) fn copy_inherited(raw: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes integers; a number that is not open is refused by an error.
    let copy = unsafe { libc::fcntl(raw, libc::F_DUPFD_CLOEXEC, 3) };
    Ok(adopt(Errno::result(copy)?))
}

/// What is open under a number that this process inherited, close-on-exec.
pub(crate) fn own_inherited(raw: RawFd) -> OwnedFd {
    hide_inherited(raw);
    adopt(raw)
}

/// Closes a number that this process inherited and that nobody owns.
pub(crate) fn close_inherited(raw: RawFd) {
    // SAFETY: callers pass numbers that they were told of at the start of this process, of which
    // nobody in it has made anything that would close them.
    unsafe { libc::close(raw) };
}

/// Keeps a number that this process inherited from what it starts.
pub(crate) fn hide_inherited(raw: RawFd) {
    // SAFETY: fcntl(F_SETFD) takes integers, and is harmless on a number that is not open.
    unsafe { libc::fcntl(raw, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// The inode number behind `fd`: for a socket, its own for as long as it exists.
pub(crate) fn inode(fd: impl AsFd) -> io::Result<u64> {
    Ok(nix::sys::stat::fstat(fd)?.st_ino)
}

/// Closes what `fd` refers to while others still borrow its number: the number now refers to what
/// `stand_in` does, and stays reserved until its owner drops it.
pub(crate) fn replace(fd: BorrowedFd<'_>, stand_in: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both numbers are open. The target is owned by somebody who goes on owning a valid
    // descriptor; only what it refers to changes, which is the caller's purpose.
    let done = unsafe { libc::dup3(stand_in.as_raw_fd(), fd.as_raw_fd(), libc::O_CLOEXEC) };
    Errno::result(done)?;
    Ok(())
}

/// Who owns the descriptor that it names, for as long as it lives.
///
/// # Safety
///
/// [`AsRawFd::as_raw_fd`] always gives the same number, it stays open until the value is dropped,
/// and nobody makes it refer to anything else.
pub(crate) unsafe trait Owner: AsRawFd {}

// SAFETY: it is the owner; `replace` is called on listeners only, which are not watched.
unsafe impl Owner for OwnedFd {}
// SAFETY: it holds an `OwnedFd` that nothing replaces.
unsafe impl Owner for Arc<super::pidfd::Process> {}
// SAFETY: as above.
unsafe impl Owner for Arc<crate::channel::Channel> {}
// SAFETY: as above.
unsafe impl Owner for nix::sys::signalfd::SignalFd {}
// SAFETY: it stays open for as long as it is borrowed; and as for `OwnedFd`.
unsafe impl Owner for BorrowedFd<'_> {}

/// Registers with the runtime of this thread, for reading.
pub(crate) fn watch<T: Owner>(owner: T) -> io::Result<AsyncFd<T>> {
    tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
    // SAFETY: `Owner` promises what tokio asks for.
    Ok(unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }?)
}

/// Takes ownership of a descriptor number that the kernel just gave to the caller.
pub(super) fn adopt(raw: RawFd) -> OwnedFd {
    // SAFETY: callers in this room pass only numbers that a system call has just returned to them,
    // which nobody else can know.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;
    use crate::testing::eventually;

    #[test]
    fn a_replaced_listener_frees_its_port_while_it_is_still_borrowed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        replace(listener.as_fd(), null.as_fd()).unwrap();
        eventually("the port is free", || std::net::TcpListener::bind(address).ok());
        drop(listener);
    }

    #[test]
    fn a_number_is_taken_only_if_it_was_inherited_and_is_that_very_socket() {
        let (ours, _peer) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let number = inode(&ours).unwrap();
        assert!(take_inherited_socket(ours.as_raw_fd(), number).is_none(), "close-on-exec: ours");
        let inheritable = nix::unistd::dup(&ours).unwrap();
        assert!(take_inherited_socket(inheritable.as_raw_fd(), number + 1).is_none());
        let raw = inheritable.into_raw_fd();
        let taken = take_inherited_socket(raw, number).unwrap();
        assert_eq!(taken.as_raw_fd(), raw);
        assert!(take_inherited_socket(900, number).is_none(), "not open");
    }
}
