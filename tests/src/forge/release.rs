//! What a forge publishes.

use crate::Release;

/// A release of a project.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForgeRelease {
    /// Its name.
    pub tag: String,
    /// Whether it is marked as one before a release.
    pub is_prerelease: bool,
    /// Whether it is there for its authors alone.
    pub is_draft: bool,
    /// Whether the forge tells the digests of its files, if it is one that does.
    pub has_digests: bool,
    /// What is in it.
    pub files: Vec<ForgeFile>,
}

/// A file of a release.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ForgeFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub release: Release,
}

impl ForgeRelease {
    /// A release without files.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        let (is_prerelease, is_draft, has_digests) = (false, false, true);
        Self { tag: tag.to_owned(), is_prerelease, is_draft, has_digests, files: Vec::new() }
    }

    /// ... and with this file.
    #[must_use]
    pub fn with(mut self, name: &str, release: &Release) -> Self {
        self.files.push(ForgeFile { name: name.to_owned(), release: release.clone() });
        self
    }

    /// ... and with this text as a file.
    #[must_use]
    pub fn with_text(self, name: &str, text: impl Into<String>) -> Self {
        self.with(name, &Release::of(text.into()))
    }

    /// ... that is one before a release.
    #[must_use]
    pub fn prerelease(self) -> Self {
        Self { is_prerelease: true, ..self }
    }

    /// ... that is not published.
    #[must_use]
    pub fn draft(self) -> Self {
        Self { is_draft: true, ..self }
    }

    /// ... whose digests are not told.
    #[must_use]
    pub fn without_digests(self) -> Self {
        Self { has_digests: false, ..self }
    }

    /// The number of a file, which is another one for other bytes.
    pub(super) fn number(file: &ForgeFile) -> u32 {
        u32::from_str_radix(&file.release.id().to_string()[..7], 16).expect("it is hexadecimal")
    }

    /// The release as GitHub and those who follow it tell it; `more` about each file.
    pub(super) fn json(&self, more: impl Fn(&ForgeFile) -> String) -> String {
        let files = self.files.iter().map(|file| {
            let (name, id, size) = (&file.name, Self::number(file), file.release.bytes().len());
            format!("{{\"id\":{id},\"name\":\"{name}\",\"size\":{size}{}}}", more(file))
        });
        let (tag, draft, prerelease) = (&self.tag, self.is_draft, self.is_prerelease);
        let files = files.collect::<Vec<_>>().join(",");
        format!(
            "{{\"tag_name\":\"{tag}\",\"draft\":{draft},\"prerelease\":{prerelease},\
             \"assets\":[{files}]}}"
        )
    }
}
