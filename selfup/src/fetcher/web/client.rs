//! One question to a server, and its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, LAST_MODIFIED,
};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::access::{Access, Proxy};
use super::body::Body;
use super::clear::is_loopback;
use super::hop::{Hop, location};
use super::known::Known;
use super::retry_after::{retry_after, used_up};
use super::tls;
use super::url::redacted;
use crate::error::{BoxError, Context as _, Error, ErrorKind, Result};
use crate::fetcher::RetryAfter;
use crate::identity::BinaryId;

/// A client that is made when it is first needed, and anew after a request that failed: the
/// certificates and proxies that the system has by then may be others.
#[derive(Default)]
pub(in crate::fetcher) struct Clients(Option<Arc<Client>>);

/// Asks servers, over a connection for each request.
pub(in crate::fetcher) struct Client {
    inner: reqwest::Client,
    /// Why https cannot work on this system, if it cannot. A container without certificates can
    /// still fetch over http.
    distrust: Option<rustls::Error>,
    has_failed: AtomicBool,
}

/// What is asked.
pub(in crate::fetcher) struct Question<'a> {
    pub(in crate::fetcher) url: &'a Url,
    /// For the origin of `url` alone.
    pub(in crate::fetcher) headers: &'a HeaderMap,
    pub(in crate::fetcher) known: Option<&'a Known>,
    /// Headers that ask for a part.
    pub(in crate::fetcher) range: HeaderMap,
    /// How long each server on the way may take to answer.
    pub(in crate::fetcher) patience: Duration,
}

/// What is answered.
pub(in crate::fetcher) struct Answer {
    pub(in crate::fetcher) response: Response,
    /// Whether the request was conditional, so that "not modified" means something.
    pub(in crate::fetcher) conditional: bool,
}

impl Clients {
    /// A client for `url` and where that leads, as `access` has it.
    pub(in crate::fetcher) fn get(&mut self, url: &Url, access: &Access) -> Result<Arc<Client>> {
        match &self.0 {
            Some(client) if !client.has_failed.load(Ordering::Relaxed) => Ok(Arc::clone(client)),
            _ => Ok(Arc::clone(self.0.insert(Arc::new(Client::new(url, access)?)))),
        }
    }
}

impl Client {
    fn new(url: &Url, access: &Access) -> Result<Self> {
        let (tls, distrust) = tls::config(access.ca.as_deref())?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("selfup/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0);
        let builder = match &access.proxy {
            // No proxy of the system's can reach this machine's loopback interface.
            Proxy::OfTheSystem if is_loopback(url) => builder.no_proxy(),
            Proxy::OfTheSystem => builder,
            Proxy::None => builder.no_proxy(),
            Proxy::At(proxy) => {
                let proxy = reqwest::Proxy::all(proxy.clone());
                let proxy = proxy.map_err(reqwest::Error::without_url);
                builder.proxy(proxy.context(ErrorKind::Fetch, || "`proxy` cannot be one")?)
            }
        };
        let inner = builder.build().context(ErrorKind::Fetch, || "no HTTP client could be made")?;
        Ok(Self { inner, distrust, has_failed: AtomicBool::new(false) })
    }

    /// Asks `question` with `method`, and where redirects lead with it.
    pub(in crate::fetcher) async fn ask(
        &self,
        method: Method,
        question: &Question<'_>,
    ) -> Result<Answer> {
        let mut hop = Hop::to(question.url);
        for _ in 0..=REDIRECTS {
            let answer = self.send(&method, &hop, question, Bytes::new()).await?;
            let Some(location) = location(&answer.response) else { return Ok(answer) };
            hop = hop.follow(location).map_err(|what| error(question, what))?;
        }
        let what = format!("more than {REDIRECTS} redirects; give the URL where they should end");
        Err(error(question, what))
    }

    /// Asks `question` with `method`. A redirect is an answer.
    #[cfg(any(feature = "github", feature = "gitlab", feature = "gitea"))]
    pub(in crate::fetcher) async fn ask_once(
        &self,
        method: Method,
        question: &Question<'_>,
    ) -> Result<Answer> {
        self.send(&method, &Hop::to(question.url), question, Bytes::new()).await
    }

    /// Asks `question` with `method` and a body. A redirect is an answer.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    pub(in crate::fetcher) async fn hand_over(
        &self,
        method: Method,
        question: &Question<'_>,
        body: Bytes,
    ) -> Result<Answer> {
        self.send(&method, &Hop::to(question.url), question, body).await
    }

    async fn send(
        &self,
        method: &Method,
        hop: &Hop,
        question: &Question<'_>,
        body: Bytes,
    ) -> Result<Answer> {
        if let Some(distrust) = &self.distrust
            && hop.url.scheme() == "https"
        {
            self.has_failed.store(true, Ordering::Relaxed);
            let what = "https needs the certificates that the system trusts; install them \
                        (`ca-certificates` in most distributions)";
            return Err(error(question, what).caused_by(distrust.clone()));
        }
        let mut condition = match question.known {
            Some(known) if method == Method::GET => known.condition(&hop.url),
            _ => HeaderMap::new(),
        };
        let conditional = !condition.is_empty();
        condition.extend(question.range.clone());
        let request = self
            .inner
            .request(method.clone(), hop.url.clone())
            .headers(hop.headers(question.headers, condition));
        let request = if body.is_empty() { request } else { request.body(body) };
        match timeout(question.patience, request.send()).await {
            Ok(Ok(response)) => Ok(Answer { response, conditional }),
            Ok(Err(source)) => {
                self.has_failed.store(true, Ordering::Relaxed);
                let what = format!("the request to {} failed", hop.host());
                Err(error(question, what).caused_by(source.without_url()))
            }
            Err(_) => {
                self.has_failed.store(true, Ordering::Relaxed);
                let what = format!("{} did not answer in {:?}", hop.host(), question.patience);
                Err(error(question, what))
            }
        }
    }
}

impl Answer {
    pub(in crate::fetcher) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Whether the server wants to be left alone: no reason to ask again in another way.
    pub(in crate::fetcher) fn is_overload(&self) -> bool {
        let (unavailable, status) = (StatusCode::SERVICE_UNAVAILABLE, self.status());
        [StatusCode::TOO_MANY_REQUESTS, unavailable].contains(&status)
            || self.wants_pause().is_some()
    }

    /// For how long the server wants to be left alone, if it turned the question down and says so: with
    /// 429 and 503 by their definitions, and with 403 where it counts requests.
    pub(in crate::fetcher) fn wants_pause(&self) -> Option<Duration> {
        let is_refusal = self.status().is_client_error() || self.status().is_server_error();
        let headers = is_refusal.then(|| self.response.headers())?;
        retry_after(headers, SystemTime::now()).max(self.used_up())
    }

    /// Whether it says that there were too many requests.
    #[cfg(any(feature = "github", feature = "gitlab", feature = "gitea"))]
    pub(in crate::fetcher) fn is_used_up(&self) -> bool {
        self.used_up().is_some()
    }

    fn used_up(&self) -> Option<Duration> {
        let is_counted =
            [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(&self.status());
        used_up(is_counted.then(|| self.response.headers())?, SystemTime::now())
    }

    /// What this answer to the question for `url` says about its bytes.
    pub(in crate::fetcher) fn facts(&self, url: &Url) -> Known {
        Known {
            etag: self.header(&ETAG).map(Into::into),
            last_modified: self.header(&LAST_MODIFIED).map(Into::into),
            length: self.length(),
            ..Known::nothing(url, self.response.url())
        }
    }

    /// A digest of the headers of these names; none where there are none.
    pub(in crate::fetcher) fn named(&self, names: &[HeaderName]) -> Option<String> {
        let (mut digest, mut is_named) = (Sha256::new(), false);
        for name in names {
            for value in self.response.headers().get_all(name) {
                is_named = true;
                // No name and no value has a line break in it.
                digest.update([name.as_str().as_bytes(), b"\n", value.as_bytes(), b"\n"].concat());
            }
        }
        is_named.then(|| BinaryId::from_bytes(digest.finalize().into()).to_string())
    }

    /// The length of the binary, as its server has it.
    pub(in crate::fetcher) fn length(&self) -> Option<u64> {
        if self.header(&CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return None;
        }
        self.header(&CONTENT_LENGTH)?.parse().ok()
    }

    /// The value of a header, if it is text.
    pub(in crate::fetcher) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// What is in a small body: the first `longest` bytes, and one more where there are more. All of
    /// it may take `patience`.
    pub(in crate::fetcher) async fn read(
        self,
        longest: usize,
        patience: Duration,
    ) -> Result<Vec<u8>> {
        let url = redacted(self.response.url());
        let (mut bytes, body) = (Vec::new(), Body::new(self.response, patience, url.clone(), None));
        let mut body = body.take(longest as u64 + 1);
        let read = timeout(patience, body.read_to_end(&mut bytes)).await;
        let late =
            || Error::new(ErrorKind::Fetch, format!("{url}: it did not come within {patience:?}"));
        let read = read.map_err(|_| late())?;
        read.context(ErrorKind::Fetch, || format!("{url}: it could not be read"))?;
        Ok(bytes)
    }

    /// The error of an answer that is none to the question for `url`: a [`RetryAfter`] if the server
    /// says for how long it wants to be left alone.
    pub(in crate::fetcher) fn unexpected(&self, url: &Url, expected: &str) -> BoxError {
        let (asked, status) = (redacted(url), self.status());
        let answered = redacted(self.response.url());
        let from = if asked == answered { String::new() } else { format!(" from {answered}") };
        let message = format!("{asked}: status {status}{from}; expected {expected}");
        match self.wants_pause() {
            Some(after) => {
                let wait = humantime::format_duration(after);
                let message = format!("{message}; it is to be left alone for {wait}");
                RetryAfter::new(after, Error::new(ErrorKind::Fetch, message)).into()
            }
            None => Error::new(ErrorKind::Fetch, message).into(),
        }
    }
}

fn error(question: &Question<'_>, what: impl AsRef<str>) -> Error {
    let message = format!("{}: {}", redacted(question.url), what.as_ref());
    Error::new(ErrorKind::Fetch, message)
}

/// How many redirects are followed: more than any host of releases needs, fewer than a loop takes
/// to be a nuisance.
const REDIRECTS: usize = 10;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(10);
