//! The way through redirects, and what is not carried along.

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, Url};

use super::url::redacted;

/// A request on the way.
pub(super) struct Hop {
    pub(super) url: Url,
    /// Whether the way has not left the origin of the URL that the question is for. It does not come
    /// back: who leads a request back there chose what it asks for.
    is_home: bool,
}

impl Hop {
    /// The first one.
    pub(super) fn to(url: &Url) -> Self {
        Self { url: url.clone(), is_home: true }
    }

    /// Where `location`, the answer to this one, leads.
    pub(super) fn follow(&self, location: &HeaderValue) -> Result<Self, String> {
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

    /// What is sent there: the user's `own` headers only at home.
    pub(super) fn headers(&self, own: &HeaderMap, condition: HeaderMap) -> HeaderMap {
        let mut headers = if self.is_home { own.clone() } else { HeaderMap::new() };
        // The bytes as they were published: their length and digest are compared.
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
        headers.extend(condition);
        headers
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// Where `response` says to look instead.
pub(super) fn location(response: &Response) -> Option<&HeaderValue> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => response.headers().get(LOCATION),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, location: &str) -> Result<Hop, String> {
        let hop = Hop::to(&from.parse().unwrap());
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
}
