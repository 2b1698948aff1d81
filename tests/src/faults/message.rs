//! Requests and answers of HTTP/1.1, as much of it as servers of files need.

use std::io::{self, Read};

use crate::Release;

/// What a client asks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// `GET` or `HEAD`, mostly.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// What came behind the headers.
    pub body: Vec<u8>,
}

/// What a source answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reply {
    /// Of three digits.
    pub status: u16,
    /// Without `Content-Length` and `Connection`.
    pub headers: Vec<(String, String)>,
    /// All of it, even where only the head is asked for.
    pub body: Vec<u8>,
}

/// What was asked, and what it cost to answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asked {
    /// What was asked.
    pub request: Request,
    /// How it was answered.
    pub status: u16,
    /// Bytes of the answer's head.
    pub head: usize,
    /// Bytes of the answer's body.
    pub body: usize,
}

impl Request {
    /// The value of the first header with this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        Some(&headers.find(|(found, _)| found == name)?.1)
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The next request; none where the client has gone.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 || head.len() > LONGEST_HEAD {
                return Ok(None);
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut request = Self { method, target, headers, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        stream.take(length.unwrap_or(0)).read_to_end(&mut request.body)?;
        Ok(Some(request))
    }
}

impl Reply {
    /// Only a status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// 200 and this body.
    #[must_use]
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// The bytes of `release` under their tag; 304 to who has them, and the rest to who has a part.
    #[must_use]
    pub fn release(release: &Release, request: &Request) -> Self {
        let (tag, bytes) = (format!("\"{}\"", release.id()), release.bytes());
        let known = request.header("if-none-match").map(|known| known.trim_start_matches("W/"));
        if known == Some(&tag) {
            return Self::status(304).with("ETag", &tag);
        }
        let from = request.header("range").and_then(|range| range.strip_prefix("bytes="));
        let from = from.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
        match from.filter(|from| *from < bytes.len()) {
            Some(from) if request.header("if-range").is_none_or(|range| range == tag) => {
                let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                let part = Self { status: 206, ..Self::ok(&bytes[from..]) };
                part.with("ETag", &tag).with("Content-Range", &range)
            }
            _ => Self::ok(bytes).with("ETag", &tag),
        }
    }

    /// Another place to look.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).with("Location", location)
    }

    /// ... with this header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The lines of the head, with the length of the body.
    pub(super) fn head(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let (status, headers) = (self.status, headers.collect::<String>());
        let length = match status {
            // It says how long the body is that is not sent.
            304 => String::new(),
            _ => format!("Content-Length: {}\r\n", self.body.len()),
        };
        format!("HTTP/1.1 {status} X\r\n{headers}{length}Connection: close\r\n\r\n")
    }
}

/// More than any client here sends.
const LONGEST_HEAD: usize = 64 * 1024;
