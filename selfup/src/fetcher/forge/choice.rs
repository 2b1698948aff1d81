//! Which release of a project is meant.

use std::fmt;

use semver::Version;

use super::model::{Release, Tag};

/// What the settings say of the release: by default it is the forge's newest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Choice {
    wish: Option<Wish>,
    pub(super) prerelease: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Tag(Tag),
    /// The newest whose tag begins so.
    Beginning(String),
}

impl Choice {
    /// Sets the tag, or the beginning of one with a `*` behind it.
    pub(super) fn set_tag(&mut self, text: &str) -> Result<(), String> {
        let expected = "expected a tag such as \"v1.2.3\", or how it begins: \"v1.*\"";
        let wish = match text.strip_suffix('*') {
            Some("") => return Err(format!("`tag` is any tag; leave it out, or {expected}")),
            Some(beginning) => Tag::new(beginning).map(|_| Wish::Beginning(beginning.to_owned())),
            None => Tag::new(text).map(Wish::Tag),
        };
        let wish = wish.filter(|_| !text.strip_suffix('*').unwrap_or(text).contains('*'));
        self.wish = Some(wish.ok_or_else(|| format!("`tag` is {text:?}; {expected}"))?);
        Ok(())
    }

    /// The tag of the one release that is meant.
    pub(super) fn tag(&self) -> Option<&Tag> {
        match &self.wish {
            Some(Wish::Tag(tag)) => Some(tag),
            _ => None,
        }
    }

    /// Whether it has to be looked for in the list of all releases.
    pub(super) fn needs_list(&self) -> bool {
        match &self.wish {
            Some(Wish::Tag(_)) => false,
            Some(Wish::Beginning(_)) => true,
            None => self.prerelease,
        }
    }

    /// The newest of those that are meant, by the versions in their tags.
    pub(super) fn newest(&self, releases: Vec<Release>) -> Option<Release> {
        let versions = releases.into_iter().filter_map(|release| {
            let version = release.tag.version()?;
            self.is_meant(&release, &version).then_some((version, release))
        });
        versions.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, release)| release)
    }

    fn is_meant(&self, release: &Release, version: &Version) -> bool {
        let is_prerelease = release.is_prerelease || !version.pre.is_empty();
        let is_wished = match &self.wish {
            Some(Wish::Beginning(beginning)) => release.tag.as_str().starts_with(beginning),
            _ => true,
        };
        release.is_published && is_wished && (self.prerelease || !is_prerelease)
    }
}

/// As the settings have it.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prerelease = if self.prerelease { ", pre-releases included" } else { "" };
        match &self.wish {
            None => write!(f, "the newest{prerelease}"),
            Some(Wish::Tag(tag)) => f.write_str(tag.as_str()),
            Some(Wish::Beginning(beginning)) => write!(f, "the newest {beginning}*{prerelease}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(tag: &str) -> Release {
        let tag = Tag::new(tag).unwrap();
        Release { tag, is_published: true, is_prerelease: false, assets: vec![] }
    }

    fn newest(choice: &Choice, tags: &[&str]) -> Option<String> {
        let found = choice.newest(tags.iter().map(|tag| release(tag)).collect());
        found.map(|release| release.tag.as_str().to_owned())
    }

    fn choice(tag: &str, prerelease: bool) -> Choice {
        let mut choice = Choice { wish: None, prerelease };
        choice.set_tag(tag).unwrap();
        choice
    }

    #[test]
    fn the_newest_is_that_of_the_highest_version_and_not_the_first() {
        let tags =
            ["v1.9.0", "v1.10.0", "v2.0.0-rc.1", "v1.10.0-rc.2", "nightly", "v3", "app-v0.1.0"];
        let stable = Choice::default();
        assert_eq!(newest(&stable, &tags).as_deref(), Some("v1.10.0"));
        let any = Choice { prerelease: true, ..Choice::default() };
        assert_eq!(newest(&any, &tags).as_deref(), Some("v2.0.0-rc.1"));
        assert_eq!(newest(&choice("v1.9*", false), &tags).as_deref(), Some("v1.9.0"));
        assert_eq!(newest(&choice("app-*", false), &tags).as_deref(), Some("app-v0.1.0"));
        assert_eq!(newest(&choice("v4.*", true), &tags), None);
        assert_eq!(newest(&any, &["nightly", "v3"]), None);
    }

    #[test]
    fn drafts_are_never_meant_and_marked_prereleases_where_they_are_wanted() {
        let draft = Release { is_published: false, ..release("v3.0.0") };
        let marked = Release { is_prerelease: true, ..release("v2.0.0") };
        let all = || vec![draft.clone(), marked.clone(), release("v1.0.0")];
        let stable = Choice::default().newest(all()).unwrap();
        assert_eq!(stable.tag.as_str(), "v1.0.0");
        let any = Choice { prerelease: true, ..Choice::default() };
        assert_eq!(any.newest(all()).unwrap().tag.as_str(), "v2.0.0");
    }

    #[test]
    fn a_tag_is_one_or_how_it_begins() {
        assert_eq!(choice("v1.2.3", false).tag(), Tag::new("v1.2.3").as_ref());
        assert!(!choice("v1.2.3", true).needs_list());
        assert!(choice("v1.*", false).needs_list());
        assert!(!Choice::default().needs_list());
        for text in ["", "*", "v*.2", "v1.**", "a\nb", ".."] {
            let mistake = Choice::default().set_tag(text).unwrap_err();
            assert!(mistake.contains("expected a tag such as \"v1.2.3\""), "{mistake}");
        }
    }
}
