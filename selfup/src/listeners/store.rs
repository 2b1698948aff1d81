//! How sockets are called that the process manager keeps while the service has no process, and how
//! they are found again.
//!
//! A name says the place of a socket, in the words of its address without options, so that a later
//! version with other options finds it, too. That of a UNIX socket says its file as well: if that is
//! gone from its path, or another's is there, nobody can connect to the socket any more.
//!
//! Found by such a name, a socket is listened on as it is: what waits in its queue is served, and
//! nobody is refused meanwhile. What no address asks for is closed.
//!
//! Limits: a name is 255 bytes at most (`FDNAME=`, `sd_notify(3)`), and a path that makes it longer is
//! bound anew each time. At a stop a UNIX socket is removed from its path, so such a socket is found
//! again after a crash only.

use std::fmt::Write as _;

use super::path::Inode;
use crate::config::{Host, Place, Socket};

/// What they are all called, to be told from sockets that an administrator named.
const PREFIXES: [&str; 4] = ["selfup-tcp-", "selfup-udp-", "selfup-unix-", "selfup-abstract-"];

/// The longest name.
const LONGEST: usize = 255;

/// Whether a socket of this name was kept for the service.
pub(super) fn is_kept(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// How `bound` is to be called, if it is one to be kept: those that were handed in are kept already.
#[cfg(feature = "systemd")]
pub(crate) fn name_of(bound: &super::Bound) -> Option<String> {
    name(bound.address.place(), bound.placed.as_ref().map(|placed| placed.inode()))
}

/// How the socket of `place` is called, whose file this is if it has one.
pub(super) fn name(place: &Place, inode: Option<Inode>) -> Option<String> {
    let [tcp, udp, unix, r#abstract] = PREFIXES;
    let name = match (place, inode) {
        (Place::Tcp(socket), _) => format!("{tcp}{}", inet(socket)),
        (Place::Udp(socket), _) => format!("{udp}{}", inet(socket)),
        (Place::Path(path), Some((device, number))) => {
            format!("{unix}{}-{device}-{number}", escape(path))
        }
        (Place::Abstract(name), _) => format!("{abstract}{}", escape(name)),
        (Place::Path(_) | Place::Number(_) | Place::Name(_), _) => return None,
    };
    (name.len() <= LONGEST).then_some(name)
}

fn inet(socket: &Socket) -> String {
    let host = match &socket.host {
        Host::Any => String::new(),
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.clone(),
    };
    format!("{}-{}", escape(&host), socket.port)
}

/// Printable, and without the colon that is between names.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b':' | b'%') {
            escaped.push(byte.into());
        } else {
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Address;

    fn named(address: &str, inode: Option<Inode>) -> Option<String> {
        name(Address::parse(address).unwrap().place(), inode)
    }

    #[test]
    fn a_name_says_the_place_and_no_option() {
        for (address, expected) in [
            (":3000?name=web&backlog=7", "selfup-tcp--3000"),
            ("127.0.0.1:80", "selfup-tcp-127.0.0.1-80"),
            ("[::1]:80", "selfup-tcp-%3a%3a1-80"),
            ("udp::53", "selfup-udp--53"),
            ("unix:@a%b", "selfup-abstract-a%25b"),
        ] {
            assert_eq!(named(address, None).as_deref(), Some(expected));
            assert!(is_kept(expected));
        }
        let file = named("unix:/run/a b.sock?mode=0600", Some((1, 2)));
        assert_eq!(file.as_deref(), Some("selfup-unix-/run/a%20b.sock-1-2"));
    }

    #[test]
    fn what_was_handed_in_and_what_has_no_room_for_its_name_is_not_kept() {
        assert_eq!(named("fd:web", None), None);
        let long = format!("unix:/{}", "\u{e4}".repeat(50));
        assert_eq!(named(&long, Some((1, 2))), None);
        assert!(!is_kept("selfup-web") && !is_kept("web"));
    }
}
