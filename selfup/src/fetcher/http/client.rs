//! One question to a server, and the way through redirects to its answer.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, LOCATION,
};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::timeout;

use super::known::Known;
use super::url::redacted;
use crate::error::{Context as _, Error, ErrorKind, Result};

/// Asks servers, over a connection for each request.
pub(super) struct Client {
    inner: reqwest::Client,
    /// Why https cannot work on this system, if it cannot. A container without certificates can
    /// still fetch over http.
    distrust: Option<rustls::Error>,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) url: &'a Url,
    /// For the origin of `url` alone.
    pub(super) headers: &'a HeaderMap,
    pub(super) known: Option<&'a Known>,
    /// Headers that ask for a part.
    pub(super) range: HeaderMap,
    /// How long each server on the way may take to answer.
    pub(super) patience: Duration,
}

/// What is answered, after all redirects.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Whether the request was conditional, so that "not modified" means something.
    pub(super) conditional: bool,
}

/// A request on the way.
struct Hop {
    url: Url,
    /// Whether the way has not left the origin of the URL that the user wrote. It does not come
    /// back: who leads a request back there chose what it asks for.
    is_home: bool,
}

impl Client {
    /// A client for `url`.
    pub(super) fn new(url: &Url) -> Result<Self> {
        let failed = "no HTTP client could be made";
        let (tls, distrust) = tls().context(ErrorKind::Fetch, || failed)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("selfup/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            // A runtime that sleeps between polls does not see a server close a connection that is
            // kept, and would ask into the void. A new one resumes its TLS session.
            .pool_max_idle_per_host(0);
        // No proxy can reach this machine's loopback interface.
        let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
        let inner = builder.build().context(ErrorKind::Fetch, || failed)?;
        Ok(Self { inner, distrust })
    }

    /// Asks `question` with `method`, and where redirects lead with it.
    pub(super) async fn ask(&self, method: Method, question: &Question<'_>) -> Result<Answer> {
        let mut hop = Hop { url: question.url.clone(), is_home: true };
        for _ in 0..=REDIRECTS {
            let answer = self.send(&method, &hop, question).await?;
            let Some(location) = location(&answer.response) else { return Ok(answer) };
            hop = hop.follow(location).map_err(|what| error(question, what))?;
        }
        let what = format!("more than {REDIRECTS} redirects; give the URL where they should end");
        Err(error(question, what))
    }

    async fn send(&self, method: &Method, hop: &Hop, question: &Question<'_>) -> Result<Answer> {
        if let Some(distrust) = &self.distrust
            && hop.url.scheme() == "https"
        {
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
        match timeout(question.patience, request.send()).await {
            Ok(Ok(response)) => Ok(Answer { response, conditional }),
            Ok(Err(source)) => {
                let what = format!("the request to {} failed", hop.host());
                Err(error(question, what).caused_by(source.without_url()))
            }
            Err(_) => {
                let what = format!("{} did not answer in {:?}", hop.host(), question.patience);
                Err(error(question, what))
            }
        }
    }
}

impl Hop {
    /// Where `location`, the answer to this one, leads.
    fn follow(&self, location: &HeaderValue) -> Result<Self, String> {
        let location = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| self.url.join(location).ok());
        let Some(mut url) = location else {
            return Err(format!("{} redirects to what is no URL", self.host()));
        };
        match (self.url.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => {}
            ("https", "http") => {
                return Err(format!(
                    "redirected from https to {}, where anybody on the way could put another \
                     binary in place",
                    redacted(&url)
                ));
            }
            (_, scheme) => {
                return Err(format!("redirected to a {scheme} URL; expected https or http"));
            }
        }
        let is_home = self.is_home && url.origin() == self.url.origin();
        let (user, password) =
            if is_home { (self.url.username(), self.url.password()) } else { ("", None) };
        // Neither fails on a URL with a host, as every http and https URL is.
        let _ = url.set_username(user);
        let _ = url.set_password(password);
        Ok(Self { url, is_home })
    }

    fn headers(&self, own: &HeaderMap, condition: HeaderMap) -> HeaderMap {
        let mut headers = if self.is_home { own.clone() } else { HeaderMap::new() };
        // The bytes as they were published: their length and digest are compared.
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        headers.extend(condition);
        headers
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Whether the server wants to be left alone: no reason to ask again in another way.
    pub(super) fn is_overload(&self) -> bool {
        matches!(self.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    /// What this answer to the question for `url` says about its bytes.
    pub(super) fn facts(&self, url: &Url) -> Known {
        Known {
            etag: self.header(ETAG).map(Into::into),
            last_modified: self.header(LAST_MODIFIED).map(Into::into),
            length: self.length(),
            ..Known::nothing(url, self.response.url())
        }
    }

    /// The length of the binary, as its server has it.
    pub(super) fn length(&self) -> Option<u64> {
        if self.header(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return None;
        }
        self.header(CONTENT_LENGTH)?.parse().ok()
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }
}

/// Where `response` says to look instead.
fn location(response: &Response) -> Option<&HeaderValue> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => response.headers().get(LOCATION),
        _ => None,
    }
}

fn error(question: &Question<'_>, what: impl AsRef<str>) -> Error {
    let message = format!("{}: {}", redacted(question.url), what.as_ref());
    Error::new(ErrorKind::Fetch, message)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// TLS with ring and the certificates that the system trusts, or with none and the reason.
///
/// The provider is given to this client alone: the process's default one is the program's choice.
fn tls() -> Result<(ClientConfig, Option<rustls::Error>), rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
    };
    let (builder, distrust) = match builder()?.with_platform_verifier() {
        Ok(trusting) => (trusting, None),
        Err(distrust) => {
            (builder()?.with_root_certificates(RootCertStore::empty()), Some(distrust))
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, distrust))
}

/// How many redirects are followed: more than any host of releases needs, fewer than a loop takes
/// to be a nuisance.
const REDIRECTS: usize = 10;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, location: &str) -> Result<Hop, String> {
        let hop = Hop { url: from.parse().unwrap(), is_home: true };
        hop.follow(&HeaderValue::from_str(location).unwrap())
    }

    #[test]
    fn https_never_leads_to_http() {
        let message = follow("https://a.example/", "http://a.example/x?k=swordfish").err().unwrap();
        assert!(message.starts_with("redirected from https to http://a.example/x?k=***, where"));
        assert!(follow("http://a.example/", "https://a.example/").is_ok());
        assert!(follow("https://a.example/", "//b.example/").is_ok());
    }

    #[test]
    fn home_is_one_scheme_host_and_port() {
        for (location, url, is_home) in [
            ("/x", "https://me:secret@a.example/x", true),
            ("https://A.EXAMPLE:443/x", "https://me:secret@a.example/x", true),
            ("https://them@a.example/x", "https://me:secret@a.example/x", true),
            ("https://a.example:444/x", "https://a.example:444/x", false),
            ("https://b.example/x", "https://b.example/x", false),
            ("https://them:theirs@b.example/x", "https://b.example/x", false),
        ] {
            let hop = follow("https://me:secret@a.example/", location).unwrap();
            assert_eq!((hop.url.as_str(), hop.is_home), (url, is_home), "{location}");
        }
        assert!(!follow("http://a.example/", "https://a.example/").unwrap().is_home);
    }

    #[test]
    fn the_loopback_interface_is_known_by_its_names() {
        for (url, expected) in [
            ("http://localhost:4000/", true),
            ("http://127.0.0.2/", true),
            ("http://[::1]:80/", true),
            ("http://10.0.0.1/", false),
            ("http://localhost.example/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
