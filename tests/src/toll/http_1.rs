//! HTTP/1.1, by hand.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ask::{Answer, Ask, Loss};
use super::wire::Ready;

pub(super) struct Connection {
    wire: Ready,
    received: Vec<u8>,
}

impl Connection {
    pub(super) fn new(wire: Ready) -> Self {
        Self { wire, received: Vec::new() }
    }

    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, Loss> {
        self.received.clear();
        // What was answered before its connection was closed can still be read.
        let sent = self.send(ask).await;
        let answer = self.answer(ask).await;
        match (answer, sent) {
            (Err(Loss::Closed(why)), Err(error)) => Err(Loss::Closed(format!("{why}; {error}"))),
            (answer, _) => answer,
        }
    }

    async fn send(&mut self, ask: &Ask) -> std::io::Result<()> {
        let (method, target, length) = (ask.method(), &ask.target, ask.length());
        let of_body =
            if ask.parts > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
        let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{of_body}\r\n");
        self.wire.write_all(head.as_bytes()).await?;
        let part = vec![b'x'; ask.part];
        for _ in 0..ask.parts {
            tokio::time::sleep(ask.between).await;
            self.wire.write_all(&part).await?;
        }
        self.wire.flush().await
    }

    async fn answer(&mut self, ask: &Ask) -> Result<Answer, Loss> {
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = String::from_utf8_lossy(&self.received[..head]).to_lowercase();
        let wrong = || Loss::Failed(format!("the head is {text:?}"));
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).ok_or_else(wrong)?;
        if !text.starts_with("http/1.1 200 ") {
            return Err(wrong());
        }
        while self.received.len() < head + length {
            self.read().await?;
        }
        let body = String::from_utf8_lossy(&self.received[head..]);
        ask.answer(&body, text.contains("\r\nconnection: close\r\n"))
    }

    async fn read(&mut self) -> Result<(), Loss> {
        let nothing_came = self.received.is_empty();
        let why = match self.wire.read_buf(&mut self.received).await {
            Ok(0) => format!("closed after {} bytes", self.received.len()),
            Ok(_) => return Ok(()),
            Err(error) => format!("{error} after {} bytes", self.received.len()),
        };
        Err(if nothing_came { Loss::Closed(why) } else { Loss::Failed(why) })
    }
}
