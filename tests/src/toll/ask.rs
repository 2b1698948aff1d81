//! One request, and what may become of it.

use std::io;
use std::time::Duration;

use super::http_1;
use super::http_2;
use super::wire::{Opened, Protocol, Wire};

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) target: String,
    /// Its body, in parts.
    pub(super) parts: usize,
    pub(super) part: usize,
    pub(super) between: Duration,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) generation: u64,
    /// Whether the server has said that it closes the connection.
    pub(super) is_last: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Loss {
    /// The connection was closed, and nothing of an answer had come.
    Closed(String),
    /// The server has said that it processed nothing of the request (RFC 9113, 6.8).
    SentAway,
    /// Anything else.
    Failed(String),
}

pub(super) enum Client {
    Http1(http_1::Connection),
    Http2(http_2::Connection),
}

impl Ask {
    pub(super) fn get(target: impl Into<String>) -> Self {
        Self { target: target.into(), parts: 0, part: 0, between: Duration::ZERO }
    }

    pub(super) fn post(length: usize, parts: usize, between: Duration) -> Self {
        assert_eq!(length % parts, 0, "parts of one size");
        Self { target: "/count".into(), parts, part: length / parts, between }
    }

    pub(super) fn length(&self) -> usize {
        self.parts * self.part
    }

    /// Whether it takes a body, even one without a byte.
    pub(super) fn method(&self) -> &'static str {
        if self.parts > 0 { "POST" } else { "GET" }
    }

    /// What a whole answer says: `hello PID GENERATION`, and the length of the body if there was one.
    pub(super) fn answer(&self, body: &str, is_last: bool) -> Result<Answer, Loss> {
        let wrong = || Loss::Failed(format!("the answer is {body:?}"));
        let mut words = body.strip_prefix("hello ").ok_or_else(wrong)?.split_whitespace();
        let generation = words.nth(1).and_then(|word| word.parse().ok()).ok_or_else(wrong)?;
        let counted = words.next().map_or(Some(0), |word| word.parse().ok());
        if counted != Some(self.length()) {
            return Err(wrong());
        }
        Ok(Answer { generation, is_last })
    }
}

impl Client {
    pub(super) async fn connect(wire: &Wire, protocol: Protocol) -> io::Result<Self> {
        let opened = wire.open().await?;
        Self::greet(wire, protocol, opened).await
    }

    /// Says all that comes before a request.
    pub(super) async fn greet(wire: &Wire, protocol: Protocol, opened: Opened) -> io::Result<Self> {
        let ready = wire.shake_hands(opened).await?;
        match protocol {
            Protocol::Http1 => Ok(Self::Http1(http_1::Connection::new(ready))),
            Protocol::Http2 => http_2::Connection::greet(ready).await.map(Self::Http2),
        }
    }

    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, Loss> {
        match self {
            Self::Http1(connection) => connection.ask(ask).await,
            Self::Http2(connection) => connection.ask(ask).await,
        }
    }
}
