//! GitHub, on github.com and elsewhere.
//!
//! - `releases/latest/download/NAME` redirects to `releases/download/TAG/NAME`, and is no request
//!   of the API, which counts them.
//! - `releases/latest`, `releases/tags/TAG` and `releases` of the API answer with an `ETag`.
//! - `releases/assets/ID` is the file itself to who accepts `application/octet-stream`: the only way
//!   to one of a private repository. It redirects to a storage that must not see the token.

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName};

use super::as_github::page;
use super::model::{Asset, Tag};
use super::site::{Dialect, Site, Way, below, tag_behind};

pub(super) struct GitHub;

impl Dialect for GitHub {
    fn name(&self) -> &'static str {
        "GitHub"
    }

    fn base(&self) -> Option<&'static str> {
        Some("https://github.com")
    }

    fn api(&self, base: &Url) -> Url {
        let host = base.host_str().unwrap_or_default();
        if host == "github.com" || host.ends_with(".ghe.com") {
            let mut api = base.clone();
            // What was a host with something before it still is one.
            let _ = api.set_host(Some(&format!("api.{host}")));
            return api;
        }
        below(base, ["api", "v3"])
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")]
    }

    fn authorization(&self, token: &str) -> (HeaderName, String) {
        (AUTHORIZATION, format!("Bearer {token}"))
    }

    fn newest(&self, site: &Site, file: Option<&str>, has_token: bool) -> Way {
        match file {
            Some(name) if !has_token => {
                Way::Redirect(page(site, &["releases", "latest", "download", name]))
            }
            _ => Way::One(self.in_api(site, &["releases", "latest"])),
        }
    }

    fn tag_in(&self, location: &Url) -> Option<Tag> {
        tag_behind(location, ["releases", "download"], 1)
    }

    fn file(&self, site: &Site, tag: &Tag, asset: &Asset, has_token: bool) -> Option<Url> {
        if has_token {
            return Some(self.in_api(site, &["releases", "assets", &asset.id.to_string()]));
        }
        self.direct(site, tag, &asset.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(base: &str) -> Site {
        Site::new(&GitHub, base.parse().unwrap(), "owner/repo")
    }

    #[test]
    fn the_api_is_where_its_documentation_says() {
        for (base, api) in [
            ("https://github.com", "https://api.github.com/"),
            ("https://octocorp.ghe.com/", "https://api.octocorp.ghe.com/"),
            ("https://git.example.com", "https://git.example.com/api/v3"),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v3"),
        ] {
            assert_eq!(site(base).api.as_str(), api);
        }
    }

    #[test]
    fn each_question_has_its_url() {
        let (site, tag) = (site("https://github.com"), Tag::new("app/v1").unwrap());
        let way = |file, has_token| match GitHub.newest(&site, file, has_token) {
            Way::Redirect(url) | Way::One(url) | Way::List(url) => url.to_string(),
        };
        let latest = "https://api.github.com/repos/owner/repo/releases/latest";
        assert_eq!(way(None, false), latest);
        assert_eq!(way(Some("app"), true), latest);
        assert_eq!(
            way(Some("app"), false),
            "https://github.com/owner/repo/releases/latest/download/app"
        );
        let by_tag = GitHub.by_tag(&site, &tag);
        let expected = "https://api.github.com/repos/owner/repo/releases/tags/app%2Fv1";
        assert_eq!(by_tag.as_str(), expected);
        let list = "https://api.github.com/repos/owner/repo/releases?per_page=20";
        assert_eq!(GitHub.list(&site).as_str(), list);
        let asset = Asset { id: 7, name: "a b".into(), ..Asset::default() };
        assert_eq!(
            GitHub.file(&site, &tag, &asset, true).unwrap().as_str(),
            "https://api.github.com/repos/owner/repo/releases/assets/7"
        );
        assert_eq!(
            GitHub.file(&site, &tag, &asset, false).unwrap().as_str(),
            "https://github.com/owner/repo/releases/download/app%2Fv1/a%20b"
        );
    }
}
