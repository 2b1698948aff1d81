use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Bound, Given, Kind, path, tune};
use crate::config::{self, Address, Host, Place};
use crate::error::{Error, ErrorKind, Result};

/// Binds every address, in order, or shares the socket that one of `bound` or an earlier one has for
/// it under another name. An address in use is tried again for as long as `patience` lasts: the
/// child of a master that was killed may be letting go of it at this moment.
pub(crate) fn bind_all(
    addresses: &[Address],
    bound: &[Bound],
    given: &Given,
    backlog: i32,
    patience: Duration,
) -> Result<Vec<Bound>> {
    let until = Instant::now() + patience;
    let mut new = Vec::<Bound>::new();
    for address in addresses {
        let same = bound.iter().chain(&new).find(|it| it.address.is_same_socket(address));
        new.push(match same {
            Some(same) => same.share(address.clone()).map_err(|error| explain(address, error))?,
            None => bind_until(address, given, backlog, until)?,
        });
    }
    Ok(new)
}

fn bind_until(address: &Address, given: &Given, backlog: i32, until: Instant) -> Result<Bound> {
    let mut pause = RETRY;
    loop {
        match bind(address, given, backlog) {
            Ok(bound) => return Ok(bound),
            // The kernel has no event for an address that becomes free.
            Err(error) if is_taken(&error) && Instant::now() < until => {
                std::thread::sleep(pause);
                if matches!(address.place(), Place::Path(_)) {
                    // Whoever is there is asked by a connection, which costs it something.
                    pause = LONGEST_RETRY.min(pause * 2);
                }
            }
            Err(error) => return Err(explain(address, error)),
        }
    }
}

/// The time between two tries at an address that is in use.
const RETRY: Duration = Duration::from_millis(20);

/// The longest such time.
const LONGEST_RETRY: Duration = Duration::from_millis(320);

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn explain(address: &Address, error: io::Error) -> Error {
    let is_unix = matches!(address.place(), Place::Path(_) | Place::Abstract(_));
    let in_use = match address.place() {
        Place::Udp(_) => {
            "it is in use; stop what reads there (`ss -lunp` names it) or choose another port"
        }
        _ if is_unix => {
            "it is in use; stop what listens there (`ss -lxp` names it) or choose another path"
        }
        _ => "it is in use; stop what listens there (`ss -ltnp` names it) or choose another port",
    };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => in_use,
        io::ErrorKind::PermissionDenied if is_unix => {
            "it is not permitted; this user has to be able to write the directory, and only root \
             may give the socket to another"
        }
        io::ErrorKind::PermissionDenied => {
            "it is not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has it",
        io::ErrorKind::NotFound if is_unix => "its directory does not exist; create that first",
        io::ErrorKind::AlreadyExists => {
            "what is at the path is nobody's socket; remove it, or choose another path"
        }
        _ if matches!(address.place(), Place::Number(_) | Place::Name(_)) => {
            "see what the process manager hands in (`systemctl show -p Sockets`)"
        }
        _ => "check the address",
    };
    let message = format!("cannot listen on {:?}: {advice}", address.as_str());
    Error::new(ErrorKind::Bind, message).caused_by(error)
}

fn bind(address: &Address, given: &Given, backlog: i32) -> io::Result<Bound> {
    let options = address.options();
    if let Some(kept) = given.kept(address, backlog)? {
        return Ok(kept);
    }
    let backlog = options.backlog.unwrap_or(backlog);
    let (kind, socket, placed) = match address.place() {
        Place::Tcp(socket) => {
            (Kind::Tcp, bind_inet(socket, |at| listen(at, address, backlog))?, None)
        }
        Place::Udp(socket) => (Kind::Udp, bind_inet(socket, bind_packets)?, None),
        Place::Path(path) => {
            let (socket, placed) = path::bind(path.as_ref(), options, backlog)?;
            (Kind::Unix, socket, Some(Arc::new(placed)))
        }
        Place::Abstract(name) => (Kind::Unix, path::bind_abstract(name, backlog)?, None),
        Place::Number(_) | Place::Name(_) => {
            let (kind, socket) = given.get(address.place())?;
            (kind, socket, None)
        }
    };
    Ok(Bound { placed, ..Bound::new(address.clone(), kind, socket)? })
}

fn bind_inet(
    socket: &config::Socket,
    bind: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> io::Result<Socket> {
    let port = socket.port;
    match &socket.host {
        Host::Ip(ip) => bind(SocketAddr::new(*ip, port)),
        Host::Any => match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
            Err(error) if is_of_no_interface(&error) => bind((Ipv4Addr::UNSPECIFIED, port).into()),
            socket => socket,
        },
        Host::Name(name) => {
            let mut last = io::Error::other("the name has no address");
            for resolved in (name.as_str(), port).to_socket_addrs()? {
                match bind(resolved) {
                    // A name may have addresses of a family that this machine has not.
                    Err(error) if is_of_no_interface(&error) => last = error,
                    socket => return socket,
                }
            }
            Err(last)
        }
    }
}

fn is_of_no_interface(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| OF_NO_INTERFACE.contains(&number))
}

#[cfg(unix)]
const OF_NO_INTERFACE: [i32; 3] = [libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL, libc::EPROTONOSUPPORT];

/// The same, in the numbers of Winsock.
#[cfg(not(unix))]
const OF_NO_INTERFACE: [i32; 3] = [10047, 10049, 10043];

fn listen(at: SocketAddr, address: &Address, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows it would let others take the port while it is in use.
    socket.set_reuse_address(cfg!(unix))?;
    bind_to(&socket, at)?;
    tune(&socket, address)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// Without `SO_REUSEADDR`, by which two services could take each other's packets: socket(7).
fn bind_packets(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    bind_to(&socket, at)?;
    Ok(socket)
}

fn bind_to(socket: &Socket, at: SocketAddr) -> io::Result<()> {
    if at.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn bind_in(texts: &[&str], patience: Duration) -> Result<Vec<Bound>> {
        let addresses: Vec<_> = texts.iter().map(|text| Address::parse(text).unwrap()).collect();
        bind_all(&addresses, &[], &Given::default(), 16, patience)
    }

    fn bind_now(text: &str) -> Result<Vec<Bound>> {
        bind_in(&[text], Duration::ZERO)
    }

    #[test]
    fn an_address_without_a_host_takes_ipv4_clients_too() {
        let bound = bind_now(":0").unwrap();
        let port = bound[0].local.as_tcp().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn a_taken_port_is_an_error_that_names_the_address() {
        let taken = bind_now("127.0.0.1:0").unwrap();
        let text = taken[0].local.to_string();
        let error = bind_now(&text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Bind);
        assert!(error.to_string().contains(&text), "{error}");
    }

    #[test]
    fn a_port_that_becomes_free_in_time_is_bound() {
        let taken = bind_now("127.0.0.1:0").unwrap();
        let text = taken[0].local.to_string();
        let waiting = std::thread::spawn(move || {
            bind_in(&[&text], Duration::from_secs(60)).map(|bound| bound.len())
        });
        drop(taken);
        assert_eq!(waiting.join().unwrap().unwrap(), 1);
    }

    #[test]
    fn udp_is_bound_on_both_families_and_is_nobody_elses() {
        let bound = bind_now("udp::0").unwrap();
        let port = bound[0].local.as_tcp().unwrap().port();
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", (Ipv4Addr::LOCALHOST, port)).unwrap();
        let error = bind_now(&format!("udp::{port}")).unwrap_err();
        assert!(error.to_string().contains("`ss -lunp` names it"), "{error}");
        assert_eq!(bound[0].kind, Kind::Udp);
    }

    #[test]
    fn a_connection_has_what_the_options_of_its_listener_say() {
        let bound = bind_now("127.0.0.1:0?nodelay=true&keepalive=77s").unwrap();
        let _client = TcpStream::connect(bound[0].local.as_tcp().unwrap()).unwrap();
        bound[0].socket.set_nonblocking(false).unwrap();
        let (accepted, _) = bound[0].socket.accept().unwrap();
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
    }

    #[test]
    fn two_names_for_one_address_are_one_socket() {
        let free = bind_now("127.0.0.1:0").unwrap();
        let text = free[0].local.to_string();
        drop(free);
        let texts = [format!("{text}?name=a"), format!("{text}?name=b")];
        // A process that another test starts at this moment has a copy of what was closed.
        let patience = Duration::from_secs(60);
        let bound = bind_in(&[&texts[0], &texts[1]], patience).unwrap();
        let _client = TcpStream::connect(bound[0].local.as_tcp().unwrap()).unwrap();
        bound[1].socket.set_nonblocking(false).unwrap();
        bound[1].socket.accept().unwrap();
    }

    #[test]
    fn two_names_for_a_port_of_the_kernels_choice_are_two_ports() {
        let bound = bind_in(&["127.0.0.1:0?name=a", "127.0.0.1:0?name=b"], Duration::ZERO).unwrap();
        assert_ne!(bound[0].local, bound[1].local);
    }

    #[test]
    fn what_was_not_handed_in_is_named() {
        let error = bind_now("fd:web").unwrap_err().chain();
        assert!(
            error.contains("\"fd:web\"") && error.contains("no socket named \"web\""),
            "{error}"
        );
    }
}
