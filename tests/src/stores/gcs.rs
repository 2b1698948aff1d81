//! Google Cloud Storage by fake-gcs-server. It has `ETag`s and parts, and asks nobody who he is. It knows
//! no condition of a GET either, so that one is judged here, as Google documents it for the XML API.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use selfup::fetcher::{Store, gcs};

use super::tool::Tool;
use super::{Bucket, KEY};
use crate::faults::{Forward, Reply, Request};
use crate::tool;

/// A server with one bucket, for as long as this lives.
#[derive(Debug)]
pub struct FakeGcs(Tool);

impl FakeGcs {
    /// Whether the tool is there; where it is not, that is said, and with `CI=true` it is a failure.
    #[must_use]
    pub fn is_there() -> bool {
        tool(TOOL).is_some()
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
    let head =
        format!("{line} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream.write_all(body).expect("the server reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 20"), "{line}: {answer}");
}

impl Bucket for FakeGcs {
    type Kind = selfup::fetcher::Gcs;

    fn start() -> Self {
        let binary = tool(TOOL).expect("it was looked for");
        let server = Self(Tool::start(|port| {
            let mut command = Command::new(&binary);
            command.args(["-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]);
            command.args(["-port", &port.to_string()]);
            command
        }));
        server.post("/storage/v1/b", "application/json", b"{\"name\":\"releases\"}");
        server
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let target = format!("/upload/storage/v1/b/releases/o?uploadType=media&name={key}");
        self.post(&target, "application/octet-stream", bytes);
    }

    fn fetcher(&self, endpoint: &str) -> Store<Self::Kind> {
        gcs("releases", KEY).endpoint(endpoint).anonymous(true)
    }

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("FETCHER", "gcs".into()), ("ENDPOINT", endpoint.into())]
    }

    fn answer(server: Forward, request: &Request) -> Reply {
        let mut request = request.clone();
        // It knows keys with encoded slashes, as Google does, under Google's name alone.
        for (_, value) in request.headers.iter_mut().filter(|(name, _)| name == "host") {
            "storage.googleapis.com".clone_into(value);
        }
        let reply = server.answer(&request);
        let mut headers = reply.headers.iter();
        let tag = headers.find(|(name, _)| name.eq_ignore_ascii_case("etag"));
        match tag {
            Some((_, tag)) if request.header("if-none-match") == Some(tag) => {
                Reply::status(304).with("ETag", tag)
            }
            _ => reply,
        }
    }
}

/// Below `target/tools`.
const TOOL: &str = "fake-gcs-server";
