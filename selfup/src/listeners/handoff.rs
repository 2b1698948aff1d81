use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};

use super::Bound;
use crate::config::Address;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::peer::PeerAddr;

/// What a child makes of the descriptors that came with its welcome: one listening stream socket
/// for each address, in order, or an error that says which is something else.
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
    let describe = || format!("the descriptor handed over for {text:?} is no TCP listener");
    let socket = Socket::from(descriptor);
    let listens = socket.is_listener().context(ErrorKind::Handoff, describe)?;
    let kind = socket.r#type().context(ErrorKind::Handoff, describe)?;
    let local = socket.local_addr().context(ErrorKind::Handoff, describe)?;
    let family = local.domain();
    let is_inet = family == Domain::IPV4 || family == Domain::IPV6;
    let (true, Type::STREAM, true) = (listens, kind, is_inet) else {
        return Err(Error::new(ErrorKind::Handoff, describe()));
    };
    Ok(Bound { address, local: PeerAddr::from(&local), socket })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn receive_one(descriptor: OwnedFd) -> Result<Vec<Bound>> {
        receive(&[":3000".into()], vec![descriptor])
    }

    #[test]
    fn only_a_listening_tcp_socket_is_taken_for_a_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for wrong in [stream.into(), datagram.into(), file.into()] {
            assert_eq!(receive_one(wrong).unwrap_err().kind(), ErrorKind::Handoff);
        }
        assert_eq!(receive_one(listener.into()).unwrap().len(), 1);
    }

    #[test]
    fn a_missing_descriptor_is_an_error() {
        let error = receive(&[":3000".into()], Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handoff);
    }
}
