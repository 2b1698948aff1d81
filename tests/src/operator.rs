//! Who asks at the control socket of a service.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{PATIENCE, ServiceBuilder, eventually};

/// A client of the control socket, one connection a request.
#[derive(Debug, Clone)]
pub struct Operator(PathBuf);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The code of HTTP.
    pub code: u16,
    /// The body.
    pub body: Value,
}

impl Operator {
    /// One who asks at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// One who asks at the socket that `builder` is given in its own directory, with these options.
    #[must_use]
    pub fn of(builder: ServiceBuilder, options: &str) -> (ServiceBuilder, Self) {
        let path = builder.directory().join("control");
        let socket = format!("{}{options}", path.display());
        (builder.set("CONTROL_SOCKET", socket), Self(path))
    }

    /// Where the socket is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The state of the service.
    ///
    /// # Panics
    ///
    /// If it is not told.
    #[must_use]
    pub fn status(&self) -> Value {
        let Reply { code, body } = self.ask("GET /status");
        assert_eq!(code, 200, "{body}");
        body
    }

    /// The state of the service once it is as it should be.
    pub fn wait_for(&self, what: &str, mut is_so: impl FnMut(&Value) -> bool) -> Value {
        eventually(what, || Some(self.status()).filter(|status| is_so(status)))
    }

    /// What comes of `POST target`, in its words.
    ///
    /// # Panics
    ///
    /// If nobody answers.
    #[must_use]
    pub fn post(&self, target: &str) -> Reply {
        self.ask(&format!("POST {target}"))
    }

    /// The answer to a method and a target.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn ask(&self, line: &str) -> Reply {
        let pending = self.try_send(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        read(pending).unwrap_or_else(|error| panic!("{line} was not answered: {error}"))
    }

    /// Asks, and does not wait for the answer.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[must_use]
    pub fn begin(&self, line: &str) -> Pending {
        Pending(self.try_send(line).unwrap_or_else(|error| panic!("{line}: {error}")))
    }

    /// The answer to a method and a target.
    ///
    /// # Errors
    ///
    /// If there is none, why.
    pub fn try_ask(&self, line: &str) -> io::Result<Reply> {
        read(self.try_send(line)?)
    }

    fn try_send(&self, line: &str) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())?;
        Ok(stream)
    }
}

/// A request whose answer is still to come.
#[derive(Debug)]
pub struct Pending(UnixStream);

impl Pending {
    /// The answer.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn answer(self) -> Reply {
        read(self.0).unwrap_or_else(|error| panic!("no answer: {error}"))
    }
}

impl Reply {
    /// The word for what came of a request.
    #[must_use]
    pub fn outcome(&self) -> &str {
        self.body["outcome"].as_str().unwrap_or_default()
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }

    /// That it is a good end, with this word.
    ///
    /// # Panics
    ///
    /// If it is not so.
    pub fn assert_good(&self, word: &str) {
        assert_eq!((self.code, self.outcome()), (200, word), "{self:?}");
        assert_eq!(self.body["is_good"], true, "{self:?}");
    }

    /// That it is no good end, with this word, and a reason in which these are.
    ///
    /// # Panics
    ///
    /// If it is not so.
    pub fn assert_bad(&self, word: &str, reason: &str) {
        assert_eq!(self.outcome(), word, "{self:?}");
        assert!(self.code >= 400 && self.reason().contains(reason), "{self:?}");
        assert_eq!(self.body["is_good"], false, "{self:?}");
    }
}

fn read(mut stream: UnixStream) -> io::Result<Reply> {
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let garbled = || io::Error::other(format!("the answer is not whole: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(garbled)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(garbled)?;
    // What is no JSON is its own text.
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::from(body));
    Ok(Reply { code, body })
}
