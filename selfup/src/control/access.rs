//! Who may change the service: by the credentials of the connection, and the rights of the socket.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use http::StatusCode;
use tokio::net::UnixStream;

use super::answer::Refused;
use crate::sys::peer_groups::peer_groups;

/// Who connected: as it was then, whatever has become of the process since.
#[derive(Debug)]
pub(super) struct Caller {
    /// 0, if it is in another PID namespace.
    pub(super) pid: u32,
    pub(super) uid: u32,
    gid: u32,
    /// Beside `gid`.
    groups: Vec<u32>,
}

impl Caller {
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = stream.peer_cred()?;
        let pid = credentials.pid().and_then(|pid| pid.try_into().ok()).unwrap_or_default();
        // A kernel that does not tell them (before 4.13) is taken to have told none.
        let groups = peer_groups(stream.as_fd()).unwrap_or_default();
        Ok(Self { pid, uid: credentials.uid(), gid: credentials.gid(), groups })
    }

    fn is_in(&self, group: u32) -> bool {
        self.gid == group || self.groups.contains(&group)
    }
}

/// What the rights are told by.
#[derive(Debug)]
pub(super) struct Access {
    /// The socket in the file system, and not its name: whoever may write the directory could put
    /// a socket of his own there.
    socket: Option<File>,
    master: u32,
}

/// Who owns a socket, and who else may write to it.
#[derive(Debug, Clone, Copy)]
struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
}

impl Access {
    /// By the socket at `path`, if it is this one still.
    pub(super) fn by_socket(path: &Path, inode: (u64, u64)) -> Self {
        let master = nix::unistd::geteuid().as_raw();
        Self { socket: hold(path, inode).ok().flatten(), master }
    }

    /// Refuses who may not change the service.
    pub(super) fn check(&self, caller: &Caller) -> Result<(), Refused> {
        // Asked anew: an operator may have given it to others.
        let rights = self.socket.as_ref().and_then(|socket| {
            let metadata = socket.metadata().ok()?;
            let (owner, group) = (metadata.uid(), metadata.gid());
            Some(Rights { owner, group, mode: metadata.mode() })
        });
        if may_act(caller, self.master, rights) {
            return Ok(());
        }
        let words = format!(
            "user {} may look, and change nothing: that may root, the user of the service ({}), the \
             owner of the socket, and its group if that may write to it; ask as one of them, or give \
             the socket to others by its mode, owner and group",
            caller.uid, self.master
        );
        Err(Refused::new(StatusCode::FORBIDDEN, words))
    }
}

fn may_act(caller: &Caller, master: u32, rights: Option<Rights>) -> bool {
    let uid = caller.uid;
    let by_rights = |rights: Rights| {
        uid == rights.owner || (rights.mode & GROUP_WRITES != 0 && caller.is_in(rights.group))
    };
    uid == 0 || uid == master || rights.is_some_and(by_rights)
}

const GROUP_WRITES: u32 = 0o020;

fn hold(path: &Path, inode: (u64, u64)) -> io::Result<Option<File>> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    let is_it = metadata.file_type().is_socket() && (metadata.dev(), metadata.ino()) == inode;
    Ok(is_it.then_some(file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    const MASTER: u32 = 500;
    const OWNER: u32 = 600;
    const OPS: u32 = 700;

    fn caller(uid: u32, gid: u32, groups: &[u32]) -> Caller {
        Caller { pid: 7, uid, gid, groups: groups.to_vec() }
    }

    #[test]
    fn root_the_service_the_owner_and_a_group_that_may_write_change_it() {
        let rights = |mode| Some(Rights { owner: OWNER, group: OPS, mode });
        let table = [
            (caller(0, 0, &[]), 0o600, true),
            (caller(MASTER, 1, &[]), 0o600, true),
            (caller(OWNER, 1, &[]), 0o600, true),
            (caller(1, OPS, &[]), 0o660, true),
            (caller(1, 1, &[2, OPS]), 0o660, true),
            (caller(1, OPS, &[OPS]), 0o606, false),
            (caller(1, 1, &[2, 3]), 0o666, false),
            (caller(1, 0, &[0]), 0o666, false),
            (caller(OPS, MASTER, &[OWNER]), 0o666, false),
        ];
        for (caller, mode, may) in table {
            assert_eq!(may_act(&caller, MASTER, rights(mode)), may, "{caller:?} {mode:o}");
        }
    }

    #[test]
    fn without_the_socket_root_and_the_service_are_left() {
        for (uid, may) in [(0, true), (MASTER, true), (OWNER, false), (1, false)] {
            assert_eq!(may_act(&caller(uid, OPS, &[OPS]), MASTER, None), may, "{uid}");
        }
    }

    #[test]
    fn the_rights_are_those_that_the_socket_has_now_and_not_another_of_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control");
        let _listener = UnixListener::bind(&path).unwrap();
        let inode_of = |path: &Path| {
            let metadata = std::fs::symlink_metadata(path).unwrap();
            (metadata.dev(), metadata.ino())
        };
        let inode = inode_of(&path);
        let mut access = Access::by_socket(&path, inode);
        access.master = MASTER;
        let gid = std::fs::metadata(&path).unwrap().gid();
        let member = caller(u32::MAX - 1, 1, &[gid]);
        let set = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).unwrap();
        };
        set(0o660);
        assert!(access.check(&member).is_ok());
        set(0o600);
        let refused = access.check(&member).unwrap_err();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(refused.words().contains("its group if that may write"), "{}", refused.words());
        // Another socket under the name is nobody's word.
        std::fs::rename(&path, directory.path().join("old")).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        set(0o666);
        assert!(access.check(&member).is_err());
        assert!(Access::by_socket(&path, inode).socket.is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(Access::by_socket(&path, inode).socket.is_none());
    }

    #[tokio::test]
    async fn a_caller_is_who_connected() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let caller = Caller::of(&ours).unwrap();
        assert_eq!(caller.uid, nix::unistd::geteuid().as_raw());
        assert_eq!(caller.pid, std::process::id());
    }
}
