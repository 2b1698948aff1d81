//! The groups of who connected to a UNIX socket, beside the one that `SO_PEERCRED` tells: unix(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

use nix::errno::Errno;

/// The supplementary groups of who connected, as they were at that moment.
pub(crate) fn peer_groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; USUAL];
    match fill(&socket, &mut groups) {
        // The kernel has said how many there are, and they do not change any more.
        Err(Errno::ERANGE) => Ok(fill(&socket, &mut groups).map(|()| groups)?),
        filled => Ok(filled.map(|()| groups)?),
    }
}

/// Sets the length of `groups` to how many there are, whether they fit or not.
fn fill(socket: &impl AsFd, groups: &mut Vec<libc::gid_t>) -> Result<(), Errno> {
    const SIZE: usize = size_of::<libc::gid_t>();
    let mut length = libc::socklen_t::try_from(groups.len() * SIZE).map_err(|_| Errno::EINVAL)?;
    let raw = socket.as_fd().as_raw_fd();
    let buffer = groups.as_mut_ptr().cast();
    // SAFETY: the descriptor is borrowed for the call, and the buffer has room for `length` bytes, of
    // which any are a number.
    let done = unsafe {
        libc::getsockopt(raw, libc::SOL_SOCKET, libc::SO_PEERGROUPS, buffer, &raw mut length)
    };
    let count = usize::try_from(length).map_err(|_| Errno::EINVAL)? / SIZE;
    groups.resize(count.min(MOST), 0);
    Errno::result(done).map(drop)
}

/// More than most users are in.
const USUAL: usize = 64;

/// What Linux lets a process have: `NGROUPS_MAX`.
const MOST: usize = 65536;

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_peer_has_the_groups_of_its_process() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        let expected: Vec<u32> = line.split_whitespace().map(|gid| gid.parse().unwrap()).collect();
        assert_eq!(peer_groups(&ours).unwrap(), expected);
    }

    #[test]
    fn more_groups_than_fit_are_counted_first() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let all = peer_groups(&ours).unwrap();
        let mut none = Vec::new();
        let filled = fill(&ours, &mut none);
        assert_eq!(none.len(), all.len());
        assert_eq!(filled.is_err(), !all.is_empty());
    }

    #[test]
    fn what_is_no_unix_socket_has_no_groups() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(peer_groups(&listener).is_err());
    }
}
