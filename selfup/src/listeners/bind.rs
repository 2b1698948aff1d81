use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::Bound;
use crate::config::{Address, Host};
use crate::error::{Error, ErrorKind, Result};
use crate::peer::PeerAddr;

/// Binds every address, in order. An address in use is tried again for as long as `patience`
/// lasts: the child of a master that was killed may be letting go of it at this moment.
pub(crate) fn bind_all(
    addresses: &[Address],
    backlog: i32,
    patience: Duration,
) -> Result<Vec<Bound>> {
    let until = Instant::now() + patience;
    addresses.iter().map(|address| bind_until(address, backlog, until)).collect()
}

fn bind_until(address: &Address, backlog: i32, until: Instant) -> Result<Bound> {
    loop {
        let bound = bind(address, backlog).and_then(|socket| {
            let local = PeerAddr::from(&socket.local_addr()?);
            Ok(Bound { address: address.clone(), local, socket })
        });
        match bound {
            Ok(bound) => return Ok(bound),
            // The kernel has no event for a port that becomes free.
            Err(error) if is_taken(&error) && Instant::now() < until => std::thread::sleep(RETRY),
            Err(error) => return Err(explain(address, error)),
        }
    }
}

/// The time between two tries at an address that is in use.
const RETRY: Duration = Duration::from_millis(20);

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn explain(address: &Address, error: io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "it is in use; stop what listens there (`ss -ltnp` names it) or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "it is not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "no interface of this machine has it",
        _ => "check the address",
    };
    let message = format!("cannot listen on {:?}: {advice}", address.as_str());
    Error::new(ErrorKind::Bind, message).caused_by(error)
}

fn bind(address: &Address, backlog: i32) -> io::Result<Socket> {
    let port = address.port();
    match address.host() {
        Host::Ip(ip) => listen(SocketAddr::new(*ip, port), backlog),
        Host::Any => match listen((Ipv6Addr::UNSPECIFIED, port).into(), backlog) {
            Err(error) if is_of_no_interface(&error) => {
                listen((Ipv4Addr::UNSPECIFIED, port).into(), backlog)
            }
            listener => listener,
        },
        Host::Name(name) => {
            let mut last = io::Error::other("the name has no address");
            for resolved in (name.as_str(), port).to_socket_addrs()? {
                match listen(resolved, backlog) {
                    // A name may have addresses of a family that this machine has not.
                    Err(error) if is_of_no_interface(&error) => last = error,
                    listener => return listener,
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

fn listen(address: SocketAddr, backlog: i32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // On Windows it would let others take the port while it is in use.
    socket.set_reuse_address(cfg!(unix))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn bind_now(text: &str) -> Result<Vec<Bound>> {
        bind_all(&[Address::parse(text).unwrap()], 16, Duration::ZERO)
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
        let address = Address::from(taken[0].local.as_tcp().unwrap());
        let waiting = std::thread::spawn(move || {
            bind_all(&[address], 16, Duration::from_secs(60)).map(|bound| bound.len())
        });
        drop(taken);
        assert_eq!(waiting.join().unwrap().unwrap(), 1);
    }
}
