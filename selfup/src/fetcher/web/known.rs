//! The validator: what the last answer whose cycle ended said about itself.

use std::fmt;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::identity::BinaryId;

/// What an answer says about the bytes that it names. Its text is the validator.
///
/// URLs are in it as digests, for a validator is shown and written to disk, and URLs have secrets
/// in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::fetcher) struct Known {
    /// The URL that was asked for, without the user and the password in it: another file in the
    /// configuration makes this void. Its query is part of it, for that may say which file.
    pub(in crate::fetcher) url: String,
    /// The URL that answered after all redirects, without its query, which is often a signature.
    pub(in crate::fetcher) answered: String,
    pub(in crate::fetcher) etag: Option<String>,
    pub(in crate::fetcher) last_modified: Option<String>,
    pub(in crate::fetcher) length: Option<u64>,
    /// A digest of what the headers say that the user wants to go by, if there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::fetcher) named: Option<String>,
}

impl Known {
    /// Nothing yet about what `answered` the question for `url`.
    pub(in crate::fetcher) fn nothing(url: &Url, answered: &Url) -> Self {
        Self {
            url: digest(&bare(url)),
            answered: place(answered),
            etag: None,
            last_modified: None,
            length: None,
            named: None,
        }
    }

    /// What a validator says about `url`; `None` if it is about another one, or from another
    /// fetcher.
    pub(in crate::fetcher) fn parse(validator: &str, url: &Url) -> Option<Self> {
        let known: Self = serde_json::from_str(validator).ok()?;
        (known.url == digest(&bare(url))).then_some(known)
    }

    /// Whether nothing is known by which the same bytes could be told from others.
    pub(in crate::fetcher) fn is_nothing(&self) -> bool {
        self.named.is_none()
            && self.etag.is_none()
            && self.last_modified.is_none()
            && self.length.is_none()
    }

    /// Whether a HEAD tells what there is nothing to make a condition of: the headers of the user's
    /// choice, or a length alone.
    pub(in crate::fetcher) fn is_for_head(&self) -> bool {
        self.named.is_some()
            || (self.etag.is_none() && self.last_modified.is_none() && self.length.is_some())
    }

    /// The condition of a GET for `url`, which is this one's URL or one that it redirects to.
    ///
    /// Only one of both headers: a server must ignore the date where there is a tag (RFC 9110,
    /// section 13.1.3), and one that does not would go by the second in which a release was made.
    /// A tag names bytes wherever they are; a date says nothing about a file at another place,
    /// where a redirect to a newer version may well find an older date.
    pub(in crate::fetcher) fn condition(&self, url: &Url) -> HeaderMap {
        let header = match (&self.etag, &self.last_modified) {
            _ if self.named.is_some() => None,
            (Some(etag), _) => Some((IF_NONE_MATCH, etag)),
            (None, Some(date)) if self.answered == place(url) => Some((IF_MODIFIED_SINCE, date)),
            _ => None,
        };
        header
            .and_then(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)))
            .into_iter()
            .collect()
    }

    /// Whether `other` names the same bytes as this, as far as a server can tell.
    pub(in crate::fetcher) fn names(&self, other: &Self) -> bool {
        if self.named.is_some() || other.named.is_some() {
            return self.named == other.named;
        }
        match (&self.etag, &other.etag) {
            (Some(known), Some(other)) => opaque(known) == opaque(other),
            (None, None) => {
                self.answered == other.answered
                    && self.last_modified == other.last_modified
                    && self.length == other.length
                    && (self.last_modified.is_some() || self.length.is_some())
            }
            _ => false,
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// A tag without its mark of weakness, which a proxy that compresses adds: the weak comparison of
/// RFC 9110, section 8.8.3.2.
fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

fn place(url: &Url) -> String {
    let mut place = bare(url);
    place.set_query(None);
    digest(&place)
}

/// `url` without who asks: a password is short enough to be guessed from its digest.
fn bare(url: &Url) -> Url {
    let mut bare = url.clone();
    bare.set_fragment(None);
    // Both refuse URLs that have no host; those have no user either.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

fn digest(url: &Url) -> String {
    BinaryId::from_bytes(Sha256::digest(url.as_str()).into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn known(etag: Option<&str>, last_modified: Option<&str>, length: Option<u64>) -> Known {
        let asked = url("https://user:swordfish@example.com/app");
        Known {
            etag: etag.map(Into::into),
            last_modified: last_modified.map(Into::into),
            length,
            ..Known::nothing(&asked, &url("https://cdn.example.com/1/app?signature=swordfish"))
        }
    }

    #[test]
    fn a_validator_is_read_back_for_its_own_url_only_and_holds_no_secret() {
        let known = known(Some("\"1\""), Some(DATE), Some(3));
        let text = known.to_string();
        assert!(!text.contains("swordfish") && !text.contains("example.com"), "{text}");
        let asked = url("https://user:swordfish@example.com/app");
        assert_eq!(Known::parse(&text, &asked), Some(known));
        assert_eq!(Known::parse(&text, &url("https://example.com/other")), None);
        assert_eq!(Known::parse(&text, &url("https://example.com/app?version=2")), None);
        assert_eq!(Known::parse("\"1\"", &asked), None);
    }

    #[test]
    fn no_password_can_be_guessed_from_a_validator() {
        let known = |asked| Known::nothing(&url(asked), &url("https://cdn.example.com/1/app"));
        let bare = known("https://example.com/app?version=1");
        for asked in [
            "https://me:swordfish@example.com/app?version=1",
            "https://me@example.com/app?version=1",
        ] {
            assert_eq!(known(asked), bare);
            assert_eq!(Known::parse(&bare.to_string(), &url(asked)), Some(bare.clone()));
        }
        assert_ne!(known("https://example.com/app?version=2"), bare);
    }

    #[test]
    fn the_condition_is_the_tag_or_the_date_where_it_is_from() {
        let cdn = url("https://cdn.example.com/1/app?signature=another");
        let newer = url("https://cdn.example.com/2/app");
        let tagged = known(Some("\"1\""), Some(DATE), None);
        for url in [&cdn, &newer] {
            let condition = tagged.condition(url);
            assert_eq!(condition[IF_NONE_MATCH], "\"1\"");
            assert_eq!(condition.len(), 1);
        }
        let dated = known(None, Some(DATE), None);
        assert_eq!(dated.condition(&cdn)[IF_MODIFIED_SINCE], DATE);
        assert!(dated.condition(&newer).is_empty());
        assert!(known(None, None, Some(3)).condition(&cdn).is_empty());
    }

    #[test]
    fn the_same_bytes_are_those_of_the_same_tag_or_date_or_length() {
        let tag = Some("\"1\"");
        for (known, other, same) in [
            (known(tag, None, None), known(tag, None, Some(3)), true),
            (known(tag, None, None), known(Some("W/\"1\""), None, None), true),
            (known(tag, None, Some(3)), known(Some("\"2\""), None, Some(3)), false),
            (known(tag, None, Some(3)), known(None, None, Some(3)), false),
            (known(None, Some(DATE), Some(3)), known(None, Some(DATE), Some(3)), true),
            (known(None, Some(DATE), Some(3)), known(None, Some(DATE), Some(4)), false),
            (known(None, None, Some(3)), known(None, None, Some(3)), true),
            (known(None, None, None), known(None, None, None), false),
        ] {
            assert_eq!(known.names(&other), same, "{known} and {other}");
        }
    }

    const DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
}
