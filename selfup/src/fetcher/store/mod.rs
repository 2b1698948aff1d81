//! A binary in a bucket: an object of Amazon S3 and what speaks as it does, of Google Cloud Storage, or
//! of Azure's Blob Storage.
//!
//! The crate `object_store` knows who may ask and how a request for it is signed; it is given a way of
//! sending requests that is the client of [`http()`](super::http()), and nothing else of it is used. So
//! an answer is bounded, timed and judged as one to `http()` is: by the same code, whatever its headers
//! lack, and with the `Retry-After` that `object_store` does not tell. The body never passes through it.
//!
//! A poll is one request, a GET that is conditional on the `ETag` of the last answer. When nothing
//! changed, its answer is a 304 without a body; a server that ignores the condition is caught by
//! comparing what it answers, and its body is left unread. Credentials that the environment lends are
//! asked for when they are first needed and again shortly before they end, by requests of their own.
//!
//! Nothing is tried again here: what fails is an error of the poll, and the schedule has the back-off.
//! No redirect is followed, for it would carry what was signed for one host to another.
//!
//! - `s3`, `gcs`, `azure`: who may ask
//! - `sender`: how requests are sent
//! - `opened`: one object is asked for
//! - `beside`: what is published beside it
//! - `secret`: what is never shown
//!
//! Rejected: `object_store`'s own client, which brings another crypto provider, reads errors whole and
//! tries again by itself; its stream of a body, which cannot tell a server that fell silent. Links that
//! are signed in advance, to be asked for by `http()`: what instance metadata and federated identities
//! lend cannot sign them, or only by a request more.
//!
//! Limits: an object is known by its `ETag`. Azure gives the same bytes another one when they are written
//! again, and so they are downloaded once more to be found the same. Keys are those that `object_store`
//! can name: none with an empty part, as in `a//b`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use reqwest::{StatusCode, Url};

use self::beside::Beside;
use self::opened::Opened;
use super::mistake::Mistake;
use super::web::known::Known;
use super::web::url::{self, redacted};
use super::web::{Access, clear};
use super::{Current, Fetched, Fetcher, INTERVAL};
use crate::config::IntoDuration;
use crate::error::{BoxError, Error, ErrorKind, Result};

#[cfg(feature = "azure")]
mod azure;
mod backend;
mod beside;
#[cfg(feature = "gcs")]
mod gcs;
mod opened;
#[cfg(feature = "s3")]
mod s3;
mod secret;
mod sender;

#[cfg(feature = "azure")]
pub use self::azure::{Azure, azure};
use self::backend::{Backend, Wanted};
#[cfg(feature = "gcs")]
pub use self::gcs::{Gcs, gcs};
#[cfg(feature = "s3")]
pub use self::s3::{S3, s3};

/// A fetcher that asks for an object in a bucket.
///
/// What all of them have in common is here; what is special to one is with it.
///
/// Each kind is a feature of its own. What one adds to a program with the default features, built for
/// `x86_64-unknown-linux-gnu` with optimisation and stripped, whose binary has 6.4 MB without it:
///
/// | feature | crates | binary |
/// |---|---|---|
/// | `s3` | 27 | 2.1 MB |
/// | `gcs` | 21 | 1.1 MB |
/// | `azure` | 21 | 1.3 MB |
///
/// All three together have the 27 crates of `s3`. None brings a second HTTP client or another crypto
/// provider.
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct Store<B> {
    backend: B,
    bucket: String,
    /// `None` is a mistake.
    key: Option<Path>,
    beside: Beside,
    endpoint: Option<Url>,
    /// `None` leaves it to the environment.
    allows_http: Option<bool>,
    is_anonymous: bool,
    access: Access,
    interval: Duration,
    idle: Duration,
    head: Duration,
    mistake: Mistake,
    /// Made at the first poll: it belongs to the runtime that polls.
    opened: Option<Arc<Opened>>,
}

impl<B> Store<B> {
    fn new(backend: B, bucket: String, key: &str) -> Self {
        let mut mistake = Mistake::default();
        if !is_name(&bucket) {
            mistake.keep(format!(
                "{bucket:?} is not the name of a bucket; expected letters, digits, `-`, `_` and `.`"
            ));
        }
        let key = beside::path(key).map_err(|words| mistake.keep(words)).ok();
        Self {
            backend,
            bucket,
            beside: Beside::of(key.as_ref()),
            key,
            endpoint: None,
            allows_http: None,
            is_anonymous: false,
            access: Access::default(),
            interval: INTERVAL,
            idle: IDLE,
            head: HEAD,
            mistake,
            opened: None,
        }
    }

    /// The time between two polls; 5 minutes by default.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        self.interval = self.mistake.duration("interval", interval).unwrap_or(self.interval);
        self
    }

    /// How long the server may be silent in the middle of a download; 30 seconds by default, and 5 minutes
    /// at most.
    ///
    /// To connect is bounded by 10 seconds, to answer a request by 30 seconds.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        self.idle = self.mistake.silence("timeout", timeout).unwrap_or(self.idle);
        self
    }

    /// The URL of the server, where it is not its maker's. Default: that of the environment, or its
    /// maker's.
    ///
    /// It is `https://`; see [`allow_http`](Self::allow_http).
    pub fn endpoint(mut self, url: impl AsRef<str>) -> Self {
        match endpoint(url.as_ref()) {
            Ok(url) => self.endpoint = Some(url),
            Err(words) => self.mistake.keep(words),
        }
        self
    }

    /// Whether the server may be asked over `http://`, where anybody on the way can put another binary
    /// in place. Default: only one on the loopback interface, unless `AWS_ALLOW_HTTP`, `GOOGLE_ALLOW_HTTP` or
    /// `AZURE_ALLOW_HTTP` is `true`, each for its kind.
    pub fn allow_http(mut self, is_allowed: bool) -> Self {
        self.allows_http = Some(is_allowed);
        self
    }

    /// Whether requests are sent unsigned, for what everybody may read. Default: they are signed, with
    /// what was set here or with what the environment lends.
    pub fn anonymous(mut self, is_anonymous: bool) -> Self {
        self.is_anonymous = is_anonymous;
        self
    }

    /// A file of certificates in PEM form that are trusted beside those of the system, 1 MiB at most.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.ca(path.into(), &mut self.mistake);
        self
    }

    /// The proxy: a URL such as `http://proxy.example:3128`, or `"none"`. Default: the one that the
    /// environment names in `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    ///
    /// Servers on the loopback interface and those of instance metadata are asked without one.
    pub fn proxy(mut self, url: impl AsRef<str>) -> Self {
        self.access.proxy(url.as_ref(), &mut self.mistake);
        self
    }

    /// The key of the object that has the SHA-256 of the binary, which its bytes must then have.
    /// Default: it is not asked for.
    ///
    /// What begins with a `.` and has no `/` is put behind the binary's key: `".sha256"`. What begins
    /// with a `/` is a key of the same bucket, and everything else lies beside the binary:
    /// `"SHA256SUMS"`. `{os}`, `{arch}` and `{target}` are filled in. What may be in it, and what it
    /// guards against, is as [`Http::sha256`](super::Http::sha256) has it.
    pub fn sha256(mut self, place: impl AsRef<str>) -> Self {
        self.beside.sha256 = self.place("sha256", place.as_ref());
        self
    }

    /// The key of the object that has the minisign signature of the binary, in the words of
    /// [`sha256`](Self::sha256); `".minisig"` by default. It is asked for only where the service
    /// [verifies](crate::Builder::verify) signatures.
    pub fn signature(mut self, place: impl AsRef<str>) -> Self {
        self.beside.signature = self.place("signature", place.as_ref());
        self
    }

    fn place(&mut self, setting: &str, place: &str) -> Option<beside::Place> {
        let found = beside::Place::of(self.key.as_ref()?, place);
        found.map_err(|words| self.mistake.keep(format!("`{setting}`: {words}"))).ok()
    }

    /// What is shown of it.
    fn name(&self, scheme: &str) -> String {
        let key = self.key.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{scheme}://{}/{key}", self.bucket)
    }
}

#[expect(private_bounds, reason = "there are as many kinds as there are constructors")]
impl<B: Backend> Store<B> {
    /// The mistake among the settings, if there is one.
    fn settled(&self) -> Result<()> {
        self.mistake.check()?;
        let name = self.name(B::SCHEME);
        let wrong = |words: String| Err(Error::new(ErrorKind::Config, format!("{name}: {words}")));
        if let Some(words) = self.backend.mistake(self.endpoint.as_ref(), self.is_anonymous) {
            return wrong(words);
        }
        if self.is_anonymous && self.backend.has_credentials() {
            return wrong(
                "`anonymous` sends no credentials, and some are given; leave one out".into(),
            );
        }
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        clear::check(endpoint, self.allows_http()).or_else(wrong)
    }

    fn allows_http(&self) -> bool {
        let theirs = || std::env::var(B::ALLOW_HTTP).is_ok_and(|value| backend::is_yes(&value));
        self.allows_http.unwrap_or_else(theirs)
    }

    fn open(&self, key: &Path) -> Result<Opened> {
        let name = self.name(B::SCHEME);
        let sender = sender::Sender::new(&self.access, self.allows_http(), self.head);
        let connector = sender.connector();
        let wanted = Wanted {
            bucket: &self.bucket,
            endpoint: self.endpoint.as_ref(),
            is_anonymous: self.is_anonymous,
            connector: connector.clone(),
        };
        let built = self.backend.open(wanted);
        let (store, server) = built.map_err(|error| {
            Error::new(ErrorKind::Fetch, format!("{name}: {}", opened::flat(&error)))
        })?;
        let bucket = Url::parse(&format!("{}://{}/", B::SCHEME, self.bucket));
        let bucket = bucket.map_err(|_| Error::new(ErrorKind::Fetch, format!("{name}: no URL")))?;
        Ok(Opened::new(store, connector, bucket, &server, key.clone(), self.head))
    }

    async fn look(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.settled()?;
        let Some(key) = &self.key else { return Ok(Fetched::Unchanged) };
        let opened = match &self.opened {
            Some(opened) => Arc::clone(opened),
            None => Arc::new(self.open(key)?),
        };
        self.opened = Some(Arc::clone(&opened));
        let known = current.validator().and_then(|text| Known::parse(text, opened.place()));
        let condition = known.as_ref().and_then(|known| known.etag.clone());
        let answer = opened.ask(condition).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if answer.conditional => Ok(Fetched::Unchanged),
            StatusCode::OK => {
                let facts = answer.facts(opened.place());
                if known.is_some_and(|known| known.names(&facts)) {
                    return Ok(Fetched::Unchanged);
                }
                let download = opened.deliver(answer, self.idle);
                let tagged = (!facts.is_nothing()).then(|| facts.to_string());
                let download = match tagged {
                    Some(validator) => download.validator(validator),
                    None => download,
                };
                self.beside.complete(download, current, &opened).await
            }
            _ => Err(opened.unexpected(answer, "200 and the binary").await),
        }
    }
}

impl<B: Backend> Fetcher for Store<B> {
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

impl<B: fmt::Debug> fmt::Debug for Store<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("of", &self.backend)
            .field("bucket", &self.bucket)
            .field("key", &self.key.as_ref().map(ToString::to_string))
            .field("endpoint", &self.endpoint.as_ref().map(redacted))
            .field("proxy", &self.access.shown_proxy())
            .field("interval", &self.interval)
            .field("timeout", &self.idle)
            .finish_non_exhaustive()
    }
}

/// What is neither a path nor a host of its own when it is put into a URL.
fn is_name(bucket: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !bucket.is_empty() && bucket.bytes().all(is_plain) && !bucket.bytes().all(|byte| byte == b'.')
}

/// The URL of a server, or the mistake in it.
fn endpoint(text: &str) -> Result<Url, String> {
    let url = url::parse(text).map_err(|words| format!("`endpoint`: {words}"))?;
    let is_bare = url.query().is_none() && url.fragment().is_none();
    if !url.username().is_empty() || url.password().is_some() || !is_bare {
        let words = "expected a URL without user, password, query and fragment";
        return Err(format!("`endpoint`: {words}, such as \"https://s3.example.com\""));
    }
    Ok(url)
}

/// How long a server may be silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How long a server may take for the head of its answer, connecting included.
const HEAD: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
