//! What is published beside a file: its digest and its signature.
//!
//! Where the API told the files of the release, only what is there is asked for. Otherwise their names
//! are guessed, once for each new release, and what is not there is passed over.

use reqwest::{StatusCode, Url};

use super::ask::Ask;
use super::model::{Asset, Tag};
use crate::error::BoxError;
use crate::fetcher::checksums::{self, LONGEST_CHECKSUMS};
use crate::fetcher::{LONGEST_SIGNATURE, Signature};
use crate::identity::BinaryId;

/// A file, and what is known of its neighbours.
pub(super) struct Beside<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) tag: &'a Tag,
    /// The name of the file.
    pub(super) name: &'a str,
    /// The files of its release, if they are known.
    pub(super) assets: Option<&'a [Asset]>,
}

impl Beside<'_> {
    /// The digest of the file, if one is published: in a file of its own, or in the first list that has it.
    pub(super) async fn digest(&self) -> Result<Option<BinaryId>, BoxError> {
        for own in [".sha256", ".sha256sum"] {
            let name = format!("{}{own}", self.name);
            if let Some(text) = self.text(&name, LONGEST_CHECKSUMS).await? {
                let found = checksums::find(&text, self.name, true);
                return found.map(Some).map_err(|words| self.error(&name, &words));
            }
        }
        // One that does not have it is of another kind, or of other files: no reason to keep a release out.
        for name in self.lists() {
            let Some(text) = self.text(&name, LONGEST_CHECKSUMS).await? else { continue };
            let found = checksums::find_any(&text, self.name, false);
            if let Some(digest) = found.map_err(|words| self.error(&name, &words))? {
                return Ok(Some(digest));
            }
        }
        Ok(None)
    }

    /// The signature of the file.
    pub(super) async fn signature(&self) -> Result<Signature, BoxError> {
        let name = format!("{}.minisig", self.name);
        Ok(match self.text(&name, LONGEST_SIGNATURE).await? {
            Some(text) => Signature::Given(text),
            None => Signature::Missing(format!("the release {} has no {name}", self.tag.as_str())),
        })
    }

    /// The names of files that have digests of several.
    fn lists(&self) -> Vec<String> {
        let Some(assets) = self.assets else { return vec!["SHA256SUMS".to_owned()] };
        let mut names: Vec<_> = assets.iter().map(|asset| asset.name.clone()).collect();
        names.retain(|name| {
            let name = name.to_ascii_lowercase();
            LISTS.contains(&name.as_str()) || name.ends_with("_checksums.txt")
        });
        // What says its kind goes first.
        names.sort_by_key(|name| !name.to_ascii_lowercase().contains("sha256"));
        names
    }

    fn error(&self, neighbour: &str, words: &str) -> BoxError {
        self.ask.error(format!("{neighbour}: {words}")).into()
    }

    /// What is in the neighbour `name`, and a byte more where there is more; `None` if it is not there.
    async fn text(&self, name: &str, longest: usize) -> Result<Option<String>, BoxError> {
        let Some(url) = self.url(name) else { return Ok(None) };
        let (answer, _) = self.ask.file(&url, None).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE if self.assets.is_none() => return Ok(None),
            _ => return Err(self.ask.refused(&answer, &url, &format!("200 and {name}"))),
        }
        let text = answer.read(longest, self.ask.idle).await?;
        if text.len() > longest {
            return Err(self.ask.error(format!("{name} is longer than {longest} bytes")).into());
        }
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }

    fn url(&self, name: &str) -> Option<Url> {
        let Ask { dialect, site, token, .. } = self.ask;
        let Some(assets) = self.assets else { return dialect.direct(site, self.tag, name) };
        let asset = assets.iter().find(|asset| asset.name == name)?;
        dialect.file(site, self.tag, asset, token.is_some())
    }
}

/// In lower case. The first ones are the GNU tool's and cargo-dist's, the last is goreleaser's.
const LISTS: &[&str] =
    &["sha256sums", "sha256sums.txt", "sha256sum.txt", "sha256.sum", "sha256.txt", "checksums.txt"];
