//! What is asked in the clear: over http, where anybody on the way can read and change what is sent.
//!
//! One rule for every fetcher that asks servers:
//!
//! - The loopback interface has nobody on the way. A server there is asked without more words.
//! - Any other is asked where the user says `allow_http`. To give `http()` a URL that begins with
//!   `http://` says so, too, unless something would go with it that is never shown: a header, a
//!   password, a query.
//! - The metadata of an instance is there over http alone, at addresses that no router leads to. It is
//!   asked there, and nowhere else, for credentials.
//!
//! Redirects have a rule of their own, in `hop`: none leads from https to http, and nothing that is
//! never shown goes along. The password of a proxy goes to the proxy as its URL says.

use reqwest::Url;

use super::url::redacted;

/// Whether `url` is on this machine alone.
pub(in crate::fetcher) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whether something is in `url` that is never shown.
pub(in crate::fetcher) fn has_secret(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some() || url.query().is_some()
}

/// That `url` may be asked, where http `is_allowed` or is not; or why not.
pub(in crate::fetcher) fn check(url: &Url, is_allowed: bool) -> Result<(), String> {
    if url.scheme() == "https" || is_allowed || is_loopback(url) {
        return Ok(());
    }
    Err(format!(
        "{} would be asked over http, where anybody on the way could read secrets and put another \
         binary in place; use https, or `allow_http` for binaries that are signed",
        redacted(url)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known_by_its_names() {
        for (url, expected) in [
            ("http://localhost:4000/", true),
            ("http://127.0.0.2/", true),
            ("http://[::1]:80/", true),
            ("http://10.0.0.1/", false),
            ("http://0.0.0.0/", false),
            ("http://localhost.example/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn over_http_only_this_machine_is_asked_without_a_word() {
        for (url, is_allowed, may) in [
            ("https://a.example/?k=swordfish", false, true),
            ("http://localhost:4000/?k=swordfish", false, true),
            ("http://a.example/", true, true),
            ("http://a.example/?k=swordfish", false, false),
            ("ftp://a.example/", false, false),
        ] {
            let checked = check(&url.parse().unwrap(), is_allowed);
            assert_eq!(checked.is_ok(), may, "{url}");
            assert!(!checked.is_err_and(|words| words.contains("swordfish")), "{url}");
        }
    }

    #[test]
    fn what_is_never_shown_of_a_url_is_a_secret() {
        for (url, expected) in [
            ("http://a.example/app#1", false),
            ("http://me@a.example/app", true),
            ("http://:swordfish@a.example/app", true),
            ("http://a.example/app?k=swordfish", true),
        ] {
            assert_eq!(has_secret(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
