//! How requests are sent: by the client of `http()`.
//!
//! `object_store` makes two kinds of them. One for an object carries the [`Outcome`] that it is asked
//! for with: what comes of it is kept there, the body unread, and `object_store` is shown the head alone.
//! All others are for credentials, and their answers, which it reads, are cut at a length.
//!
//! Over plain HTTP credentials come from this machine and from addresses that no router passes on, where
//! clouds have their metadata; objects come so from the loopback interface alone, unless that was
//! allowed.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::header::HeaderMap;
use reqwest::{Response, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::fetcher::web::clear::{self, is_loopback};
use crate::fetcher::web::{Access, Answer, Clients, Question};

/// Sends requests of one fetcher.
pub(super) struct Sender {
    access: Access,
    allows_http: bool,
    patience: Duration,
    objects: Mutex<Clients>,
    credentials: Mutex<Clients>,
    /// For where no proxy leads.
    metadata: Mutex<Clients>,
    /// For how long who lends credentials wants to be left alone, if that was the last answer.
    pause: Mutex<Option<Duration>>,
}

/// What comes of a request for an object.
#[derive(Clone, Default)]
pub(super) struct Outcome(Arc<Mutex<Option<Result<Answer>>>>);

/// Has all requests sent by one sender.
#[derive(Clone)]
pub(super) struct Connector(Arc<Sender>);

impl Sender {
    /// One that gives each server `patience` to answer.
    pub(super) fn new(access: &Access, allows_http: bool, patience: Duration) -> Self {
        let (objects, credentials, metadata, pause) = Default::default();
        let access = access.clone();
        Self { access, allows_http, patience, objects, credentials, metadata, pause }
    }

    pub(super) fn connector(self) -> Connector {
        Connector(Arc::new(self))
    }

    async fn send(&self, request: HttpRequest, is_object: bool) -> Result<Answer> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let failed = |words: String| Error::new(ErrorKind::Fetch, words);
        // It may have a secret in its query.
        let url = Url::parse(&url).map_err(|error| failed(format!("no URL is asked: {error}")))?;
        let is_near = is_loopback(&url) || !is_object && is_metadata(&url);
        clear::check(&url, is_near || is_object && self.allows_http).map_err(failed)?;
        let direct = Access::direct();
        let (clients, access) = match (is_object, is_near) {
            (true, _) => (&self.objects, &self.access),
            (false, false) => (&self.credentials, &self.access),
            (false, true) => (&self.metadata, &direct),
        };
        let client = clients.lock().unwrap_or_else(PoisonError::into_inner).get(&url, access)?;
        let question = Question {
            url: &url,
            headers: &parts.headers,
            known: None,
            range: HeaderMap::new(),
            patience: self.patience,
        };
        let body = body.as_bytes().cloned().unwrap_or_default();
        client.hand_over(parts.method, &question, body).await
    }

    /// An answer with credentials, or the reason for none.
    async fn small(&self, answer: Answer) -> Result<HttpResponse> {
        let (status, headers) = (answer.status(), answer.response.headers().clone());
        *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = answer.wants_pause();
        let longest = if status.is_success() { LONGEST_CREDENTIALS } else { LONGEST_REASON };
        let mut bytes = answer.read(longest, self.patience).await?;
        if bytes.len() > longest && status.is_success() {
            let words = format!("more than {longest} bytes; expected credentials");
            return Err(Error::new(ErrorKind::Fetch, words));
        }
        bytes.truncate(longest);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut response = HttpResponse::new(text.into());
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }
}

#[async_trait]
impl HttpService for Sender {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let outcome = request.extensions_mut().remove::<Outcome>();
        let answer = self.send(request, outcome.is_some()).await;
        let answered = match outcome {
            Some(outcome) => outcome.keep(answer),
            None => match answer {
                Ok(answer) => self.small(answer).await,
                Err(error) => Err(error),
            },
        };
        // Of no kind that it would try again.
        answered.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))
    }
}

impl Outcome {
    /// Keeps `answer`, and gives what is shown of it.
    fn keep(&self, answer: Result<Answer>) -> Result<HttpResponse> {
        let shown = match &answer {
            Ok(answer) => Ok(head(&answer.response)),
            Err(_) => Err(Error::new(ErrorKind::Fetch, "the request failed")),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        shown
    }

    /// What was kept, if a request was made at all.
    pub(super) fn take(&self) -> Option<Result<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// `response` without its body.
fn head(response: &Response) -> HttpResponse {
    let mut head = HttpResponse::new(HttpResponseBody::from(Bytes::new()));
    (*head.status_mut(), *head.headers_mut()) = (response.status(), response.headers().clone());
    head
}

/// Whether a cloud has its metadata there: on a link of the machine's own (RFC 3927, RFC 4291), and under
/// the address and names that Amazon and Google have chosen besides.
fn is_metadata(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_unicast_link_local() || address.segments()[..2] == [0xfd00, 0x0ec2]
        }
        Err(_) => ["metadata", "metadata.google.internal"].contains(&host),
    }
}

impl Connector {
    /// For how long who lends credentials wants to be left alone, if it said so since this was last asked.
    pub(super) fn take_pause(&self) -> Option<Duration> {
        self.0.pause.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.0.call(request).await
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

/// In bytes: tokens and keys have some thousand.
const LONGEST_CREDENTIALS: usize = 64 * 1024;

/// In bytes.
const LONGEST_REASON: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_where_no_router_leads() {
        for (url, expected) in [
            ("http://169.254.169.254/latest/", true),
            ("http://169.254.170.2/v2", true),
            ("http://[fd00:ec2::254]/", true),
            ("http://[fe80::1]/", true),
            ("http://metadata.google.internal/", true),
            ("http://169.253.0.1/", false),
            ("http://[fd00:ec3::254]/", false),
            ("http://10.0.0.1/", false),
            ("http://metadata.google.internal.example/", false),
        ] {
            assert_eq!(is_metadata(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn over_http_nothing_is_asked_of_others() {
        let sender = |allows| Sender::new(&Access::default(), allows, Duration::from_secs(9));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = |allows, url: &str, is_object| {
            let mut request = HttpRequest::new(Bytes::new().into());
            *request.uri_mut() = url.parse().unwrap();
            runtime.block_on(sender(allows).send(request, is_object)).err().unwrap().chain()
        };
        // Where they may be asked, nobody is there.
        for (allows, url, is_object, may) in [
            (false, "http://127.0.0.1:1/?k=swordfish", true, true),
            (false, "http://127.0.0.1:1/?k=swordfish", false, true),
            (false, "http://a.invalid/?k=swordfish", true, false),
            (true, "http://a.invalid/?k=swordfish", false, false),
            (false, "http://169.254.1.1:1/?k=swordfish", true, false),
        ] {
            let words = asked(allows, url, is_object);
            assert_eq!(!words.contains("would be asked over http"), may, "{words}");
            assert!(!words.contains("swordfish"), "{words}");
        }
    }
}
