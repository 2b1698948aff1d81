//! A real server behind the front.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::{Reply, Request};
use crate::PATIENCE;

/// Hands requests on to a server that speaks HTTP/1.1, with the `Host` that they have, which a signature
/// may be of.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Forward(pub SocketAddr);

impl Forward {
    /// ... to the one at `address`.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Its answer; 502 where there is none.
    #[must_use]
    pub fn answer(self, request: &Request) -> Reply {
        self.try_answer(request).unwrap_or_else(|| Reply::status(502))
    }

    fn try_answer(self, request: &Request) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.0).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let headers = request.headers.iter().filter(|(name, _)| name != "connection");
        let headers = headers.map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers = headers.collect::<Vec<_>>().concat();
        let Request { method, target, .. } = request;
        let head = format!("{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), &request.body].concat()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut reply = Reply::status(head.split(' ').nth(1)?.parse().ok()?);
        let mut is_chunked = false;
        for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match &*name.to_ascii_lowercase() {
                "content-length" | "connection" | "keep-alive" => {}
                "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
                _ => reply = reply.with(name, value),
            }
        }
        let body = &answer[end + 4..];
        reply.body = if is_chunked { unchunked(body)? } else { body.to_vec() };
        Some(reply)
    }
}

/// What is in chunks (RFC 9112, section 7.1).
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[end + 2..];
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}
