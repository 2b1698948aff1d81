//! Gitea and Forgejo, as at Codeberg.
//!
//! - The page `releases/latest` redirects to `releases/tag/TAG`. It knows nobody by a token.
//! - The API has the paths and the answers of GitHub's below `/api/v1`, without `ETag`s and digests.
//! - `releases/download/TAG/NAME` is the file, or redirects to it, also to who shows a token.

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName};

use super::as_github::{self, page, repository};
use super::model::{Asset, Release, Tag};
use super::site::{Dialect, Site, Way, below, tag_behind};

pub(super) struct Gitea;

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
            return Way::One(repository(site, ["releases", "latest"]));
        }
        Way::Redirect(page(site, ["releases", "latest"]))
    }

    fn by_tag(&self, site: &Site, tag: &Tag) -> Url {
        repository(site, ["releases", "tags", tag.as_str()])
    }

    fn list(&self, site: &Site) -> Url {
        let mut url = repository(site, ["releases"]);
        url.set_query(Some("limit=20"));
        url
    }

    fn tag_in(&self, location: &Url) -> Option<Tag> {
        tag_behind(location, ["releases", "tag"], 0)
    }

    fn direct(&self, site: &Site, tag: &Tag, name: &str) -> Option<Url> {
        Some(page(site, ["releases", "download", tag.as_str(), name]))
    }

    fn file(&self, site: &Site, tag: &Tag, asset: &Asset, _: bool) -> Option<Url> {
        self.direct(site, tag, &asset.name)
    }

    fn one(&self, json: &[u8]) -> serde_json::Result<Option<Release>> {
        as_github::one(json)
    }

    fn many(&self, json: &[u8]) -> serde_json::Result<Vec<Release>> {
        as_github::many(json)
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
