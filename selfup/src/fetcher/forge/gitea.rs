//! Gitea and Forgejo, as at Codeberg.
//!
//! - The page `releases/latest` redirects to `releases/tag/TAG`. It knows nobody by a token.
//! - The API has the paths and the answers of GitHub's below `/api/v1`, without `ETag`s and digests.
//! - `releases/download/TAG/NAME` is the file, or redirects to it, also to who shows a token.

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName};

use super::model::{Asset, Release, ReleaseText, Tag};
use super::site::{Dialect, Site, Way, below, tag_behind};

pub(super) struct Gitea;

impl Gitea {
    fn repository<'a>(site: &'a Site, path: impl IntoIterator<Item = &'a str>) -> Url {
        below(&below(&below(&site.api, ["repos"]), site.project.split('/')), path)
    }
}

impl Dialect for Gitea {
    fn name(&self) -> &'static str {
        "Gitea"
    }

    fn base(&self) -> Option<&'static str> {
        None
    }

    fn api(&self, base: &Url) -> Url {
        below(base, ["api", "v1"])
    }

    fn authorization(&self, token: &str) -> (HeaderName, String) {
        (AUTHORIZATION, format!("token {token}"))
    }

    fn newest(&self, site: &Site, _: Option<&str>, has_token: bool) -> Way {
        if has_token {
            return Way::One(Self::repository(site, ["releases", "latest"]));
        }
        Way::Redirect(site.page(["releases", "latest"]))
    }

    fn by_tag(&self, site: &Site, tag: &Tag) -> Url {
        Self::repository(site, ["releases", "tags", tag.as_str()])
    }

    fn list(&self, site: &Site) -> Url {
        let mut url = Self::repository(site, ["releases"]);
        url.set_query(Some("limit=20"));
        url
    }

    fn tag_in(&self, location: &Url) -> Option<Tag> {
        tag_behind(location, ["releases", "tag"], 0)
    }

    fn direct(&self, site: &Site, tag: &Tag, name: &str) -> Option<Url> {
        Some(site.page(["releases", "download", tag.as_str(), name]))
    }

    fn file(&self, site: &Site, tag: &Tag, asset: &Asset, _: bool) -> Option<Url> {
        self.direct(site, tag, &asset.name)
    }

    fn one(&self, json: &[u8]) -> serde_json::Result<Option<Release>> {
        Ok(serde_json::from_slice::<ReleaseText>(json)?.into_release())
    }

    fn many(&self, json: &[u8]) -> serde_json::Result<Vec<Release>> {
        let texts: Vec<ReleaseText> = serde_json::from_slice(json)?;
        Ok(texts.into_iter().filter_map(ReleaseText::into_release).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_has_its_url() {
        let base = "https://codeberg.org".parse().unwrap();
        let site = Site::new(&Gitea, base, "owner/repo");
        let tag = Tag::new("v1").unwrap();
        let page = "https://codeberg.org/owner/repo/releases/latest";
        assert_eq!(Gitea.newest(&site, Some("app"), false), Way::Redirect(page.parse().unwrap()));
        let api = "https://codeberg.org/api/v1/repos/owner/repo/releases";
        let latest = format!("{api}/latest").parse().unwrap();
        assert_eq!(Gitea.newest(&site, None, true), Way::One(latest));
        assert_eq!(Gitea.by_tag(&site, &tag).as_str(), format!("{api}/tags/v1"));
        assert_eq!(Gitea.list(&site).as_str(), format!("{api}?limit=20"));
        let location = "https://codeberg.org/owner/repo/releases/tag/app%2Fv1".parse().unwrap();
        assert_eq!(Gitea.tag_in(&location), Tag::new("app/v1"));
    }
}
