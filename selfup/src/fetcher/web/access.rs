//! What the user says of the servers: the secrets for them, and how they are reached.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::url::redacted;
use crate::fetcher::mistake::Mistake;

/// Headers, proxy and authority.
#[derive(Clone, Default)]
pub(in crate::fetcher) struct Access {
    /// Each marked as a secret.
    pub(in crate::fetcher) headers: HeaderMap,
    pub(super) proxy: Proxy,
    pub(super) ca: Option<PathBuf>,
}

/// Who asks on our behalf.
#[derive(Clone, Default)]
pub(super) enum Proxy {
    /// Whom the environment names.
    #[default]
    OfTheSystem,
    None,
    At(Url),
}

impl Access {
    /// One that is no proxy's, and no authority's but the system's.
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
    pub(in crate::fetcher) fn direct() -> Self {
        Self { proxy: Proxy::None, ..Self::default() }
    }

    /// Adds a header.
    pub(in crate::fetcher) fn header(&mut self, name: &str, value: &str, mistake: &mut Mistake) {
        let Ok(header) = HeaderName::try_from(name) else {
            return mistake.keep(format!("{name:?} is not the name of an HTTP header"));
        };
        if let Some(value) = secret(&format!("the value of header {name:?}"), value, mistake) {
            self.headers.append(header, value);
        }
    }

    /// Sets who we are, by name and password (RFC 7617).
    pub(in crate::fetcher) fn basic(&mut self, user: &str, password: &str, mistake: &mut Mistake) {
        if user.contains(':') {
            return mistake.keep("the user of `basic` has a colon in it, which ends its name");
        }
        let pair = format!("{user}:{password}");
        if pair.contains(|c: char| c.is_control()) {
            return mistake.keep(with_control_character("`basic`"));
        }
        self.authorize(&format!("Basic {}", BASE64_STANDARD.encode(pair)), "`basic`", mistake);
    }

    /// Sets who we are, by a token (RFC 6750).
    pub(in crate::fetcher) fn bearer(&mut self, token: &str, mistake: &mut Mistake) {
        if token.is_empty() {
            return mistake.keep("the token of `bearer` is empty; is its variable set?");
        }
        self.authorize(&format!("Bearer {token}"), "the token of `bearer`", mistake);
    }

    fn authorize(&mut self, value: &str, what: &str, mistake: &mut Mistake) {
        if let Some(value) = secret(what, value, mistake) {
            self.headers.insert(AUTHORIZATION, value);
        }
    }

    /// Sets the proxy: a URL, or "none".
    pub(in crate::fetcher) fn proxy(&mut self, text: &str, mistake: &mut Mistake) {
        if text == "none" {
            self.proxy = Proxy::None;
            return;
        }
        // What was written may have a password in it.
        let expected = "expected \"none\" or a URL such as \"http://proxy.example:3128\"";
        self.proxy = match Url::parse(text) {
            Ok(url) if is_scheme(url.scheme()) => Proxy::At(url),
            Ok(url) if url.has_host() => {
                return mistake.keep(format!("`proxy` is a {} URL; {expected}", url.scheme()));
            }
            _ => return mistake.keep(format!("`proxy` is not a URL; {expected}")),
        };
    }

    /// Sets the file of certificates that are trusted beside those of the system.
    pub(in crate::fetcher) fn ca(&mut self, path: PathBuf, mistake: &mut Mistake) {
        if path.as_os_str().is_empty() {
            return mistake.keep("`ca` is empty; expected the path of a file of certificates");
        }
        self.ca = Some(path);
    }

    /// As much of the proxy as may be shown.
    pub(in crate::fetcher) fn shown_proxy(&self) -> String {
        match &self.proxy {
            Proxy::OfTheSystem => "of the system".to_owned(),
            Proxy::None => "none".to_owned(),
            Proxy::At(url) => redacted(url),
        }
    }
}

/// Whether proxies are spoken to so.
fn is_scheme(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "socks5" | "socks5h")
}

/// `value` as that of a header which is never shown.
fn secret(what: &str, value: &str, mistake: &mut Mistake) -> Option<HeaderValue> {
    let Ok(mut value) = HeaderValue::try_from(value) else {
        mistake.keep(with_control_character(what));
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}

fn with_control_character(what: &str) -> String {
    format!("{what} has a control character in it; is it a line break at its end?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(set: impl FnOnce(&mut Access, &mut Mistake)) -> Result<Access, String> {
        let (mut access, mut mistake) = Default::default();
        set(&mut access, &mut mistake);
        mistake.check().map(|()| access).map_err(|error| error.to_string())
    }

    #[test]
    fn who_we_are_is_a_secret_and_the_last_word_counts() {
        let access = told(|access, mistake| {
            access.header("authorization", "mine", mistake);
            access.basic("Aladdin", "open sesame", mistake);
        });
        let headers = access.unwrap().headers;
        // The example of RFC 7617, section 2.
        assert_eq!(headers[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(headers[AUTHORIZATION].is_sensitive());
        let access = told(|access, mistake| {
            access.basic("Aladdin", "open sesame", mistake);
            access.bearer("swordfish", mistake);
        });
        let headers = access.unwrap().headers;
        let all: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
        assert_eq!(all, ["Bearer swordfish"]);
        assert!(all[0].is_sensitive());
    }

    #[test]
    fn mistakes_are_told_without_the_secrets_in_them() {
        type Set = fn(&mut Access, &mut Mistake);
        let cases: [(Set, &str); 7] = [
            (|access, mistake| access.basic("a:b", "swordfish", mistake), "the user of `basic`"),
            (|access, mistake| access.basic("a", "swordfish\n", mistake), "`basic` has a control"),
            (|access, mistake| access.bearer("swordfish\n", mistake), "the token of `bearer` has"),
            (|access, mistake| access.bearer("", mistake), "the token of `bearer` is empty"),
            (|access, mistake| access.proxy("me:swordfish@proxy", mistake), "`proxy` is not a URL"),
            (
                |access, mistake| access.proxy("ftp://me:swordfish@proxy", mistake),
                "`proxy` is a ftp URL; expected \"none\" or a URL such as",
            ),
            (|access, mistake| access.ca(PathBuf::new(), mistake), "`ca` is empty"),
        ];
        for (set, words) in cases {
            let message = told(set).err().unwrap();
            assert!(message.starts_with(words) && !message.contains("swordfish"), "{message}");
        }
    }

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let access = told(|access, mistake| access.proxy("http://me:swordfish@proxy:1/", mistake));
        assert_eq!(access.unwrap().shown_proxy(), "http://proxy:1/");
        let access = told(|access, mistake| access.proxy("none", mistake)).unwrap();
        assert_eq!(access.shown_proxy(), "none");
        assert_eq!(Access::default().shown_proxy(), "of the system");
    }
}
