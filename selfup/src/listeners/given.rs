use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use socket2::Socket;

use super::{Bound, Kind, Placed, path, store};
use crate::config::{Address, Place};
use crate::sys;

/// The sockets that the process manager bound and handed to the first process of the service:
/// `sd_listen_fds(3)`.
///
/// A master keeps them all for its life, those too that no address names: a later version of the
/// program may name them, and the process manager hands them in only once. Those that it has kept for
/// the service itself, by [`store`], are listened on at once or not at all.
#[derive(Debug, Default)]
pub(crate) struct Given {
    sockets: Vec<GivenSocket>,
    /// The numbers of those that were kept, and have found their address.
    found: RefCell<BTreeSet<i32>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct GivenSocket {
    /// The number that it was handed in as, which is not the one that it has.
    pub(crate) number: i32,
    pub(crate) name: String,
    pub(crate) socket: OwnedFd,
}

/// What tells of them. It leaves the environment of the master, for it would be true again in what
/// that executes in place, and it is kept from every other process.
pub(crate) const GIVEN_BY: [&str; 4] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"];

/// `SD_LISTEN_FDS_START`.
const FIRST: i32 = 3;

impl Given {
    /// Takes what was handed to this process, and removes from the environment what tells of it.
    pub(crate) fn take() -> Self {
        let variable = |name| std::env::var(name).ok();
        let pid: Option<u32> = variable(GIVEN_BY[0]).and_then(|pid| pid.parse().ok());
        let count = variable(GIVEN_BY[1]).and_then(|count| count.parse().ok());
        let names = variable(GIVEN_BY[2]).unwrap_or_default();
        for name in GIVEN_BY {
            if std::env::var_os(name).is_some() {
                sys::env::remove_if_alone(OsStr::new(name));
            }
        }
        match (pid, count) {
            (Some(pid), Some(count)) if pid == std::process::id() => Self::numbered(count, &names),
            _ => Self::default(),
        }
    }

    fn numbered(count: i32, names: &str) -> Self {
        let mut names = names.split(':');
        // They are numbered without a gap: where one is not there, the others are not either.
        let taken = (FIRST..FIRST.saturating_add(count)).map_while(|number| {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or(UNNAMED).to_owned();
            let socket = sys::fd::take_given(number)?;
            Some(GivenSocket { number, name, socket })
        });
        Self::taken_over(taken.collect())
    }

    /// Whether this process was handed any that were kept for the service.
    pub(crate) fn has_kept() -> bool {
        let names = std::env::var(GIVEN_BY[2]).unwrap_or_default();
        names.split(':').any(store::is_kept)
    }

    /// Those that a master before this one was given.
    pub(crate) fn taken_over(sockets: Vec<GivenSocket>) -> Self {
        Self { sockets, found: RefCell::default() }
    }

    pub(crate) fn sockets(&self) -> &[GivenSocket] {
        &self.sockets
    }

    /// Closes them all.
    pub(crate) fn let_go(&mut self) {
        self.sockets.clear();
    }

    /// Closes those that were kept, but for the copies that have found their address. Their names.
    pub(crate) fn let_go_of_kept(&mut self) -> Vec<String> {
        let kept = self.sockets.extract_if(.., |it| store::is_kept(&it.name));
        kept.map(|it| it.name).collect()
    }

    /// A copy of the one that was kept for `address`, as its options say.
    pub(super) fn kept(&self, address: &Address, backlog: i32) -> io::Result<Option<Bound>> {
        let (place, mut inode) = (address.place(), None);
        if !self.sockets.iter().any(|it| store::is_kept(&it.name)) {
            return Ok(None);
        }
        if let Place::Path(path) = place {
            // Whatever else may be there is dealt with where it is bound.
            inode = path::inode_at(path.as_ref()).ok().flatten();
        }
        let Some(name) = store::name(place, inode) else { return Ok(None) };
        let is_it =
            |it: &&GivenSocket| it.name == name && !self.found.borrow().contains(&it.number);
        for it in self.sockets.iter().filter(is_it) {
            let socket = Socket::from(it.socket.as_fd().try_clone_to_owned()?);
            let Some(kind) = Kind::of(&socket)?.filter(|kind| Kind::expected(place) == Some(*kind))
            else {
                continue;
            };
            socket.set_nonblocking(true)?;
            let mut bound = Bound::new(address.clone(), kind, socket)?;
            if let (Place::Path(path), Some(inode)) = (place, inode) {
                let placed = Placed::taken_over(path, inode);
                placed.own();
                bound.placed = Some(Arc::new(placed));
            }
            bound.become_as(address, backlog)?;
            self.found.borrow_mut().insert(it.number);
            return Ok(Some(bound));
        }
        Ok(None)
    }

    /// A copy of the one that `place` names.
    pub(super) fn get(&self, place: &Place) -> io::Result<(Kind, Socket)> {
        let socket = Socket::from(self.find(place)?.socket.as_fd().try_clone_to_owned()?);
        let Some(kind) = Kind::of(&socket)? else {
            let text = "it is neither a listening stream socket nor one for UDP; see `Accept=no`";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        socket.set_nonblocking(true)?;
        Ok((kind, socket))
    }

    fn find(&self, place: &Place) -> io::Result<&GivenSocket> {
        let (found, what): (Vec<_>, _) = match place {
            Place::Number(number) => {
                let found = self.sockets.iter().filter(|it| it.number == *number);
                (found.collect(), format!("numbered {number}"))
            }
            Place::Name(name) => {
                let found = self.sockets.iter().filter(|it| it.name == *name);
                (found.collect(), format!("named {name:?}"))
            }
            _ => (Vec::new(), "for it".to_owned()),
        };
        let text = match found[..] {
            [one] => return Ok(one),
            [] => format!("no socket {what} was handed in, but {}", self.list()),
            _ => format!("several sockets {what} were handed in: {}; use the number", self.list()),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    fn list(&self) -> String {
        if self.sockets.is_empty() {
            return "none at all".to_owned();
        }
        let one = |it: &GivenSocket| format!("fd:{} (fd:{})", it.number, it.name);
        self.sockets.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// How a socket is called that was given no name.
const UNNAMED: &str = "unknown";

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;
    use crate::testing::eventually;

    fn given(names: &[&str]) -> Given {
        let socket = |(index, name): (usize, &&str)| GivenSocket {
            number: FIRST + i32::try_from(index).unwrap(),
            name: (*name).to_owned(),
            socket: std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        };
        Given::taken_over(names.iter().enumerate().map(socket).collect())
    }

    #[test]
    fn a_socket_is_found_by_its_number_and_by_a_name_that_is_its_own() {
        let given = given(&["web", "admin", "web"]);
        let find = |place: &Place| given.find(place).map(|it| it.socket.as_raw_fd());
        assert_eq!(find(&Place::Number(5)).unwrap(), given.sockets[2].socket.as_raw_fd());
        assert_eq!(
            find(&Place::Name("admin".into())).unwrap(),
            given.sockets[1].socket.as_raw_fd()
        );
        let error = find(&Place::Name("web".into())).unwrap_err().to_string();
        assert!(error.contains("use the number"), "{error}");
        let error = find(&Place::Number(9)).unwrap_err().to_string();
        assert!(error.contains("fd:4 (fd:admin)"), "{error}");
    }

    /// What a manager that kept these sockets hands to the next process.
    fn handed_on(bound: &[Bound]) -> Given {
        let socket = |(index, bound): (usize, &Bound)| GivenSocket {
            number: FIRST + i32::try_from(index).unwrap(),
            name: name(bound),
            socket: bound.socket.try_clone().unwrap().into(),
        };
        Given::taken_over(bound.iter().enumerate().map(socket).collect())
    }

    fn name(bound: &Bound) -> String {
        let inode = bound.placed.as_ref().map(|placed| placed.inode());
        store::name(bound.address.place(), inode).unwrap()
    }

    fn bind(texts: &[&str], given: &Given) -> Vec<Bound> {
        let addresses: Vec<_> = texts.iter().map(|text| Address::parse(text).unwrap()).collect();
        super::super::bind_all(&addresses, &[], given, 16, std::time::Duration::ZERO).unwrap()
    }

    #[test]
    fn what_was_kept_is_listened_on_with_whoever_waits_there() {
        let named = format!("unix:@selfup-kept-{}", std::process::id());
        let texts = ["127.0.0.1:0", "127.0.0.1:0", "udp:127.0.0.1:0", &named];
        let before = bind(&texts, &Given::default());
        let mut given = handed_on(&before);
        let locals: Vec<_> = before.iter().map(|bound| bound.local.clone()).collect();
        let _client = std::net::TcpStream::connect(locals[0].as_tcp().unwrap()).unwrap();
        drop(before);
        let after = bind(&[texts[0], "127.0.0.1:0?nodelay=true", texts[2], texts[3]], &given);
        assert_eq!(after.iter().map(|bound| bound.local.clone()).collect::<Vec<_>>(), locals);
        assert_eq!(given.let_go_of_kept().len(), 4);
        after[0].socket.accept().unwrap();
        assert!(after[1].socket.tcp_nodelay().unwrap(), "its options are those of now");
    }

    #[test]
    fn what_no_address_asks_for_is_closed_and_named() {
        let before = bind(&["127.0.0.1:0", "udp:127.0.0.1:0"], &Given::default());
        let (local, mut given) = (before[0].local.clone(), handed_on(&before));
        drop(before);
        let after = bind(&["udp:127.0.0.1:0"], &given);
        let names = given.let_go_of_kept();
        assert_eq!(names, ["selfup-tcp-127.0.0.1-0", "selfup-udp-127.0.0.1-0"]);
        eventually("it is closed", || std::net::TcpStream::connect(local.as_tcp().unwrap()).err());
        assert_eq!(after[0].kind, Kind::Udp);
        assert!(given.sockets().is_empty());
    }

    #[test]
    fn what_an_administrator_named_stays() {
        let mut given = given(&["web", "selfup-web"]);
        assert!(given.let_go_of_kept().is_empty());
        assert_eq!(given.sockets().len(), 2);
    }

    #[test]
    fn a_unix_socket_that_was_kept_is_listened_on_as_long_as_its_file_is_at_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let text = format!("unix:{}", path.display());
        let mut before = bind(&[&text], &Given::default());
        let given = handed_on(&before);
        // Killed, it would have left its file.
        std::mem::forget(before[0].placed.take());
        drop(before);
        let client = || std::os::unix::net::UnixStream::connect(&path);
        let _client = client().unwrap();
        let after = bind(&[&text], &given);
        after[0].socket.accept().unwrap();
        drop(after);
        assert!(!path.exists(), "it is this process's to remove");
        let after = bind(&[&text], &given);
        let _client = client().unwrap();
        after[0].socket.accept().unwrap();
    }

    #[test]
    fn what_was_kept_is_of_its_kind() {
        let packets = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = GivenSocket {
            number: FIRST,
            name: "selfup-tcp-127.0.0.1-0".into(),
            socket: packets.into(),
        };
        let given = Given::taken_over(vec![socket]);
        assert_eq!(bind(&["127.0.0.1:0"], &given)[0].kind, Kind::Tcp);
    }
}
