//! HTTP/1.1 over the control socket, one connection a request.
//!
//! The other side may be anything that listens at the path: heads are bounded by hyper, bodies here,
//! and every wait by the caller's deadline.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::end::Failure;

/// A control socket.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    path: PathBuf,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Reply {
    /// Whether it was put off, and not decided: that would be an outcome.
    fn is_for_now(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            && serde_json::from_str::<Refused>(&self.body).is_ok()
    }
}

impl Client {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Its answer to `method target`, which may take as long as `patience`.
    ///
    /// Whoever has no time for it now, for the master becomes other code, is asked again.
    pub(crate) async fn ask(
        &self,
        method: Method,
        target: &str,
        patience: Duration,
    ) -> Result<Reply, Failure> {
        let mut put_off = None;
        let told = timeout(patience, self.until_told(&method, target, &mut put_off)).await;
        // It was never asked for, so it does not go on.
        told.unwrap_or_else(|_| put_off.ok_or_else(|| self.late(patience)))
    }

    async fn until_told(
        &self,
        method: &Method,
        target: &str,
        put_off: &mut Option<Reply>,
    ) -> Result<Reply, Failure> {
        let mut lost = 0;
        loop {
            match self.ask_once(method, target).await {
                Ok(reply) if reply.is_for_now() => *put_off = Some(reply),
                // What only looks can be asked twice.
                Err(failure) if failure.is_lost && method == Method::GET && lost < MOST_LOST => {
                    lost += 1;
                }
                told => return told,
            }
            // Nothing tells that it has time.
            sleep(PAUSE).await;
        }
    }

    async fn ask_once(&self, method: &Method, target: &str) -> Result<Reply, Failure> {
        let response = self.send(method.clone(), target, None).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| self.lost(&error.to_string()))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Reply { status, body })
    }

    /// The events from now on, or from behind the one that is called `last`.
    pub(crate) async fn events(&self, last: Option<&str>) -> Result<Response<Incoming>, Failure> {
        let response = timeout(CONNECTING, self.send(Method::GET, "/events", last)).await;
        let response = response.unwrap_or_else(|_| Err(self.late(CONNECTING)))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST).collect();
        let body = timeout(CONNECTING, body).await.ok().and_then(Result::ok);
        let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
        let refused = self.refused(&Reply { status, body: body.unwrap_or_default() });
        // A master that becomes another, or has too many to tell already.
        Err(Failure { is_lost: status == StatusCode::SERVICE_UNAVAILABLE, ..refused })
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        last: Option<&str>,
    ) -> Result<Response<Incoming>, Failure> {
        let stream = UnixStream::connect(&self.path).await;
        let stream = stream.map_err(|error| self.not_connected(&error))?;
        let broken = |error: hyper::Error| self.lost(&error.to_string());
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // It ends when the response was read, or dropped.
        tokio::spawn(connection);
        // HTTP/1.1 has a host always; over this socket it means nothing.
        let mut request = Request::builder().method(method).uri(target).header("host", "selfup");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Empty::<Bytes>::new());
        let request = request.map_err(|error| Failure::usage(error.to_string()))?;
        sender.send_request(request).await.map_err(broken)
    }

    /// What an answer means that is neither a document nor an outcome.
    pub(crate) fn refused(&self, reply: &Reply) -> Failure {
        let (path, status) = (self.path.display(), reply.status.as_u16());
        let said = serde_json::from_str::<Refused>(&reply.body).ok();
        let reason = said.map_or_else(|| format!("status {status}"), |said| said.error);
        match status {
            403 => Failure::unreachable(format!(
                "this user may not use {path}: {reason}; ask as root, or as the service's own user"
            )),
            504 => Failure::timed_out(format!("{reason} (it goes on)")),
            404 | 405 => Failure::nothing(format!(
                "what listens at {path} does not know this: {reason}; it is no control socket, or of \
                 a service with another version of selfup"
            )),
            _ => Failure::nothing(reason),
        }
    }

    /// What is no answer of a service.
    pub(crate) fn foreign(&self, why: &str) -> Failure {
        Failure::unreachable(format!(
            "what listens at {} does not answer as a service does ({why}); name the path that its \
             key `control` says",
            self.path.display()
        ))
    }

    fn not_connected(&self, error: &io::Error) -> Failure {
        let path = self.path.display();
        let advice = match error.kind() {
            io::ErrorKind::NotFound => {
                "see that the service runs, and that its key `control` says this path"
            }
            io::ErrorKind::PermissionDenied => {
                "ask as root or as the service's own user, or see the mode and the group of the socket"
            }
            io::ErrorKind::ConnectionRefused => {
                "nobody listens there: no control socket, or left by a service that has ended; start it"
            }
            io::ErrorKind::WouldBlock => "too many wait there already; try again",
            _ => "name the path that the key `control` of the service says",
        };
        Failure::unreachable(format!(
            "the control socket {path} cannot be reached: {error}; {advice}"
        ))
    }

    pub(crate) fn lost(&self, why: &str) -> Failure {
        let failure = Failure::unreachable(format!(
            "the connection to {} was lost before the answer ({why}); what became of it is not known, \
             but `selfup status` shows how the service is",
            self.path.display()
        ));
        Failure { is_lost: true, ..failure }
    }

    pub(crate) fn late(&self, patience: Duration) -> Failure {
        Failure::timed_out(format!(
            "{} has not answered within {}; what was asked for goes on",
            self.path.display(),
            humantime::format_duration(patience)
        ))
    }
}

#[derive(serde::Deserialize)]
struct Refused {
    error: String,
}

/// As much of a body is read, in bytes: more than a status with the longest history.
const LARGEST: usize = 4 << 20;

/// In bytes.
const LARGEST_HEAD: usize = 64 << 10;

/// What looks is asked so often again where a connection breaks.
const MOST_LOST: usize = 3;

/// Between two of the same question.
const PAUSE: Duration = Duration::from_millis(300);

/// So long the head of a stream of events may take.
const CONNECTING: Duration = Duration::from_secs(10);
