//! Clients of the examples that speak HTTP, and what all of those do.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use selfup_tests::{PATIENCE, eventually};

use crate::example::Example;
use crate::load::Load;

/// Posts `ping` on a connection of its own.
pub(crate) fn post(address: SocketAddr) -> io::Result<String> {
    let mut posting = Posting::open(address)?;
    posting.say("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n")?;
    posting.say("Content-Length: 4\r\n\r\nping")?;
    posting.answer()
}

/// A connection for one request, which is said in parts.
pub(crate) struct Posting(TcpStream);

impl Posting {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    pub(crate) fn say(&mut self, part: &str) -> io::Result<()> {
        self.0.write_all(part.as_bytes())
    }

    /// Waits until the server wants the body (RFC 9110, 10.1.1).
    pub(crate) fn wait_until_read(&mut self) {
        let mut word = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        self.0.read_exact(&mut word).unwrap();
        assert!(word.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&word));
    }

    /// The body of the answer, after which the connection is closed.
    pub(crate) fn answer(mut self) -> io::Result<String> {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body.to_owned()),
            _ => Err(io::Error::other(format!("the answer is not whole: {answer:?}"))),
        }
    }

    /// That the connection is closed, without a word on it.
    pub(crate) fn assert_closed_without_a_word(mut self) {
        let mut answer = Vec::new();
        let end = self.0.read_to_end(&mut answer);
        let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        assert!(end.as_ref().map_or_else(is_reset, |read| *read == 0), "{end:?}");
    }
}

/// Restarts under clients that post, each request on a connection of its own.
pub(crate) fn assert_nothing_is_lost_to(example: &Example, restarts: u64) {
    let address = example.address();
    Load::restart_under(example, restarts, |load| {
        while load.goes_on() {
            let answer = post(address).unwrap();
            assert!(answer.ends_with(": ping"), "{answer}");
        }
    });
}

/// A request whose body comes in two parts, with a restart between them.
pub(crate) fn assert_what_is_begun_is_finished(example: &Example) {
    let mut begun = Posting::open(example.address()).unwrap();
    begun.say("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n").unwrap();
    begun.say("Content-Length: 8\r\nExpect: 100-continue\r\n\r\n").unwrap();
    begun.wait_until_read();
    begun.say("half").unwrap();
    example.restart(2);
    // actix may still accept when the drain begins.
    eventually("the next generation answers", || {
        post(example.address()).is_ok_and(|answer| answer == "2: ping").then_some(())
    });
    begun.say("half").unwrap();
    assert_eq!(begun.answer().unwrap(), "1: halfhalf");
    example.wait_for_the_end_of(1);
}

/// A connection that has said nothing by the time of the drain.
pub(crate) fn assert_silence_is_closed(example: &Example) {
    let silent = Posting::open(example.address()).unwrap();
    // Connections are accepted in their order.
    assert_eq!(post(example.address()).unwrap(), "1: ping");
    example.restart(2);
    silent.assert_closed_without_a_word();
    example.wait_for_the_end_of(1);
}

/// A generation that fails on probation, and what its clients see of it.
pub(crate) fn assert_pauses_and_resumes(example: &Example) {
    example.begin_restart(2);
    for _ in 0..20 {
        assert_eq!(post(example.address()).unwrap(), "2: ping");
    }
    example.fail(2);
    for _ in 0..20 {
        assert_eq!(post(example.address()).unwrap(), "1: ping");
    }
}
