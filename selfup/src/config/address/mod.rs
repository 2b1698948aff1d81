mod grammar;
mod into;

use std::fmt;
use std::net::SocketAddr;

use self::grammar::Parsed;
pub(crate) use self::grammar::inet::Host;
pub(crate) use self::grammar::{Options, Place, Socket};
pub use self::into::IntoAddresses;
use crate::error::{Error, ErrorKind, Result};

/// Where to listen, as it was configured.
///
/// | address | what is listened on |
/// |---|---|
/// | `:3000` | TCP, every interface, IPv6 and IPv4 alike, as in Go; IPv4 alone where there is no IPv6 |
/// | `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000` | TCP, one interface; port 0 is one that the kernel chooses |
/// | `unix:/run/app.sock` | a UNIX socket at this absolute path, of 107 bytes at most |
/// | `unix:@app` | a UNIX socket by an abstract name: unix(7), on Linux only; whoever is in its network namespace may connect |
/// | `udp::5353`, `udp:127.0.0.1:53` | UDP, with the hosts of TCP |
/// | `fd:web`, `fd:3` | a socket of any of these kinds that the process manager hands in, by its name or number: `sd_listen_fds(3)` |
///
/// Options follow a `?`, as `key=value` joined by `&`: `unix:/run/app.sock?mode=0660&group=www-data`.
///
/// | option | of | meaning | default |
/// |---|---|---|---|
/// | `name=admin` | all | the name that [`State::listener_at`](crate::State::listener_at) finds it by, too: letters, digits, `-`, `.` and `_` | none |
/// | `backlog=128` | TCP, UNIX | how many connections may wait to be accepted | [`Builder::backlog`](crate::Builder::backlog) |
/// | `nodelay=true` | TCP | whether small packets are sent at once (`TCP_NODELAY`, tcp(7)) | false; true under [`serve`](fn@crate::serve) |
/// | `keepalive=30s` | TCP | after so long without traffic a client is asked whether it is there (`TCP_KEEPIDLE`): `1s` to `32767s`, with `s`, `m` or `h` | never |
/// | `mode=0660` | UNIX path | who may connect needs write permission: an octal mode up to 0777 | what the umask leaves |
/// | `owner=app`, `group=www-data` | UNIX path | names or numbers; another owner than its own takes root | those of the process |
///
/// Mode and owner are set before the socket is at its path, so it is never reachable with others. An
/// upgrade may change them: the new ones hold from its commit on. An owner or a group that it leaves out
/// is that of the process from then on; a mode that it leaves out stays as it is until the next start.
/// Names of users and groups are looked up by the master when it needs them; where a directory service
/// answers slowly, write numbers.
///
/// An existing socket is replaced if nobody listens on it any more; nothing else ever is. At the
/// final stop of the service the socket is removed, unless another one is at the path by then.
///
/// Of a host that has several addresses the first that this machine has is listened on.
///
/// All sockets that a process manager hands in are taken by the master, whether an address names them
/// or not, and neither they nor the variables that tell of them come to the program in another way.
///
/// One address may be listed under several names, each of which is a [`Listener`](crate::Listener)
/// on one and the same socket: each connection is accepted by one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    parsed: Parsed,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with what was found, what was expected and the fix.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed = grammar::parse(text).map_err(|text| Error::new(ErrorKind::Config, text))?;
        Ok(Self { text: text.to_owned(), parsed })
    }

    /// Reads where the control socket is.
    #[cfg_attr(not(feature = "control"), allow(dead_code, reason = "there is none"))]
    pub(crate) fn of_control(text: &str) -> Result<Self> {
        let address = grammar::control::address(text);
        Self::parse(&address.map_err(|text| Error::new(ErrorKind::Config, text))?)
    }

    /// The address as it was configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name that it was given by the option `name`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.parsed.options.name.as_deref()
    }

    /// Whether `text` means this one: its name, or the address with its options or without.
    pub(crate) fn is_meant_by(&self, text: &str) -> bool {
        let without = self.text.split_once('?').map_or(&*self.text, |(address, _)| address);
        self.name() == Some(text) || self.text == text || without == text
    }

    /// Whether it is a socket that the process manager hands in.
    pub(crate) fn is_given(&self) -> bool {
        matches!(self.place(), Place::Number(_) | Place::Name(_))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.parsed.place
    }

    pub(crate) fn options(&self) -> &Options {
        &self.parsed.options
    }

    /// Whether both are one socket. Port 0 is another port each time.
    pub(crate) fn is_same_socket(&self, other: &Self) -> bool {
        self.parsed.is_same_socket(&other.parsed)
    }

    /// Why this one cannot stand in a list behind `earlier`.
    pub(crate) fn conflict(&self, earlier: &Self) -> Option<String> {
        Parsed::conflict((&earlier.text, &earlier.parsed), (&self.text, &self.parsed))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let text = address.to_string();
        Self::parse(&text).unwrap_or_else(|_| {
            let socket = Socket { host: Host::Ip(address.ip()), port: address.port() };
            let parsed = Parsed { place: Place::Tcp(socket), options: Options::default() };
            Self { text, parsed }
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        for (text, host, port) in [
            (":3000", Host::Any, 3000),
            ("127.0.0.1:0", Host::Ip([127, 0, 0, 1].into()), 0),
            ("[::1]:80", Host::Ip(IpAddr::V6(Ipv6Addr::LOCALHOST)), 80),
            ("[fe80::1%eth0]:80", Host::Name("fe80::1%eth0".into()), 80),
            ("localhost:8080", Host::Name("localhost".into()), 8080),
        ] {
            let socket = Socket { host, port };
            assert_eq!(*parse(text).place(), Place::Tcp(socket.clone()), "{text}");
            assert_eq!(*parse(&format!("udp:{text}")).place(), Place::Udp(socket), "{text}");
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn options_say_the_rest() {
        let unix = parse("unix:/run/a.sock?name=a.b-c_1&backlog=5&mode=0660&owner=root&group=7");
        assert_eq!(*unix.place(), Place::Path("/run/a.sock".into()));
        let options = unix.options();
        assert_eq!((options.backlog, options.mode), (Some(5), Some(0o660)));
        assert_eq!((options.owner.as_deref(), options.group.as_deref()), (Some("root"), Some("7")));
        assert_eq!(unix.name(), Some("a.b-c_1"));
        let tcp = parse(":1?nodelay&keepalive=2m");
        assert_eq!(tcp.options().nodelay, Some(true));
        assert_eq!(tcp.options().keepalive, Some(Duration::from_secs(120)));
        assert_eq!(parse(":1?nodelay=false").options().nodelay, Some(false));
        assert_eq!(*parse("unix:@app").place(), Place::Abstract("app".into()));
        assert_eq!(*parse("fd:3").place(), Place::Number(3));
        assert_eq!(*parse("fd:web").place(), Place::Name("web".into()));
    }

    #[test]
    fn an_address_is_meant_by_its_name_and_with_or_without_its_options() {
        let address = parse(":3000?name=admin");
        for (text, is_meant) in
            [("admin", true), (":3000", true), (":3000?name=admin", true), ("3000", false)]
        {
            assert_eq!(address.is_meant_by(text), is_meant, "{text}");
        }
    }

    #[test]
    fn addresses_that_exclude_each_other_are_known() {
        for (one, other, conflict) in [
            (":1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            (":1", ":2", false),
            (":0", ":0", false),
            (":1", "udp::1", false),
            ("udp::1", "udp:127.0.0.1:1", true),
            ("unix:/a", "unix:/a?mode=0600", true),
            ("unix:/a", "unix:@/a", false),
            ("fd:3", "fd:3", true),
            (":1?name=a", ":1?name=b", false),
            (":1?name=a", ":1", true),
            (":1?name=a", ":1?name=b&backlog=2", true),
            (":0?name=a", ":0?name=b&backlog=2", false),
            (":1?name=a", ":2?name=a", true),
            (":1?name=a", "127.0.0.1:1?name=b", true),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let found = parse(one).conflict(&parse(other));
                assert_eq!(found.is_some(), conflict, "{one} {other}: {found:?}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_told_the_fix() {
        for (text, fix) in [
            ("", "write \":3000\""),
            ("3000", "did you mean \":3000\"?"),
            ("127.0.0.1", "write \"127.0.0.1:3000\""),
            ("::1", "\"[::1]:3000\""),
            ("fe80::zz:1", "expected a host and a port"),
            ("[::1]", "has no port"),
            ("[::g]:1", "not an IPv6 address"),
            (":99999", "(0 to 65535)"),
            ("a b:80", "is not a host name"),
            ("unix:run/app.sock", "\"unix:/run/run/app.sock\""),
            ("unix:///run/app.sock", "write \"unix:/run/app.sock\""),
            ("unix:/run/", "without the name of a file"),
            ("unix:@", "the name of an abstract socket"),
            ("fd:2", "the first is \"fd:3\""),
            ("fd:a:b", "without colons"),
            (":1?", "`` is no option of a TCP address; expected `name`, `backlog`, `nodelay` or"),
            (":1?mode=0600", "`mode` is no option of a TCP address"),
            ("udp::1?backlog=5", "`backlog` is no option of a UDP address; expected `name`"),
            (":1?name=a&name=b", "given twice"),
            (":1?name", "needs a value: `name=...`"),
            (":1?name=a b", "letters, digits"),
            (":1?backlog=0", "use 1 to 2147483647"),
            (":1?nodelay=yes", "\"true\" or \"false\""),
            (":1?keepalive=30", "\"1s\" to \"32767s\""),
            (":1?keepalive=10h", "\"1s\" to \"32767s\""),
            ("unix:/a?mode=666x", "in octal, such as `mode=0660`"),
            ("unix:/a?mode=1777", "in octal"),
            ("unix:/a?owner=a:b", "write `owner=a&group=b`"),
        ] {
            let message = Address::parse(text).unwrap_err().to_string();
            assert!(message.contains(fix), "{text:?}: {message}");
        }
    }

    /// Each crate is published by itself, so neither can take the other's files.
    #[test]
    fn the_attribute_has_the_same_grammar() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/address/grammar");
        let its = own.join("../../../../../selfup-macros/src/main_attr/value/address/grammar");
        if !its.exists() {
            // So it is in a published package.
            return;
        }
        for file in ["mod.rs", "control.rs", "inet.rs", "local.rs", "options.rs"] {
            let read = |directory: &Path| std::fs::read_to_string(directory.join(file)).unwrap();
            assert_eq!(read(&own), read(&its), "copy {file}");
        }
    }
}
