//! GitLab, on gitlab.com and elsewhere.
//!
//! - `releases/permalink/latest` of the API redirects to `releases/TAG`, both below the project, whose
//!   path is one part of the URL.
//! - A release has links instead of files. What one links to may be anywhere: a generic package of the
//!   project below its API, an upload, or another host, which must not see the token.

use reqwest::Url;
use reqwest::header::HeaderName;
use serde::Deserialize;

use super::model::{self, Asset, Release, Tag, Text, is_name};
use super::site::{Dialect, Site, Way, below, parts, tag_behind};

pub(super) struct GitLab;

impl Dialect for GitLab {
    fn name(&self) -> &'static str {
        "GitLab"
    }

    fn base(&self) -> Option<&'static str> {
        Some("https://gitlab.com")
    }

    fn api(&self, base: &Url) -> Url {
        below(base, ["api", "v4"])
    }

    fn has_groups(&self) -> bool {
        true
    }

    fn authorization(&self, token: &str) -> (HeaderName, String) {
        (HeaderName::from_static("private-token"), token.to_owned())
    }

    fn newest(&self, site: &Site, _: Option<&str>, _: bool) -> Way {
        Way::Redirect(self.in_api(site, &["releases", "permalink", "latest"]))
    }

    fn in_api(&self, site: &Site, path: &[&str]) -> Url {
        below(&below(&site.api, ["projects", &site.project]), path.iter().copied())
    }

    fn by_tag(&self, site: &Site, tag: &Tag) -> Url {
        self.in_api(site, &["releases", tag.as_str()])
    }

    fn tag_in(&self, location: &Url) -> Option<Tag> {
        let parts = parts(location);
        let at = parts.iter().rposition(|part| part == "projects")?;
        // The number of the project, or its path.
        let project = parts.get(at + 1)?;
        let tag = tag_behind(location, [project, "releases"], 0)?;
        (tag.as_str() != "permalink/latest").then_some(tag)
    }

    fn direct(&self, _: &Site, _: &Tag, _: &str) -> Option<Url> {
        None
    }

    fn file(&self, site: &Site, _: &Tag, asset: &Asset, _: bool) -> Option<Url> {
        let url: Url = asset.url.parse().ok()?;
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => site.base.scheme() == "http",
            _ => false,
        };
        is_safe.then_some(url)
    }

    fn one(&self, json: &[u8]) -> serde_json::Result<Option<Release>> {
        model::one::<ReleaseText>(json)
    }

    fn many(&self, json: &[u8]) -> serde_json::Result<Vec<Release>> {
        model::many::<ReleaseText>(json)
    }
}

#[derive(Debug, Deserialize)]
struct ReleaseText {
    tag_name: String,
    /// Whether it is announced for later.
    #[serde(default)]
    upcoming_release: bool,
    #[serde(default)]
    assets: Assets,
}

#[derive(Debug, Default, Deserialize)]
struct Assets {
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
struct Link {
    #[serde(default)]
    id: u64,
    name: String,
    url: String,
}

impl Text for ReleaseText {
    fn into_release(self) -> Option<Release> {
        Some(Release {
            tag: Tag::new(&self.tag_name)?,
            is_published: !self.upcoming_release,
            is_prerelease: false,
            assets: self.assets.links.into_iter().filter_map(Link::into_asset).collect(),
        })
    }
}

impl Link {
    /// A name with a space in it is for people: the file is then called as its URL ends.
    fn into_asset(self) -> Option<Asset> {
        let name = if self.name.contains(char::is_whitespace) {
            parts(&self.url.parse().ok()?).pop()?
        } else {
            self.name
        };
        let is_one = is_name(&name) && self.url.len() <= LONGEST_URL;
        is_one.then(|| Asset { name, id: self.id, url: self.url, ..Asset::default() })
    }
}

/// In bytes; GitLab's own are shorter.
const LONGEST_URL: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site::new(&GitLab, "https://gitlab.com".parse().unwrap(), "group/sub/app")
    }

    #[test]
    fn each_question_has_its_url() {
        let api = "https://gitlab.com/api/v4/projects/group%2Fsub%2Fapp/releases";
        let latest = format!("{api}/permalink/latest").parse().unwrap();
        assert_eq!(GitLab.newest(&site(), None, true), Way::Redirect(latest));
        let tag = Tag::new("app/v1").unwrap();
        assert_eq!(GitLab.by_tag(&site(), &tag).as_str(), format!("{api}/app%2Fv1"));
        assert_eq!(GitLab.list(&site()).as_str(), format!("{api}?per_page=20"));
        for (location, tag) in [
            ("https://gitlab.com/api/v4/projects/24/releases/v1", Some("v1")),
            ("https://gitlab.com/api/v4/projects/24/releases/app%2Fv1", Some("app/v1")),
            ("https://gitlab.com/api/v4/projects/o%2Freleases/releases/v1", Some("v1")),
            ("https://gitlab.com/api/v4/projects/24/releases/permalink/latest", None),
            ("https://gitlab.com/users/sign_in", None),
        ] {
            let found = GitLab.tag_in(&location.parse().unwrap());
            assert_eq!(found.as_ref().map(Tag::as_str), tag, "{location}");
        }
    }

    #[test]
    fn a_link_is_a_file_wherever_it_leads_but_for_plain_http() {
        let text = r#"{"tag_name": "v1", "assets": {"count": 4, "sources": [{"format": "zip"}], "links": [
            {"id": 1, "name": "app-linux-amd64", "url": "https://gitlab.com/x/1"},
            {"id": 2, "name": "For Linux", "url": "https://b.example/x/app-linux-arm64?y"},
            {"id": 3, "name": "plain", "url": "http://b.example/plain"},
            {"id": 4, "name": "what", "url": "file:///etc/passwd"}, {"name": "a/b", "url": "x"}]}}"#;
        let release = GitLab.one(text.as_bytes()).unwrap().unwrap();
        let names: Vec<_> = release.assets.iter().map(|asset| asset.name.as_str()).collect();
        assert_eq!(names, ["app-linux-amd64", "app-linux-arm64", "plain", "what"]);
        let files = release.assets.iter();
        let files: Vec<_> =
            files.map(|asset| GitLab.file(&site(), &release.tag, asset, true).is_some()).collect();
        assert_eq!(files, [true, true, false, false]);
    }
}
