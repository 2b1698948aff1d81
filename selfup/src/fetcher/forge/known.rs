//! The validator: which file of which release was delivered last.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::model::{Asset, Tag};
use crate::identity::BinaryId;

/// What is known of the file that was delivered last. Its text is the validator.
///
/// It has no URL and no secret in it, for a validator is shown and written to disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// A digest of where was looked for what: other settings make this void.
    source: String,
    pub(super) tag: String,
    /// A digest of what tells the file from others; none where its release is all that is known.
    file: Option<String>,
    /// Of the answer that told of the release.
    pub(super) etag: Option<String>,
}

impl Known {
    /// What is known of a file of which nothing is but its release.
    pub(super) fn of_release(source: &str, tag: &Tag) -> Self {
        let tag = tag.as_str().to_owned();
        Self { source: source.to_owned(), tag, file: None, etag: None }
    }

    /// ... and that is `asset`, in an answer with this `ETag`.
    pub(super) fn of_file(source: &str, tag: &Tag, asset: &Asset, etag: Option<String>) -> Self {
        let Asset { name, id, length, sha256, stamp, url } = asset;
        let file = Some(digest(&format!("{name}\n{id}\n{length:?}\n{sha256:?}\n{stamp}\n{url}")));
        Self { file, etag, ..Self::of_release(source, tag) }
    }

    /// What a validator says about `source`; `None` if it is about another, or of another fetcher.
    pub(super) fn parse(validator: &str, source: &str) -> Option<Self> {
        let known: Self = serde_json::from_str(validator).ok()?;
        (known.source == source).then_some(known)
    }

    /// Whether `other` is the same file of the same release.
    pub(super) fn names(&self, other: &Self) -> bool {
        self.tag == other.tag && self.file == other.file
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// So that what is long or nobody's business is short.
pub(super) fn digest(text: &str) -> String {
    BinaryId::from_bytes(Sha256::digest(text).into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validator_is_read_back_for_its_own_source_only() {
        let tag = Tag::new("v1").unwrap();
        let asset = Asset { name: "app".into(), stamp: "a".into(), ..Asset::default() };
        let known = Known::of_file("here", &tag, &asset, Some("\"1\"".into()));
        let text = known.to_string();
        assert_eq!(Known::parse(&text, "here"), Some(known.clone()));
        assert_eq!(Known::parse(&text, "there"), None);
        assert_eq!(Known::parse("\"1\"", "here"), None);

        let other_etag = Known { etag: None, ..known.clone() };
        assert!(known.names(&other_etag));
        let replaced = Asset { stamp: "b".into(), ..asset.clone() };
        assert!(!known.names(&Known::of_file("here", &tag, &replaced, None)));
        let next = Tag::new("v2").unwrap();
        assert!(!known.names(&Known::of_file("here", &next, &asset, None)));
        assert!(Known::of_release("here", &tag).names(&Known::of_release("here", &tag)));
    }
}
