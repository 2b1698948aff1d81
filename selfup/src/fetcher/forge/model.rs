//! A release as every forge has it: a tag, and files with names.
//!
//! What a forge answers is not trusted: names and tags are bounded and of one line, a file without
//! either is passed over, and of a file only what is needed is kept.

use semver::Version;
use serde::de::DeserializeOwned;

use crate::identity::BinaryId;

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) tag: Tag,
    /// Whether it is there for everybody.
    pub(super) is_published: bool,
    pub(super) is_prerelease: bool,
    pub(super) assets: Vec<Asset>,
}

/// A release as a forge writes it.
pub(super) trait Text: DeserializeOwned {
    /// The release, if it is one that can be.
    fn into_release(self) -> Option<Release>;
}

/// The release in an answer.
pub(super) fn one<T: Text>(json: &[u8]) -> serde_json::Result<Option<Release>> {
    Ok(serde_json::from_slice::<T>(json)?.into_release())
}

/// The releases in an answer.
pub(super) fn many<T: Text>(json: &[u8]) -> serde_json::Result<Vec<Release>> {
    let texts: Vec<T> = serde_json::from_slice(json)?;
    Ok(texts.into_iter().filter_map(T::into_release).collect())
}

/// A file of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asset {
    pub(super) name: String,
    /// Of the forge's own, where it has one.
    pub(super) id: u64,
    pub(super) length: Option<u64>,
    pub(super) sha256: Option<BinaryId>,
    /// What changes when the file does, in the forge's words.
    pub(super) stamp: String,
    /// Where it is, as the forge says.
    pub(super) url: String,
}

/// The name of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag(String);

impl Tag {
    /// `text`, unless nothing can be called so: git has no such names, and a path has other meanings
    /// for some.
    pub(super) fn new(text: &str) -> Option<Self> {
        let is_one = !text.is_empty()
            && text.len() <= LONGEST_NAME
            && !matches!(text, "." | "..")
            && !text.chars().any(|letter| letter.is_control() || letter == '\\');
        is_one.then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// What is behind the name of the program and the `v`: `1.2.3` of `app-v1.2.3`. The whole tag,
    /// if it has no number.
    pub(super) fn number(&self) -> &str {
        let mut before = None;
        for (at, letter) in self.0.char_indices() {
            let is_start = match before {
                None => true,
                Some('v' | 'V') => !self.0[..at - 1].ends_with(char::is_alphanumeric),
                Some(before) => !before.is_alphanumeric(),
            };
            if letter.is_ascii_digit() && is_start {
                return &self.0[at..];
            }
            before = Some(letter);
        }
        &self.0
    }

    /// The version, where the tag is one of semver's.
    pub(super) fn version(&self) -> Option<Version> {
        Version::parse(self.number()).ok()
    }
}

/// Whether a file can be called so.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LONGEST_NAME
        && !text.contains(['/', '\\'])
        && !text.chars().any(char::is_control)
}

/// In bytes: what file systems have for one name, and git for one tag with its folders.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_tag_is_behind_the_name_and_the_v() {
        for (tag, number) in [
            ("1.2.3", "1.2.3"),
            ("v1.2.3-rc.1", "1.2.3-rc.1"),
            ("app-v1.2.3", "1.2.3"),
            ("app/v1.2.3", "1.2.3"),
            ("jq-1.7.1", "1.7.1"),
            ("app2-v1.0.0", "1.0.0"),
            ("@scope/app@4.0.0", "4.0.0"),
            ("rev7", "rev7"),
            ("nightly", "nightly"),
        ] {
            assert_eq!(Tag::new(tag).unwrap().number(), number, "{tag}");
        }
        assert!(Tag::new("v1.2.3").unwrap().version() < Tag::new("v1.2.4-rc.1").unwrap().version());
        assert_eq!(Tag::new("24.07").unwrap().version(), None);
    }

    #[test]
    fn what_no_tag_can_be_is_none() {
        for text in ["", ".", "..", "a\nb", "a\\b", &"x".repeat(256)] {
            assert_eq!(Tag::new(text), None, "{text:?}");
        }
    }
}
