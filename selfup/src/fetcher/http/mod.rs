//! A binary behind a URL.
//!
//! A poll is one question, and when nothing changed its answer has no body:
//!
//! - the server gave an `ETag` or a `Last-Modified` last time: a GET that is conditional on it. A
//!   server that ignores the condition is caught by comparing what it answers; its body is left
//!   unread.
//! - it gave neither, but a length; or the user said which headers count: a HEAD, and a GET only if
//!   these differ.
//! - nothing is known yet: a plain GET.
//!
//! How servers are asked, and what a redirect does not carry along, is in `fetcher::web`. The body is
//! streamed, so memory stays flat whatever the size; it is delivered as it was published, and
//! unpacking it is not this room's business.
//!
//! What is published beside the binary, its signature and its digest, is asked for when the binary
//! is known to be new and before a byte of it is read: what then turns out to be there already, or to
//! be refused already, is not read at all. It is asked for where the user's URL leads, and not where
//! that one's redirects end, for those are often good for one file alone.
//!
//! - `settings`: what the user says of the servers
//! - `sibling`: what is published beside the binary
//!
//! Rejected: to decode a `Content-Encoding`. Digests and signatures are of bytes as they were published,
//! and nothing is unpacked before these were compared. A server that encodes what it was asked to leave
//! as it is has its bytes taken as published.
//!
//! Limits: a server with nothing but a `Last-Modified` cannot show two releases within one second,
//! one with nothing but a length no two releases of the same length (RFC 9110, section 8.8). One with
//! none of the three, such as one that makes its answer while it sends it, has the whole file read at
//! each poll, where no digest is told. Give it `ETag`s.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, StatusCode, Url};

use self::sibling::{Sibling, Siblings};
use super::mistake::Mistake;
use super::web::known::Known;
use super::web::{Access, Answer, Client, Clients, Question, clear, deliver, url};
use super::{Current, Fetched, Fetcher, INTERVAL};
use crate::config::IntoDuration;
use crate::error::{BoxError, Error, ErrorKind, Result};

mod settings;
pub(in crate::fetcher) mod sibling;

/// A fetcher that asks for `url`, every 5 minutes unless [`interval`](Http::interval) says
/// otherwise.
///
/// The URL is absolute, `https://` or `http://`; who could read and change what comes by the latter, and
/// when it takes a word more, is told at [`allow_http`](Http::allow_http). In it `{os}` and `{arch}` stand for
/// [`std::env::consts::OS`] and [`ARCH`](std::env::consts::ARCH), and `{target}` for the target
/// triple of this build, such as `x86_64-unknown-linux-gnu`. A user and a password in it become an
/// `Authorization` header.
///
/// When nothing changed, a poll is one request without a body in its answer: conditional on the
/// `ETag` or the `Last-Modified` of the last answer, or a HEAD whose length is compared where a
/// server has neither, or whose [`check_headers`](Http::check_headers) are. The first poll downloads,
/// for there is nothing to compare with; and so does each poll of a server that tells no `ETag`, no
/// `Last-Modified` and no `Content-Length`, unless `check_headers` or [`sha256`](Http::sha256) give
/// something to compare. A server that answers an error with `Retry-After` is left alone
/// for that long, a day at most: the error is a [`RetryAfter`](super::RetryAfter). One that answers 403 or
/// 429 with `X-RateLimit-Remaining: 0` is left alone until its `X-RateLimit-Reset`, an hour at most.
///
/// A download that breaks off is gone on with where it did, up to 10 times in all, with half a second to
/// 12 seconds between, unless five minutes bring no byte: with `Range` and `If-Range`, if the server gave
/// a strong `ETag`, or a `Last-Modified` that was a minute old (RFC 9110, section 13.1.5). Without those,
/// or where the server answers with anything but the rest of the same file, the next poll begins anew;
/// an answer with `Retry-After` holds there, too. The file is taken as it was
/// published, compressed or not; with the feature `archives` it is unpacked once it is verified. It is
/// asked for without a `Content-Encoding`; where a server adds one all the same, what it sends counts as
/// what is published.
///
/// Up to 10 redirects are followed, each of which is a request more, none from https to http. Headers
/// and password go to the scheme, host and port of `url` alone. Servers speak HTTP/2 or HTTP/1.1, as
/// they like, over TLS 1.2 or 1.3. The certificates that the system trusts are trusted, and
/// [`ca`](Http::ca) adds to them. The proxies of the environment are used, except for a URL on the
/// loopback interface, unless [`proxy`](Http::proxy) says otherwise: `HTTPS_PROXY` and `HTTP_PROXY`, or
/// else `ALL_PROXY`, which may be a SOCKS proxy (`socks5://` or `socks5h://`), and none for the hosts in
/// `NO_PROXY`.
///
/// Where the service [verifies](crate::Builder::verify) signatures, that of a new binary is read from
/// its URL with `.minisig` behind the path; see [`signature`](Http::signature). A SHA-256 is asked
/// for where [`sha256`](Http::sha256) says where it is. Publish both before the binary: a binary
/// whose signature comes later is refused until a poll finds both.
///
/// ```
/// let releases = selfup::fetcher::http("https://example.com/{target}/myapp")
///     .bearer("swordfish")
///     .interval("1m");
/// assert!(!format!("{releases:?}").contains("swordfish"));
/// ```
///
/// It can be asked without a service, too:
///
/// ```no_run
/// # async fn look() -> Result<(), selfup::BoxError> {
/// use selfup::BinaryId;
/// use selfup::fetcher::{Current, Fetched, Fetcher as _, http};
///
/// let current = Current::new(BinaryId::of_file("/usr/bin/myapp")?);
/// let fetched = http("https://example.com/myapp").fetch(&current).await?;
/// if let Fetched::Binary(mut download) = fetched {
///     let mut binary = Vec::new();
///     tokio::io::copy(&mut download, &mut binary).await?;
///     // Give it to the next `Current`, and the next answer may be "unchanged".
///     let validator = download.get_validator();
/// }
/// # Ok(())
/// # }
/// ```
pub fn http(url: impl Into<String>) -> Http {
    let mut mistake = Mistake::default();
    let url = url::parse(&url.into()).map_err(|message| mistake.keep(message)).ok();
    let siblings = Siblings::of(url.as_ref());
    Http {
        url,
        siblings,
        access: Access::default(),
        checked: Vec::new(),
        interval: INTERVAL,
        idle: IDLE,
        head: HEAD,
        in_clear: false,
        mistake,
        clients: Clients::default(),
    }
}

/// A fetcher that asks for a URL; made by [`http()`].
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct Http {
    /// `None` is a mistake.
    url: Option<Url>,
    siblings: Siblings,
    access: Access,
    /// The headers that count, in place of the usual ones; in order, each once.
    checked: Vec<HeaderName>,
    interval: Duration,
    idle: Duration,
    head: Duration,
    /// Whether what is never shown may go over http.
    in_clear: bool,
    mistake: Mistake,
    /// They belong to the runtime that polls.
    clients: Clients,
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
        self.access.header(name.as_ref(), value.as_ref(), &mut self.mistake);
        self
    }

    /// How long the server may be silent in the middle of a download; 30 seconds by default.
    ///
    /// It bounds each wait for bytes, not the download, which takes as long as it takes. More than 5
    /// minutes are a mistake, for as much silence ends the download of every fetcher, and so do 5
    /// minutes of waiting that bring less than 1200 KiB. To connect is bounded by 10 seconds, to
    /// answer a request by 30 seconds.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.idle = self.mistake.silence("timeout", timeout).unwrap_or(self.idle);
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

    /// The mistake among the settings, if there is one.
    fn settled(&self) -> Result<()> {
        self.mistake.check()?;
        let is_shown = self.access.headers.is_empty();
        for url in self.url.iter().chain(self.siblings.urls()) {
            let is_allowed = self.in_clear || is_shown && !clear::has_secret(url);
            clear::check(url, is_allowed).map_err(|words| Error::new(ErrorKind::Config, words))?;
        }
        Ok(())
    }

    async fn look(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.settled()?;
        let Some(url) = &self.url else { return Ok(Fetched::Unchanged) };
        let client = self.clients.get(url, &self.access)?;
        let known = current.validator().and_then(|text| Known::parse(text, url));
        let known = known.filter(|known| known.named.is_none() == self.checked.is_empty());
        let question = Question {
            url,
            headers: &self.access.headers,
            known: known.as_ref(),
            range: HeaderMap::new(),
            patience: self.head,
        };
        if let Some(known) = question.known.filter(|known| known.is_for_head()) {
            match client.ask(Method::HEAD, &question).await {
                Ok(answer) if answer.status() == StatusCode::OK => {
                    if known.names(&self.facts(url, &answer)) {
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
                let fetched = self.taken(&client, &question, answer)?;
                self.siblings.complete(fetched, current, &client, &question).await
            }
            _ => Err(unexpected(url, &answer)),
        }
    }

    /// What the answer to a GET delivers, unless it is what is known.
    fn taken(
        &self,
        client: &Arc<Client>,
        question: &Question<'_>,
        answer: Answer,
    ) -> Result<Fetched> {
        let facts = self.facts(question.url, &answer);
        if facts.named.is_none() && !self.checked.is_empty() {
            let (asked, names) = (url::redacted(question.url), &self.checked);
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let names = names.join(" or ");
            let message =
                format!("{asked}: expected an answer with {names}, which `check_headers` names");
            return Err(Error::new(ErrorKind::Fetch, message));
        }
        if question.known.is_some_and(|known| known.names(&facts)) {
            return Ok(Fetched::Unchanged);
        }
        let download = deliver(client, question, answer, self.idle);
        let is_nothing = facts.is_nothing();
        Ok(Fetched::Binary(if is_nothing {
            download
        } else {
            download.validator(facts.to_string())
        }))
    }

    /// What `answer` says about its bytes, to who listens to the headers that count.
    fn facts(&self, url: &Url, answer: &Answer) -> Known {
        Known { named: answer.named(&self.checked), ..answer.facts(url) }
    }
}

/// The error of an answer that is none to the question.
fn unexpected(url: &Url, answer: &Answer) -> BoxError {
    answer.unexpected(url, "200 and the binary")
}

impl Fetcher for Http {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.look(current).await
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn check(&self) -> Result<(), BoxError> {
        Ok(self.settled()?)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.url.as_ref().map(url::redacted))
            .field("headers", &self.access.headers.keys().collect::<Vec<_>>())
            .field("proxy", &self.access.shown_proxy())
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
