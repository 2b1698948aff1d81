//! Releases of a project at a forge: GitHub, GitLab, Gitea and Forgejo.
//!
//! A poll has three questions: which release is meant, which of its files is the program for this
//! machine, and whether that is news. How much of it is asked depends on what is known:
//!
//! - **The release is the newest, and a redirect leads to it.** One `HEAD`, and its `Location`, which has
//!   the tag in it, is compared and not followed if it is the tag that was delivered last. So it is for
//!   GitHub where the name of the file is given and no token is, for Gitea without a token, and for
//!   GitLab always. Where a file's URL is known from tag and name, the API is never asked.
//! - **The API has to be asked**: one `GET`, conditional on the `ETag` of the last answer. An answer that
//!   has changed may still tell of the same file, for GitHub counts downloads in it: the file's number,
//!   length, digest and date are compared, and the newer `ETag` is kept in memory.
//! - **The list of releases has to be asked**, for pre-releases or for tags that begin in some way: the
//!   same with its first page. More pages are asked for only while none has a release that is meant.
//!
//! - **The file itself is asked for**, conditional on its `ETag`, where its tag and its name are given and
//!   the API has no `ETag`s: Gitea's files have them, and so have those of the storages that it
//!   redirects to. Where one has none after all, the API is asked.
//!
//! A file that is new is asked for at once, and what is beside it, digest and signature, before a byte of
//! it is read. A digest that the forge itself tells spares the others.
//!
//! The token goes to the scheme, host and port of the forge and its API, and nowhere else, whatever an
//! answer says: to the storage that GitHub redirects to, or to a host that a GitLab release links to,
//! it is not shown. It is never taken from the environment without being asked for: a service that is
//! started from a shell with a `GITHUB_TOKEN` in it would otherwise show it to whatever `base` says.
//!
//! - `settings`: what the user says
//! - `site`: where a forge is, and what tells one from another; `github`, `gitlab`, `gitea`: each one's own,
//!   and `as_github`: what two of them share
//! - `choice`: which release; `chooser` and `platform`: which file
//! - `model`: what a release is
//! - `poll`: one poll; `ask`: the questions of it; `beside`: what is published beside a file
//! - `limit`: when a forge answers again that counted too many requests
//! - `known`: the validator
//!
//! Rejected: a client library of each forge, which brings all of its API, and its own HTTP. Reading
//! release pages, which are for people. `HEAD` for the API, whose answers count as much, and Gitea's of
//! which tell nothing but a length. Settings for where digest and signature are: what lies in a release
//! belongs to its files by name, and what lies elsewhere is what `http` takes.
//!
//! Limits: where a redirect is all that is asked, a file that is replaced under the same tag is not
//! noticed; give the tag, or a token to GitHub or Gitea, and the API is asked. Gitea's API has no `ETag`: where
//! it has to be asked, each poll is answered in full, some kilobytes. A release that comes after its page of the list was passed over,
//! such as a draft that is published months later, is found when the first page has none.

use std::fmt;
use std::time::Duration;

use reqwest::Url;

use self::ask::Ask;
use self::known::Known;
use self::poll::{Outcome, Poll};
use self::settings::Settings;
use self::site::Dialect;
use super::web::Clients;
use super::{Current, Fetched, Fetcher};
use crate::error::BoxError;

mod as_github;
mod ask;
mod beside;
mod choice;
mod chooser;
#[cfg(feature = "gitea")]
mod gitea;
#[cfg(feature = "github")]
mod github;
#[cfg(feature = "gitlab")]
mod gitlab;
mod known;
mod limit;
mod model;
mod platform;
mod poll;
mod settings;
mod site;

/// A fetcher of the newest release of `project`, `"owner/repo"`, at GitHub; every 5 minutes unless
/// [`interval`](Forge::interval) says otherwise.
///
/// Which file of the release it is, [`asset`](Forge::asset) says, or the names of the files do.
///
/// What is asked when nothing changed, each time one request:
///
/// - With the name of the file, and without a token: a `HEAD` for `releases/latest/download/NAME`, whose
///   redirect names the newest tag. The answer has no body, and GitHub does not count it against any
///   quota. A file that is replaced under the same tag is not noticed.
/// - Otherwise: the API, by `releases/latest` and the `ETag` of the last answer. GitHub answers 60 such
///   requests in an hour to one address, 5,000 to one token, and does not count those with a token to
///   which nothing changed. The answer has no body then, but for one poll after a file of the release was
///   downloaded, by whomever: it tells how often that was. Where the quota is used up, the next poll is
///   when it is renewed.
/// - With [`prerelease`](Forge::prerelease), or with how a [`tag`](Forge::tag) begins: the API, by the
///   list of releases and its `ETag`.
///
/// A new release costs the download, and a request of the API for each page of a list that has to be read
/// on. The bytes must have the digest that GitHub tells; where it tells none, that in a file `NAME.sha256`,
/// `SHA256SUMS` or the like of the release. Without the API, three such names are asked for, and what is
/// not there is passed over. Where the service [verifies](crate::Builder::verify) signatures, the one in
/// `NAME.minisig` is delivered. There are no settings for other names: a digest or a signature that is
/// not in the release is what [`http`](crate::fetcher::http()) takes.
///
/// GitHub Enterprise is reached by [`base`](Forge::base), a private repository with a
/// [`token`](Forge::token).
///
/// The feature `github` adds no crate to those of `http`.
///
/// ```
/// let releases = selfup::fetcher::github("owner/app")
///     .asset("app-{target}.tar.gz")
///     .interval("15m");
/// # let _ = releases;
/// ```
#[cfg(feature = "github")]
pub fn github(project: impl Into<String>) -> Forge {
    Forge::new(&github::GitHub, project.into())
}

/// A fetcher of the newest release of `project`, `"group/project"`, at GitLab; every 5 minutes unless
/// [`interval`](Forge::interval) says otherwise. A group may be in others: `"group/sub/project"`.
///
/// A release of GitLab's has links: the file is what one of them leads to, and is called as the link is,
/// or as its URL ends where the link's name has a space in it. Links to packages of the project and to
/// any other host are followed; the token is shown to GitLab alone.
///
/// When nothing changed, a poll is one request, a `HEAD` for `releases/permalink/latest` of the API,
/// whose redirect names the newest tag, without a body. A link that is changed under the same tag is
/// not noticed. With [`tag`](Forge::tag) or [`prerelease`](Forge::prerelease) it is a `GET`,
/// conditional on the `ETag` of the last answer, and where there is none, the answer is compared.
///
/// GitLab knows no pre-releases but by their versions: without [`prerelease`](Forge::prerelease), the
/// newest is what GitLab calls the latest. Digests and signatures are read as
/// [`github`](crate::fetcher::github()) reads them, from links of the release.
///
/// The feature `gitlab` adds no crate to those of `http`.
///
/// ```
/// let releases = selfup::fetcher::gitlab("group/app").base("https://gitlab.example.com");
/// # let _ = releases;
/// ```
#[cfg(feature = "gitlab")]
pub fn gitlab(project: impl Into<String>) -> Forge {
    Forge::new(&gitlab::GitLab, project.into())
}

/// A fetcher of the newest release of `project`, `"owner/repo"`, at a Gitea or Forgejo, whose URL
/// [`base`](Forge::base) has to say: `"https://codeberg.org"`. Every 5 minutes unless
/// [`interval`](Forge::interval) says otherwise.
///
/// When nothing changed, a poll is one request, a `HEAD` for the page `releases/latest`, whose redirect
/// names the newest tag, without a body. A file that is replaced under the same tag is not noticed.
/// With a [`tag`](Forge::tag) and an [`asset`](Forge::asset) it is a `GET` for that file, conditional on its
/// `ETag`, which a file that is replaced has anew, and one more where that file lies in a storage to which
/// it redirects; Gitea counts it as a download. With a
/// [`token`](Forge::token), a tag alone or [`prerelease`](Forge::prerelease) it is a request of the API,
/// which gives no `ETag`: it is answered in full, some kilobytes, and the file's number, length and date
/// are compared.
///
/// Gitea tells no digests: they and signatures are read as [`github`](crate::fetcher::github()) reads
/// them, from files of the release.
///
/// The feature `gitea` adds no crate to those of `http`.
///
/// ```
/// let releases = selfup::fetcher::gitea("owner/app").base("https://codeberg.org");
/// # let _ = releases;
/// ```
#[cfg(feature = "gitea")]
pub fn gitea(project: impl Into<String>) -> Forge {
    Forge::new(&gitea::Gitea, project.into())
}

/// A fetcher of releases at a forge; made by `github`, `gitlab` and `gitea`.
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct Forge {
    settings: Settings,
    clients: Clients,
    seen: Option<Seen>,
}

/// The `ETag` of an answer that changed after the validator was made, and told of the same file.
struct Seen {
    validator: String,
    etag: String,
}

impl Forge {
    fn new(dialect: &'static dyn Dialect, project: String) -> Self {
        Self { settings: Settings::new(dialect, project), clients: Clients::default(), seen: None }
    }

    async fn look(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.settings.check()?;
        let Some(site) = self.settings.site() else { return Ok(Fetched::Unchanged) };
        let client = self.clients.get(&site.api, &self.settings.access)?;
        let &Settings { dialect, patience, idle, .. } = &self.settings;
        let token = self.settings.token.as_ref();
        let source = self.settings.source();
        let known = current.validator().and_then(|text| Known::parse(text, &source));
        let seen = self.seen.as_ref().filter(|seen| current.validator() == Some(&seen.validator));
        let etag = known.as_ref().and_then(|known| known.etag.clone());
        let etag = seen.map(|seen| seen.etag.clone()).or(etag);
        let ask = Ask { client, dialect, site: &site, token, patience, idle };
        let poll = Poll { settings: &self.settings, ask, current, source, known, etag };
        let Outcome { fetched, etag } = poll.run().await?;
        if let (Some(validator), Some(etag)) = (current.validator(), etag) {
            self.seen = Some(Seen { validator: validator.to_owned(), etag });
        }
        Ok(fetched)
    }
}

impl Fetcher for Forge {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.look(current).await
    }

    fn interval(&self) -> Duration {
        self.settings.interval
    }

    fn check(&self) -> Result<(), BoxError> {
        Ok(self.settings.check()?)
    }
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct(settings.dialect.name())
            .field("base", &settings.base.as_ref().map(Url::as_str))
            .field("project", &settings.project)
            .field("asset", &settings.asset)
            .field("release", &format_args!("{}", settings.choice))
            .field("has_token", &settings.token.is_some())
            .field("proxy", &settings.access.shown_proxy())
            .field("interval", &settings.interval)
            .field("timeout", &settings.idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
