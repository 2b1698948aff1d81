//! The other end of the lines by which the fixture's generations are told what no request can
//! bring about: see `fixtures/control.rs`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use nix::sys::socket::{setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::Pid;

use crate::PATIENCE;

/// Where generations come to be told what to do.
#[derive(Debug)]
pub struct Control(TcpListener);

/// A generation that has come.
#[derive(Debug)]
pub struct Remote {
    /// Its number.
    pub generation: u64,
    /// Its process.
    pub pid: Pid,
    line: TcpStream,
}

impl Control {
    /// Listens, at an address for the fixture's variable `CONTROL`.
    ///
    /// # Panics
    ///
    /// If there is no port left.
    #[must_use]
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let patience = TimeVal::seconds(PATIENCE.as_secs().cast_signed());
        setsockopt(&listener, ReceiveTimeout, &patience).expect("a wait can have an end");
        Self(listener)
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// Never: the kernel knows.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("it is bound")
    }

    /// The next generation that comes.
    ///
    /// # Panics
    ///
    /// If none does.
    #[must_use]
    pub fn next(&self) -> Remote {
        let (line, _) = self.0.accept().expect("a generation comes");
        line.set_read_timeout(Some(PATIENCE)).expect("a wait can have an end");
        let mut hello = String::new();
        BufReader::new(&line).read_line(&mut hello).expect("it says who it is");
        let words = hello.trim().split_once(' ').expect("two numbers");
        let generation = words.0.parse().expect("a number");
        let pid = Pid::from_raw(words.1.parse().expect("a number"));
        Remote { generation, pid, line }
    }
}

impl Remote {
    /// Has it say that it is ready.
    pub fn be_ready(&mut self) {
        self.say("ready");
    }

    /// Has it exit with this code, whatever it is doing.
    pub fn exit(&mut self, code: i32) {
        self.say(&format!("exit {code}"));
    }

    fn say(&mut self, words: &str) {
        self.line.write_all(format!("{words}\n").as_bytes()).expect("it listens");
    }
}
