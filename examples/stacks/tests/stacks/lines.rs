//! Clients of the examples that echo lines, and what all of those do.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use selfup_tests::PATIENCE;

use crate::example::Example;
use crate::load::Load;

pub(crate) struct Conversation(BufReader<TcpStream>);

impl Conversation {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Says a line, and gives what is answered.
    pub(crate) fn say(&mut self, line: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    /// Waits until the other side closes it, without another word.
    pub(crate) fn wait_until_closed(mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

/// Ten restarts, each with a drain at once, under clients that connect anew.
pub(crate) fn assert_nothing_is_lost(example: &Example) {
    let address = example.address();
    Load::restart_under(example, 10, |load| {
        while load.goes_on() {
            let answer = Conversation::open(address).say("ping").unwrap();
            assert!(answer.ends_with(": ping"), "{answer:?}");
        }
    });
}

/// A conversation that goes on across a restart, until it falls silent.
pub(crate) fn assert_goes_on_until_it_falls_silent(example: &Example) {
    let mut conversation = Conversation::open(example.address());
    assert_eq!(conversation.say("before").unwrap(), "1: before");
    // Accepted, and not heard of before the drain.
    let mut late = Conversation::open(example.address());
    assert_eq!(Conversation::open(example.address()).say("ping").unwrap(), "1: ping");
    example.restart(2);
    assert_eq!(conversation.say("after").unwrap(), "1: after");
    assert_eq!(late.say("after").unwrap(), "1: after");
    assert_eq!(Conversation::open(example.address()).say("ping").unwrap(), "2: ping");
    conversation.wait_until_closed();
    late.wait_until_closed();
    example.wait_for_the_end_of(1);
}

/// A generation that fails on probation, and what its clients see of it.
pub(crate) fn assert_pauses_and_resumes(example: &Example) {
    let mut kept = Conversation::open(example.address());
    assert_eq!(kept.say("ping").unwrap(), "1: ping");
    example.begin_restart(2);
    for _ in 0..20 {
        assert_eq!(Conversation::open(example.address()).say("ping").unwrap(), "2: ping");
    }
    assert_eq!(kept.say("ping").unwrap(), "1: ping");
    example.fail(2);
    for _ in 0..20 {
        assert_eq!(Conversation::open(example.address()).say("ping").unwrap(), "1: ping");
    }
    assert_eq!(kept.say("ping").unwrap(), "1: ping");
}
