use std::os::fd::OwnedFd;

use socket2::Socket;

use super::{Bound, Kind};
use crate::config::Address;
use crate::error::{Context as _, Error, ErrorKind, Result};

/// What a child makes of the descriptors that came with its welcome: a socket for each address, in
/// order, or an error that says which is something else.
pub(crate) fn receive(addresses: &[String], descriptors: Vec<OwnedFd>) -> Result<Vec<Bound>> {
    if addresses.len() != descriptors.len() {
        let message = format!(
            "the master announced {} listeners and handed over {}; restart the service",
            addresses.len(),
            descriptors.len()
        );
        return Err(Error::new(ErrorKind::Handoff, message));
    }
    addresses.iter().zip(descriptors).map(|(text, descriptor)| check(text, descriptor)).collect()
}

fn check(text: &str, descriptor: OwnedFd) -> Result<Bound> {
    let address = Address::parse(text)?;
    let describe = || format!("the descriptor handed over for {text:?} is no socket for it");
    let socket = Socket::from(descriptor);
    let found = Kind::of(&socket).context(ErrorKind::Handoff, describe)?;
    let expected = Kind::expected(address.place());
    match found.filter(|found| expected.is_none_or(|expected| expected == *found)) {
        Some(kind) => Bound::new(address, kind, socket).context(ErrorKind::Handoff, describe),
        None => Err(Error::new(ErrorKind::Handoff, describe())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn receive_for(address: &str, descriptor: OwnedFd) -> Result<Vec<Bound>> {
        receive(&[address.into()], vec![descriptor])
    }

    #[test]
    fn only_a_listening_tcp_socket_is_taken_for_a_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for wrong in [stream.into(), datagram.into(), file.into()] {
            assert_eq!(receive_for(":3000", wrong).unwrap_err().kind(), ErrorKind::Handoff);
        }
        assert_eq!(receive_for(":3000", listener.into()).unwrap().len(), 1);
    }

    #[test]
    fn an_address_gets_a_socket_of_its_own_kind_and_one_handed_in_any() {
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap().into();
        let udp = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into();
        let unix = || {
            let name = format!("selfup-test-{:x}", fastrand::u64(..));
            let address = socket2::SockAddr::unix(format!("\0{name}")).unwrap();
            let socket = Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            socket.bind(&address).unwrap();
            socket.listen(1).unwrap();
            OwnedFd::from(socket)
        };
        let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        for (address, right, wrong) in [
            ("udp::1", udp(), tcp()),
            ("unix:/a", unix(), tcp()),
            ("unix:@a", unix(), udp()),
            (":1", tcp(), unix()),
            ("fd:3", tcp(), pair.into()),
        ] {
            receive_for(address, right).unwrap();
            receive_for(address, wrong).unwrap_err();
        }
        assert_eq!(receive_for("fd:a", udp()).unwrap()[0].kind, Kind::Udp);
        assert_eq!(receive_for("fd:a", unix()).unwrap()[0].kind, Kind::Unix);
    }

    #[test]
    fn a_missing_descriptor_is_an_error() {
        let error = receive(&[":3000".into()], Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handoff);
    }
}
