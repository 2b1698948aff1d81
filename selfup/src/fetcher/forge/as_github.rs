//! What GitHub has, and Gitea after it.

use reqwest::Url;
use serde::Deserialize;

use super::model::{Asset, Release, Tag, Text, is_name};
use super::site::{Site, below};

/// A path of the API below the repository.
pub(super) fn repository(site: &Site, path: &[&str]) -> Url {
    below(&below(&below(&site.api, ["repos"]), site.project.split('/')), path.iter().copied())
}

/// A path below the repository's page.
pub(super) fn page(site: &Site, path: &[&str]) -> Url {
    below(&below(&site.base, site.project.split('/')), path.iter().copied())
}

/// A release as it is written there.
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

impl Text for ReleaseText {
    fn into_release(self) -> Option<Release> {
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

#[cfg(test)]
mod tests {
    use super::super::model;
    use super::*;
    use crate::identity::BinaryId;

    #[test]
    fn a_file_that_is_not_there_yet_or_has_no_name_is_passed_over() {
        let text = r#"{"tag_name": "v1", "assets": [
            {"name": "app", "id": 7, "size": 3, "state": "uploaded", "updated_at": "b",
             "digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111"},
            {"name": "late", "state": "starter"}, {"name": ""}, {"name": "a/b"}, {"name": "a\nb"},
            {"name": "other", "digest": "md5:1", "created_at": "a"}]}"#;
        let release = model::one::<ReleaseText>(text.as_bytes()).unwrap().unwrap();
        let [app, other] = &release.assets[..] else { panic!("{release:?}") };
        assert_eq!((app.name.as_str(), app.id, app.length), ("app", 7, Some(3)));
        assert_eq!(app.sha256, Some(BinaryId::from_bytes([0x11; 32])));
        assert_eq!((other.sha256, other.stamp.as_str()), (None, "a"));
        assert!(release.is_published && !release.is_prerelease);
    }
}
