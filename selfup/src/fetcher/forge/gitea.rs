//! Gitea and Forgejo, as at Codeberg.
//!
//! - The page `releases/latest` redirects to `releases/tag/TAG`. It knows nobody by a token.
//! - The API has the paths and the answers of GitHub's below `/api/v1`, without `ETag`s and digests.
//! - `releases/download/TAG/NAME` is the file, or redirects to it, also to who shows a token. The file has
//!   an `ETag`, its own number, and a `GET` that is conditional on it is answered with 304.

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName};

use super::as_github::page;
use super::model::Tag;
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

    fn page_query(&self) -> &'static str {
        "limit=20"
    }

    fn newest(&self, site: &Site, _: Option<&str>, has_token: bool) -> Way {
        if has_token {
            return Way::One(self.in_api(site, &["releases", "latest"]));
        }
        Way::Redirect(page(site, &["releases", "latest"]))
    }

    fn tag_in(&self, location: &Url) -> Option<Tag> {
        tag_behind(location, ["releases", "tag"], 0)
    }

    fn is_asked_for_files(&self) -> bool {
        true
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
