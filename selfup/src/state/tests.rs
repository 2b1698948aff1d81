#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::testing::eventually;

struct Service {
    state: State,
    _placed: Vec<Option<Arc<listeners::Placed>>>,
    directory: tempfile::TempDir,
}

impl Service {
    /// Alone on these addresses, with `{}` for a directory of its own.
    fn on(addresses: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().to_str().unwrap();
        let addresses = addresses.iter().map(|text| Address::parse(&text.replace("{}", own)));
        let addresses: Vec<_> = addresses.collect::<Result<_>>().unwrap();
        let given = listeners::Given::default();
        let bound = listeners::bind_all(&addresses, &[], &given, 16, Duration::ZERO);
        let mut bound = bound.unwrap();
        let placed = bound.iter_mut().map(|bound| bound.placed.take()).collect();
        Self { state: State::alone(bound).unwrap(), _placed: placed, directory }
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.directory.path().join("a.sock")).unwrap()
    }

    fn set(&self, phase: Phase) {
        self.state.0.gate.set(phase);
    }
}

#[test]
fn an_address_is_found_by_its_name_and_among_its_own_kind() {
    let service = Service::on(&["127.0.0.1:0?name=a", "udp:127.0.0.1:0?name=p", "unix:{}/a.sock"]);
    let state = &service.state;
    assert_eq!(state.addresses().len(), 3);
    assert_eq!(state.listeners().len(), 2);
    assert_eq!(state.listener_at("a").unwrap().address().as_str(), "127.0.0.1:0?name=a");
    assert!(state.listener_at("127.0.0.1:0").unwrap().local_addr().unwrap().as_tcp().is_some());
    assert_eq!(state.udp_socket_at("p").unwrap().address().name(), Some("p"));
    let error = state.listener_at("p").unwrap_err();
    assert!(error.to_string().contains("no listener for \"p\""), "{error}");
    assert!(state.udp_socket_at("a").is_err());
    assert!(Service::on(&["udp:127.0.0.1:0"]).state.listener().is_err());
    assert!(service.state.udp_socket().is_ok());
}

#[tokio::test]
async fn a_connection_on_a_unix_socket_tells_whose_it_is() {
    let service = Service::on(&["unix:{}/a.sock"]);
    let listener = service.state.listener().unwrap();
    let path = service.directory.path().join("a.sock");
    assert_eq!(listener.local_addr().unwrap().as_unix_path(), Some(&*path));
    let mut client = service.connect();
    let (mut stream, peer) = listener.accept().await.unwrap();
    assert!(peer.is_unix() && peer.as_unix_path().is_none() && peer.as_tcp().is_none());
    let credentials = stream.as_unix().unwrap().peer_cred().unwrap();
    assert_eq!(credentials.pid(), i32::try_from(std::process::id()).ok());
    stream.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    client.read_exact(&mut bytes).unwrap();
    client.write_all(b"world").unwrap();
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"world");
    let stream = stream.into_tcp().unwrap_err();
    stream.into_unix().unwrap();
}

#[tokio::test]
async fn a_listener_is_given_away_as_what_it_is() {
    let service = Service::on(&["unix:{}/a.sock", "127.0.0.1:0"]);
    let unix = service.state.listener().unwrap();
    let error = unix.clone().into_std_tcp().unwrap_err();
    assert!(error.to_string().contains("use `into_std_unix`"), "{error}");
    let tcp = service.state.listener_at("127.0.0.1:0").unwrap();
    let error = tcp.clone().into_std_unix().unwrap_err();
    assert!(error.to_string().contains("use `into_std_tcp`"), "{error}");
    tcp.into_tokio_tcp().unwrap();
    let _client = service.connect();
    unix.into_tokio_unix().unwrap().accept().await.unwrap();
}

#[test]
fn a_thread_accepts_from_a_unix_socket_until_the_end() {
    let service = Service::on(&["unix:{}/a.sock"]);
    let listener = service.state.listener().unwrap();
    let accepting = std::thread::spawn(move || {
        let answered = listener.incoming().map(|accepted| {
            let (mut stream, peer) = accepted.unwrap();
            assert!(stream.as_unix().is_some() && peer.is_unix());
            stream.write_all(b"hello").unwrap();
        });
        answered.count()
    });
    for _ in 0..3 {
        let mut text = String::new();
        service.connect().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
    service.set(Phase::Draining);
    assert_eq!(accepting.join().unwrap(), 3);
}

/// A socket of the service, and a client of it.
fn packets(service: &Service) -> (UdpSocket, std::net::UdpSocket) {
    let socket = service.state.udp_socket().unwrap();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(socket.local_addr()).unwrap();
    (socket, client)
}

#[tokio::test]
async fn who_is_paused_reads_nothing_and_may_send() {
    let service = Service::on(&["udp:127.0.0.1:0"]);
    let (socket, client) = packets(&service);
    let mut packet = [0; 10];
    client.send(b"one").unwrap();
    let (_, peer) = socket.recv_from(&mut packet).await.unwrap();
    service.set(Phase::Paused);
    client.send(b"two").unwrap();
    let paused = tokio::time::timeout(Duration::from_millis(100), socket.recv_from(&mut packet));
    assert!(paused.await.is_err(), "it is for whoever serves");
    socket.send_to(b"answer", peer).await.unwrap();
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 6);
    service.set(Phase::Serving);
    let (length, _) = socket.recv_from(&mut packet).await.unwrap();
    assert_eq!(&packet[..length], b"two");
}

#[tokio::test]
async fn who_drains_answers_from_the_same_port_until_it_lets_go_of_it() {
    let service = Service::on(&["udp:127.0.0.1:0"]);
    let (socket, client) = packets(&service);
    client.send(b"one").unwrap();
    let (_, peer) = socket.recv_from(&mut [0; 10]).await.unwrap();
    service.set(Phase::Draining);
    socket.send_to(b"answer", peer).await.unwrap();
    assert_eq!(client.recv(&mut [0; 10]).unwrap(), 6);
    assert!(service.state.udp_socket().is_err());
    let address = socket.local_addr();
    std::net::UdpSocket::bind(address).unwrap_err();
    drop(socket);
    eventually("the port is free", || std::net::UdpSocket::bind(address).ok());
}

#[test]
fn a_thread_reads_until_the_end() {
    let service = Service::on(&["udp:127.0.0.1:0"]);
    let (socket, client) = packets(&service);
    let reading = std::thread::spawn(move || {
        let mut packet = [0; 10];
        while let Some((length, peer)) = socket.recv_from_blocking(&mut packet).unwrap() {
            socket.send_to_blocking(&packet[..length], peer).unwrap();
        }
    });
    for text in ["one", "two"] {
        client.send(text.as_bytes()).unwrap();
        let mut packet = [0; 10];
        assert_eq!(client.recv(&mut packet).unwrap(), text.len());
    }
    service.set(Phase::Draining);
    reading.join().unwrap();
}
