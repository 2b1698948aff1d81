use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use selfup_tests::PATIENCE;

use crate::example::Example;
use crate::load::Load;

fn start(probation: &str) -> Example {
    let variables = [("ADDR", "udp:127.0.0.1:0"), ("PROBATION", probation)];
    Example::start_with(env!("CARGO_BIN_EXE_udp_echo"), &variables)
}

/// A client that has one packet under way at a time, so that no queue overflows.
struct Client(UdpSocket);

impl Client {
    fn of(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        // It hears only that address from here on.
        socket.connect(address).unwrap();
        Self(socket)
    }

    fn say(&self, word: &str) -> String {
        self.0.send(word.as_bytes()).unwrap();
        let mut packet = [0; 100];
        let length = self.0.recv(&mut packet).unwrap();
        String::from_utf8(packet[..length].to_vec()).unwrap()
    }
}

#[test]
fn every_packet_is_answered_once_whatever_restarts() {
    let example = start("0s");
    let address = example.address();
    Load::restart_under(&example, 10, |load| {
        let client = Client::of(address);
        let mut number = 0;
        while load.goes_on() {
            let word = format!("packet {number}");
            let answer = client.say(&word);
            assert!(answer.ends_with(&format!(": {word}")), "{answer}");
            number += 1;
        }
        client.0.set_nonblocking(true).unwrap();
        assert!(client.0.recv(&mut [0; 100]).is_err(), "a packet was answered twice");
    });
    assert_eq!(Client::of(address).say("ping"), "11: ping");
    example.stop();
}

#[test]
fn a_paused_generation_reads_nothing_and_can_be_resumed() {
    let example = start("1h");
    let client = Client::of(example.address());
    assert_eq!(client.say("ping"), "1: ping");
    example.begin_restart(2);
    for _ in 0..20 {
        assert_eq!(client.say("ping"), "2: ping");
    }
    example.fail(2);
    for _ in 0..20 {
        assert_eq!(client.say("ping"), "1: ping");
    }
    example.stop();
}
