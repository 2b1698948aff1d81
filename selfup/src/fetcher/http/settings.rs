//! What the user says of the servers: who we are, how they are reached, and which of their words count.

use std::path::PathBuf;

use reqwest::header::HeaderName;

use super::Http;

impl Http {
    /// Headers of each request, added to those that were given before: see [`header`](Self::header).
    pub fn headers<N: AsRef<str>, V: AsRef<str>>(
        self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        headers.into_iter().fold(self, |http, (name, value)| http.header(name, value))
    }

    /// A user and a password for the server (RFC 7617), in place of those in the URL and of any other
    /// `Authorization`. They go where a [`header`](Self::header) goes, and are never shown. To an `http://`
    /// URL they go as they are, which takes [`allow_http`](Self::allow_http).
    pub fn basic(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.access.basic(user.as_ref(), password.as_ref(), &mut self.mistake);
        self
    }

    /// A token for the server (RFC 6750), in place of any other `Authorization`. It goes where a
    /// [`header`](Self::header) goes, and is never shown. To an `http://` URL it goes as it is, which
    /// takes [`allow_http`](Self::allow_http).
    ///
    /// The configuration is evaluated where the fetcher runs, in the master, so that the token may come
    /// from its environment. An empty token is a mistake, and so is one with a line break at its end.
    ///
    /// ```
    /// # fn main() {
    /// let token = std::env::var("RELEASES_TOKEN").unwrap_or_default();
    /// let releases = selfup::fetcher::http("https://example.com/myapp").bearer(token);
    /// # }
    /// ```
    pub fn bearer(mut self, token: impl AsRef<str>) -> Self {
        self.access.bearer(token.as_ref(), &mut self.mistake);
        self
    }

    /// Whether what is secret may be sent to an `http://` URL, where anybody on the way can read it. Default:
    /// only to one on the loopback interface.
    ///
    /// Secret is what is never shown: headers, user and password, and the query of the URL. A URL
    /// without them may be `http://`, for it says so itself; anybody on the way can then put another binary
    /// in place, unless the service [verifies](crate::Builder::verify) signatures.
    pub fn allow_http(mut self, is_allowed: bool) -> Self {
        self.in_clear = is_allowed;
        self
    }

    /// A file of certificates (PEM, 1 MiB at most) whose authorities are trusted beside those of the
    /// system. Default: none.
    ///
    /// It is read at the first poll, and again after a request that failed, so that it can be replaced
    /// while the service runs.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.access.ca(path.into(), &mut self.mistake);
        self
    }

    /// The URL of a proxy for all requests, those to the loopback interface and to where redirects lead
    /// included, or `"none"` for no proxy at all. Default: what the environment says.
    ///
    /// The URL is `http://` or `https://`, that of the way to the proxy, or `socks5://` or `socks5h://`: with
    /// the latter the proxy looks up names, with the former this machine does. A user and a password in it
    /// are sent to the proxy alone. What is fetched by https is not seen by it (`CONNECT`, RFC 9110,
    /// section 9.3.6).
    pub fn proxy(mut self, proxy: impl AsRef<str>) -> Self {
        self.access.proxy(proxy.as_ref(), &mut self.mistake);
        self
    }

    /// The headers of an answer that say which binary it has, in place of `ETag`, `Last-Modified` and
    /// `Content-Length`: `["x-version"]`. A binary is new if one of them changed, and only then.
    ///
    /// It is for servers whose usual headers change although the file does not, or do not change although
    /// it does. A poll is then a HEAD, and a GET where these headers differ. An answer that has none of
    /// them is an error.
    pub fn check_headers<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        for name in names {
            match HeaderName::try_from(name.as_ref()) {
                Ok(name) => self.checked.push(name),
                Err(_) => self.mistake.keep(format!(
                    "`check_headers`: {:?} is not the name of an HTTP header",
                    name.as_ref()
                )),
            }
        }
        self.checked.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        self.checked.dedup();
        self
    }
}
