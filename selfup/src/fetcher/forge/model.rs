//! A release as every forge has it: a tag, and files with names.
//!
//! What a forge answers is not trusted: names and tags are bounded and of one line, a file without
//! either is passed over, and of a file only what is needed is kept.

use semver::Version;
use serde::Deserialize;

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

/// What GitHub answers, and those who follow it.
#[derive(Debug, Deserialize)]
pub(super) struct ReleaseText {
    tag_name: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
    #[serde(default)]
    assets: Vec<AssetText>,
}

#[derive(Debug, Deserialize)]
struct AssetText {
    #[serde(default)]
    id: u64,
    name: String,
    size: Option<u64>,
    /// Of GitHub's alone: a file that is still being uploaded is there already.
    state: Option<String>,
    /// Of GitHub's alone, and only for files that are newer than June 2025.
    digest: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    browser_download_url: Option<String>,
}

impl ReleaseText {
    pub(super) fn into_release(self) -> Option<Release> {
        Some(Release {
            tag: Tag::new(&self.tag_name)?,
            is_published: !self.draft,
            is_prerelease: self.prerelease,
            assets: self.assets.into_iter().filter_map(AssetText::into_asset).collect(),
        })
    }
}

impl AssetText {
    fn into_asset(self) -> Option<Asset> {
        if self.state.is_some_and(|state| state != "uploaded") || !is_name(&self.name) {
            return None;
        }
        let sha256 = self.digest.as_deref().and_then(|digest| digest.strip_prefix("sha256:"));
        Some(Asset {
            sha256: sha256.and_then(|digest| digest.parse().ok()),
            stamp: self.updated_at.or(self.created_at).unwrap_or_default(),
            url: self.browser_download_url.unwrap_or_default(),
            length: self.size,
            id: self.id,
            name: self.name,
        })
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

    #[test]
    fn a_file_that_is_not_there_yet_or_has_no_name_is_passed_over() {
        let text = r#"{"tag_name": "v1", "assets": [
            {"name": "app", "id": 7, "size": 3, "state": "uploaded", "updated_at": "b",
             "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111"},
            {"name": "late", "state": "starter"}, {"name": ""}, {"name": "a/b"}, {"name": "a\nb"},
            {"name": "other", "digest": "md5:1", "created_at": "a"}]}"#;
        let release: ReleaseText = serde_json::from_str(text).unwrap();
        let release = release.into_release().unwrap();
        let [app, other] = &release.assets[..] else { panic!("{release:?}") };
        assert_eq!((app.name.as_str(), app.id, app.length), ("app", 7, Some(3)));
        assert_eq!(app.sha256, Some(BinaryId::from_bytes([0x11; 32])));
        assert_eq!((other.sha256, other.stamp.as_str()), (None, "a"));
        assert!(release.is_published && !release.is_prerelease);
    }
}
