//! A binary behind a URL.
//!
//! A poll is one question, and when nothing changed its answer has no body:
//!
//! - the server gave an `ETag` or a `Last-Modified` last time: a GET that is conditional on it. A
//!   server that ignores the condition is caught by comparing what it answers; its body is left
//!   unread.
//! - it gave neither, but a length: a HEAD, and a GET only if the length differs.
//! - nothing is known yet: a plain GET.
//!
//! Redirects are followed here and not by the client below, because what the user sets as a header
//! is a secret more often than not, and belongs to the host that it was set for. The body is
//! streamed, so memory stays flat whatever the size; it is delivered as it was published, and
//! unpacking it is not this room's business.
//!
//! What is published beside the binary, its signature and its digest, is asked for when the binary
//! is known to be new and before a byte of it is read: what then turns out to be there already, or to
//! be refused already, is not read at all. It is asked for where the user's URL leads, and not where
//! that one's redirects end, for those are often good for one file alone.
//!
//! - `url`: what the user wrote, and what may be shown of it
//! - `client`: TLS, proxies, redirects
//! - `known`: the validator
//! - `body`: the bytes
//! - `sibling`: what is published beside them
//! - `checksums`: what `sha256sum` writes
//! - `resume`: the rest of them, where they broke off
//!
//! Limits: a server with nothing but a `Last-Modified` cannot show two releases within one second,
//! one with nothing but a length no two releases of the same length (RFC 9110, section 8.8). Give
//! it `ETag`s.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use self::body::Body;
use self::client::{Answer, Client, Question};
use self::known::Known;
use self::resume::Resume;
use self::sibling::{Sibling, Siblings};
use super::mistake::Mistake;
use super::{Current, Download, Fetched, Fetcher, INTERVAL, LONGEST_SILENCE};
use crate::config::IntoDuration;
use crate::error::{BoxError, Error, ErrorKind, Result};

mod body;
mod checksums;
mod client;
mod known;
mod resume;
mod sibling;
mod url;

/// A fetcher that asks for `url`, every 5 minutes unless [`interval`](Http::interval) says
/// otherwise.
///
/// The URL is absolute, `https://` or `http://`. In it `{os}` and `{arch}` stand for
/// [`std::env::consts::OS`] and [`ARCH`](std::env::consts::ARCH), and `{target}` for the target
/// triple of this build, such as `x86_64-unknown-linux-gnu`. A user and a password in it become an
/// `Authorization` header.
///
/// When nothing changed, a poll is one request without a body in its answer: conditional on the
/// `ETag` or the `Last-Modified` of the last answer, or a HEAD whose length is compared where a
/// server has neither. The first poll downloads, for there is nothing to compare with.
///
/// A download that breaks off is gone on with where it did, up to 10 times in all, with 1 to 8 seconds
/// between, unless five minutes bring no byte: with `Range` and `If-Range`, if the server gave a strong `ETag`, or a `Last-Modified` that
/// was a minute old (RFC 9110, section 13.1.5). Without those, or where the server answers
/// with anything but the rest of the same file, the next poll begins anew. The file is taken as it was
/// published, compressed or not; with the feature `archives` it is unpacked once it is verified.
///
/// Up to 10 redirects are followed, none from https to http. Headers and password go to the scheme,
/// host and port of `url` alone. The certificates that the system trusts are trusted, and the
/// proxies of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`) are used, except for a URL
/// on the loopback interface.
///
/// Where the service [verifies](crate::Builder::verify) signatures, that of a new binary is read from
/// its URL with `.minisig` behind the path; see [`signature`](Http::signature). A SHA-256 is asked
/// for where [`sha256`](Http::sha256) says where it is. Publish both before the binary: a binary
/// whose signature comes later is refused until a poll finds both.
///
/// ```
/// let releases = selfup::fetcher::http("https://example.com/{target}/myapp")
///     .header("authorization", "Bearer swordfish")
///     .interval("1m");
/// assert!(!format!("{releases:?}").contains("swordfish"));
/// ```
pub fn http(url: impl Into<String>) -> Http {
    let mut mistake = Mistake::default();
    let url = url::parse(&url.into()).map_err(|message| mistake.keep(message)).ok();
    let siblings = Siblings::of(url.as_ref());
    Http {
        url,
        siblings,
        headers: HeaderMap::new(),
        interval: INTERVAL,
        idle: IDLE,
        head: HEAD,
        mistake,
        client: None,
    }
}

/// A fetcher that asks for a URL; made by [`http()`].
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct Http {
    /// `None` is a mistake.
    url: Option<Url>,
    siblings: Siblings,
    headers: HeaderMap,
    interval: Duration,
    idle: Duration,
    head: Duration,
    mistake: Mistake,
    /// Made at the first poll: it reads the system's certificates, and belongs to the runtime that
    /// polls.
    client: Option<Arc<Client>>,
}

impl Http {
    /// The time between two polls; 5 minutes by default.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        self.interval = self.mistake.duration("interval", interval).unwrap_or(self.interval);
        self
    }

    /// A header of each request; may be given more than once, also for one name.
    ///
    /// It is sent to the scheme, host and port of the URL only, never to where a redirect leads
    /// from there, and its value is never shown.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        let Ok(header) = HeaderName::try_from(name) else {
            self.mistake.keep(format!("{name:?} is not the name of an HTTP header"));
            return self;
        };
        let Ok(mut value) = HeaderValue::try_from(value.as_ref()) else {
            self.mistake.keep(format!(
                "the value of header {name:?} has a control character in it; is it a line break at \
                 its end?"
            ));
            return self;
        };
        value.set_sensitive(true);
        self.headers.append(header, value);
        self
    }

    /// How long the server may be silent in the middle of a download; 30 seconds by default.
    ///
    /// It bounds each wait for bytes, not the download, which takes as long as it takes. More than 5
    /// minutes are a mistake, for as much silence ends the download of every fetcher, and so do 5
    /// minutes of waiting that bring less than 1200 KiB. To connect is bounded by 10 seconds, to
    /// answer a request by 30 seconds.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.idle = self.mistake.duration("timeout", timeout).unwrap_or(self.idle);
        if self.idle > LONGEST_SILENCE {
            self.mistake.keep(format!(
                "`timeout` is {}, and a download that is silent for {} is ended; write that or less",
                humantime::format_duration(self.idle),
                humantime::format_duration(LONGEST_SILENCE)
            ));
        }
        self
    }

    /// Where the SHA-256 of the binary is published, which its bytes must then have. Default: it is
    /// not asked for.
    ///
    /// What begins with a `.` and has no `/` is put behind the path of the binary's URL: `".sha256"`.
    /// Everything else is read as a link on a page at that URL: `"SHA256SUMS"` lies beside the binary,
    /// and an absolute URL is where it says. `{os}`, `{arch}` and `{target}` are filled in, and a
    /// query of the binary's URL goes with it to the same host, like headers and password.
    ///
    /// The file is what `sha256sum` writes, in any of its forms, 64 KiB at most, or nothing but a
    /// digest. The line counts that names the last part of the binary's path; a file for this binary
    /// alone, as behind its URL, may name it otherwise. If there is no such file or line, the poll
    /// fails, and no binary is taken. A digest from the same server guards against a transfer that was
    /// broken, and not against a forger: see [`verify`](crate::Builder::verify).
    pub fn sha256(mut self, place: impl AsRef<str>) -> Self {
        self.siblings.sha256 = self.sibling("sha256", place.as_ref());
        self
    }

    /// Where the minisign signature of the binary is published, in the words of
    /// [`sha256`](Self::sha256); `".minisig"` by default. It is asked for only where the service
    /// [verifies](crate::Builder::verify) signatures.
    pub fn signature(mut self, place: impl AsRef<str>) -> Self {
        self.siblings.signature = self.sibling("signature", place.as_ref());
        self
    }

    fn sibling(&mut self, setting: &str, place: &str) -> Option<Sibling> {
        let found = Sibling::of(self.url.as_ref()?, place);
        found.map_err(|words| self.mistake.keep(format!("`{setting}`: {words}"))).ok()
    }

    async fn look(&mut self, current: &Current) -> Result<Fetched> {
        self.mistake.check()?;
        let Some(url) = &self.url else { return Ok(Fetched::Unchanged) };
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Arc::new(Client::new(url)?)),
        };
        let known = current.validator().and_then(|text| Known::parse(text, url));
        let question = Question {
            url,
            headers: &self.headers,
            known: known.as_ref(),
            range: HeaderMap::new(),
            patience: self.head,
        };
        if let Some(known) = question.known.filter(|known| known.has_only_length()) {
            match client.ask(Method::HEAD, &question).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    if known.names(&answer.facts(url)) {
                        return Ok(Fetched::Unchanged);
                    }
                }
                Ok(answer) if answer.is_overload() => return Err(unexpected(url, &answer)),
                // A server that cannot do HEAD may say so in any way, or not at all. GET tells.
                Ok(_) | Err(_) => {}
            }
        }
        let answer = client.ask(Method::GET, &question).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if answer.conditional => Ok(Fetched::Unchanged),
            StatusCode::OK => {
                let fetched = taken(client, &question, answer, self.idle);
                self.siblings.complete(fetched, current, client, &question).await
            }
            _ => Err(unexpected(url, &answer)),
        }
    }
}

/// What the answer to a GET delivers, unless it is what is known.
fn taken(client: &Arc<Client>, question: &Question<'_>, answer: Answer, idle: Duration) -> Fetched {
    let facts = answer.facts(question.url);
    if question.known.is_some_and(|known| known.names(&facts)) {
        return Fetched::Unchanged;
    }
    let length = answer.length();
    let resume = Resume::of(client, question, &answer);
    let body = Body::new(answer.response, idle, url::redacted(question.url), resume);
    let mut download = Download::new(body);
    if !facts.is_nothing() {
        download = download.validator(facts.to_string());
    }
    Fetched::Binary(match length {
        Some(length) => download.length(length),
        None => download,
    })
}

/// The error of an answer that is none to the question.
fn unexpected(url: &Url, answer: &Answer) -> Error {
    let (asked, status) = (url::redacted(url), answer.status());
    let answered = url::redacted(answer.response.url());
    let from = if asked == answered { String::new() } else { format!(" from {answered}") };
    let message = format!("{asked}: status {status}{from}; expected 200 and the binary");
    Error::new(ErrorKind::Fetch, message)
}

impl Fetcher for Http {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        Ok(self.look(current).await?)
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn check(&self) -> Result<(), BoxError> {
        Ok(self.mistake.check()?)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.url.as_ref().map(url::redacted))
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("interval", &self.interval)
            .field("timeout", &self.idle)
            .finish_non_exhaustive()
    }
}

/// How long a server may be silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How long a server may take for the head of its answer, connecting included.
const HEAD: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
