use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use socket2::Socket;

use super::Kind;
use crate::config::Place;
use crate::sys;

/// The sockets that the process manager bound and handed to the first process of the service:
/// `sd_listen_fds(3)`.
///
/// A master keeps them all for its life, those too that no address names: a later version of the
/// program may name them, and the process manager hands them in only once.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<GivenSocket>);

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
        Self(taken.collect())
    }

    /// Those that a master before this one was given.
    pub(crate) fn taken_over(sockets: Vec<GivenSocket>) -> Self {
        Self(sockets)
    }

    pub(crate) fn sockets(&self) -> &[GivenSocket] {
        &self.0
    }

    /// Closes them all.
    pub(crate) fn let_go(&mut self) {
        self.0.clear();
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
                let found = self.0.iter().filter(|it| it.number == *number);
                (found.collect(), format!("numbered {number}"))
            }
            Place::Name(name) => {
                let found = self.0.iter().filter(|it| it.name == *name);
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
        if self.0.is_empty() {
            return "none at all".to_owned();
        }
        let one = |it: &GivenSocket| format!("fd:{} (fd:{})", it.number, it.name);
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// How a socket is called that was given no name.
const UNNAMED: &str = "unknown";

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    fn given(names: &[&str]) -> Given {
        let socket = |(index, name): (usize, &&str)| GivenSocket {
            number: FIRST + i32::try_from(index).unwrap(),
            name: (*name).to_owned(),
            socket: std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        };
        Given(names.iter().enumerate().map(socket).collect())
    }

    #[test]
    fn a_socket_is_found_by_its_number_and_by_a_name_that_is_its_own() {
        let given = given(&["web", "admin", "web"]);
        let find = |place: &Place| given.find(place).map(|it| it.socket.as_raw_fd());
        assert_eq!(find(&Place::Number(5)).unwrap(), given.0[2].socket.as_raw_fd());
        assert_eq!(find(&Place::Name("admin".into())).unwrap(), given.0[1].socket.as_raw_fd());
        let error = find(&Place::Name("web".into())).unwrap_err().to_string();
        assert!(error.contains("use the number"), "{error}");
        let error = find(&Place::Number(9)).unwrap_err().to_string();
        assert!(error.contains("fd:4 (fd:admin)"), "{error}");
    }
}
