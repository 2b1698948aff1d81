//! Google Cloud Storage by fake-gcs-server. It has `ETag`s and parts, and knows no condition of a GET: an
//! idle poll has a body there, which is left unread. Nor does it ask who asks.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::Bucket;
use super::tool::{Tool, tool};

/// A server with one bucket, for as long as this lives.
#[derive(Debug)]
pub struct FakeGcs(Tool);

impl FakeGcs {
    /// One on a port of its own, if the tool is there.
    #[must_use]
    pub fn start() -> Option<Self> {
        let binary = tool("fake-gcs-server")?;
        let server = Self(Tool::start(|port| {
            let port = port.to_string();
            let mut command = Command::new(&binary);
            command.args(["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]);
            command.args(["-port", &port]);
            command
        }));
        server.post("/storage/v1/b", "application/json", b"{\"name\":\"releases\"}");
        Some(server)
    }

    fn post(&self, target: &str, kind: &str, body: &[u8]) {
        let length = body.len();
        let headers = format!("Content-Type: {kind}\r\nContent-Length: {length}");
        send(self.0.address(), &format!("POST {target}"), &headers, body);
    }
}

/// Sends a request that has to be answered with success.
pub(super) fn send(address: SocketAddr, line: &str, headers: &str, body: &[u8]) {
    let mut stream = TcpStream::connect(address).expect("the server is there");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream.write_all(body).expect("the server reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 20"), "{line}: {answer}");
}

impl Bucket for FakeGcs {
    fn put(&self, key: &str, bytes: &[u8]) {
        let target = format!("/upload/storage/v1/b/releases/o?uploadType=media&name={key}");
        self.post(&target, "application/octet-stream", bytes);
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("FETCHER", "gcs".into()), ("ENDPOINT", endpoint.into())]
    }
}
