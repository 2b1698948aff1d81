//! Where a forge is, and what is at which of its URLs.

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::as_github::{self, ReleaseText};
use super::model::{self, Asset, Release, Tag};
use crate::fetcher::web::url::unescaped;

/// A project of a forge.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) base: Url,
    /// The root of the API.
    pub(super) api: Url,
    /// With its owners: `owner/repo`.
    pub(super) project: String,
}

/// How the newest release is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Where this redirects to has the tag in it.
    Redirect(Url),
    /// This answers with the release.
    One(Url),
    /// This answers with a page of releases.
    List(Url),
}

/// What tells one forge from another. What is provided is GitHub's, and Gitea's after it.
pub(super) trait Dialect: Sync {
    /// As people write it.
    fn name(&self) -> &'static str;

    /// The forge that is meant where nothing is said.
    fn base(&self) -> Option<&'static str>;

    /// The root of the API.
    fn api(&self, base: &Url) -> Url;

    /// Whether a project can be in groups of groups.
    fn has_groups(&self) -> bool {
        false
    }

    /// What an API answers in, and other headers of each request to it.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("accept", "application/json")]
    }

    /// The header that shows a token.
    fn authorization(&self, token: &str) -> (HeaderName, String);

    /// How the newest release is found; `file` is its only file that matters, if that is known.
    fn newest(&self, site: &Site, file: Option<&str>, has_token: bool) -> Way;

    /// A path of the API below the project.
    fn in_api(&self, site: &Site, path: &[&str]) -> Url {
        as_github::repository(site, path)
    }

    /// Where the release `tag` is.
    fn by_tag(&self, site: &Site, tag: &Tag) -> Url {
        self.in_api(site, &["releases", "tags", tag.as_str()])
    }

    /// How twenty releases of a list are asked for.
    fn page_query(&self) -> &'static str {
        "per_page=20"
    }

    /// Where the releases are, the newest first.
    fn list(&self, site: &Site) -> Url {
        let mut url = self.in_api(site, &["releases"]);
        url.set_query(Some(self.page_query()));
        url
    }

    /// The tag in the URL to which the [way](Way::Redirect) to the newest release leads.
    fn tag_in(&self, location: &Url) -> Option<Tag>;

    /// Where the file `name` of a release is, if that is known without an answer of the API.
    fn direct(&self, site: &Site, tag: &Tag, name: &str) -> Option<Url> {
        Some(as_github::page(site, &["releases", "download", tag.as_str(), name]))
    }

    /// Where `asset` of a release is.
    fn file(&self, site: &Site, tag: &Tag, asset: &Asset, _has_token: bool) -> Option<Url> {
        self.direct(site, tag, &asset.name)
    }

    /// Whether a question for the file itself is the way to learn whether it changed: the API has no
    /// `ETag`s, and the files have.
    fn is_asked_for_files(&self) -> bool {
        false
    }

    /// The release in an answer; `None` if it is one that cannot be.
    fn one(&self, json: &[u8]) -> serde_json::Result<Option<Release>> {
        model::one::<ReleaseText>(json)
    }

    /// The releases in an answer.
    fn many(&self, json: &[u8]) -> serde_json::Result<Vec<Release>> {
        model::many::<ReleaseText>(json)
    }
}

impl Site {
    pub(super) fn new(dialect: &dyn Dialect, base: Url, project: &str) -> Self {
        let api = dialect.api(&base);
        Self { base, api, project: project.to_owned() }
    }

    /// The last part of the project's name.
    pub(super) fn program(&self) -> &str {
        self.project.rsplit('/').next().unwrap_or(&self.project)
    }

    /// Whether `url` is where the token is for.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.api.origin() || url.origin() == self.base.origin()
    }
}

/// `url` with these parts behind its path; what separates parts is escaped in them.
pub(super) fn below<'a>(url: &Url, parts: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = url.clone();
    // An http or https URL has a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

/// The parts of a path, as they were before they were escaped.
pub(super) fn parts(url: &Url) -> Vec<String> {
    let parts = url.path_segments().into_iter().flatten();
    parts.map(unescaped).collect()
}

/// The tag behind the parts `before`, with nothing behind it but `after` more parts.
pub(super) fn tag_behind(location: &Url, before: [&str; 2], after: usize) -> Option<Tag> {
    let parts = parts(location);
    let parts = parts.get(..parts.len().checked_sub(after)?)?;
    let at = parts.windows(2).rposition(|pair| pair == before)? + 2;
    Tag::new(&parts[at..].join("/"))
}

/// The base of a forge, or the mistake in it.
pub(super) fn base(text: &str) -> Result<Url, String> {
    let expected = "expected the URL of the forge, such as \"https://git.example.com\"";
    let url =
        Url::parse(text).map_err(|error| format!("`base` is not a URL: {error}; {expected}"))?;
    let is_url = matches!(url.scheme(), "http" | "https");
    if !is_url || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`base` is another kind of URL; {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`base` has a user or a password in it; give a `token` instead".to_owned());
    }
    Ok(url)
}

/// What is wrong with the name of a project, if anything.
pub(super) fn mistake_in(project: &str, has_groups: bool) -> Option<String> {
    let parts: Vec<_> = project.split('/').collect();
    let is_name = |part: &&str| {
        let mut letters = part.chars();
        letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
            && !matches!(*part, "" | "." | "..")
    };
    let is_long = if has_groups { parts.len() >= 2 } else { parts.len() == 2 };
    let expected = if has_groups { "group/project" } else { "owner/repo" };
    let is_one = is_long && parts.iter().all(is_name);
    (!is_one).then(|| format!("{project:?} is not a project; expected \"{expected}\""))
}

/// A header whose value is never shown.
pub(super) fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_escaped_and_read_back() {
        let project = url("https://a.example/forge/");
        let found = below(&project, ["o", "app/v1 +?#%2F", "x"]);
        assert_eq!(found.as_str(), "https://a.example/forge/o/app%2Fv1%20+%3F%23%252F/x");
        assert_eq!(parts(&found), ["forge", "o", "app/v1 +?#%2F", "x"]);
        assert_eq!(parts(&url("https://a.example/a%zz/%2")), ["a%zz", "%2"]);
    }

    #[test]
    fn a_tag_is_found_whether_its_slash_is_escaped_or_not() {
        let before = ["releases", "download"];
        for (location, tag) in [
            ("https://a.example/o/r/releases/download/v1/app", Some("v1")),
            ("https://a.example/o/r/releases/download/app%2Fv1/app", Some("app/v1")),
            ("https://a.example/o/r/releases/download/app/v1/app", Some("app/v1")),
            ("https://a.example/releases/download/releases/download/v1/app", Some("v1")),
            ("https://a.example/o/r/releases/download/app", None),
            ("https://a.example/o/r/releases/latest/download/app", None),
            ("https://a.example/", None),
        ] {
            let found = tag_behind(&url(location), before, 1);
            assert_eq!(found.as_ref().map(Tag::as_str), tag, "{location}");
        }
    }

    #[test]
    fn a_mistake_in_a_setting_says_what_was_expected() {
        for (project, has_groups, is_one) in [
            ("owner/repo", false, true),
            ("owner/repo.rs", true, true),
            ("group/sub/project", true, true),
            ("group/sub/project", false, false),
            ("repo", true, false),
            ("https://github.com/owner/repo", false, false),
            ("owner/..", false, false),
            ("owner/", false, false),
            ("owner/re po", false, false),
        ] {
            assert_eq!(mistake_in(project, has_groups).is_none(), is_one, "{project}");
        }
        for (text, words) in [
            ("git.example.com", "`base` is not a URL: relative URL without a base; expected"),
            ("ftp://git.example.com", "`base` is another kind of URL; expected"),
            ("https://git.example.com/?x=swordfish", "`base` is another kind of URL; expected"),
            ("https://me:swordfish@git.example.com", "`base` has a user or a password in it"),
        ] {
            let mistake = base(text).unwrap_err();
            assert!(mistake.starts_with(words) && !mistake.contains("swordfish"), "{mistake}");
        }
    }
}
