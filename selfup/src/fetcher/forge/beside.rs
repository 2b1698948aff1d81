//! What is published beside a file: its digest and its signature.
//!
//! Where the API told the files of the release, only what is there is asked for. Otherwise their names
//! are guessed, once for each new release, and what is not there is passed over.

use reqwest::{StatusCode, Url};

use super::ask::Ask;
use super::model::{Asset, Tag};
use crate::error::BoxError;
use crate::fetcher::{LONGEST_SIGNATURE, Signature, checksums};
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
    /// The digest of the file, if one is published.
    pub(super) async fn digest(&self) -> Result<Option<BinaryId>, BoxError> {
        for own in [".sha256", ".sha256sum"] {
            let name = format!("{}{own}", self.name);
            if let Some(text) = self.text(&name, LONGEST_CHECKSUMS).await? {
                return self.find(&text, &name, true).map(Some);
            }
        }
        for name in self.lists() {
            let Some(text) = self.text(&name, LONGEST_CHECKSUMS).await? else { continue };
            // Its name does not say of which kind its digests are.
            let may_be_others = !name.to_ascii_lowercase().contains("sha256");
            let has_any = || text.split_whitespace().any(|word| word.parse::<BinaryId>().is_ok());
            if may_be_others && !has_any() {
                continue;
            }
            return self.find(&text, &name, false).map(Some);
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

    fn find(&self, text: &str, list: &str, is_its_own: bool) -> Result<BinaryId, BoxError> {
        let found = checksums::find(text, self.name, is_its_own);
        found.map_err(|words| self.ask.error(format!("{list}: {words}")).into())
    }

    /// What is in the neighbour `name`, and a byte more where there is more; `None` if it is not there.
    async fn text(&self, name: &str, longest: usize) -> Result<Option<String>, BoxError> {
        let Some(url) = self.url(name) else { return Ok(None) };
        let (answer, _) = self.ask.file(&url).await?;
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

/// In bytes: some six hundred lines.
const LONGEST_CHECKSUMS: usize = 64 * 1024;
