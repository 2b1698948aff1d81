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
//! A file that is new is asked for at once, and what is beside it, digest and signature, before a byte of
//! it is read. A digest that the forge itself tells spares the others.
//!
//! The token goes to the scheme, host and port of the forge and its API, and nowhere else, whatever an
//! answer says: to the storage that GitHub redirects to, or to a host that a GitLab release links to,
//! it is not shown. It is never taken from the environment without being asked for: a service that is
//! started from a shell with a `GITHUB_TOKEN` in it would otherwise show it to whatever `base` says.
//!
//! - `site`: where a forge is, and what tells one from another; `github`, `gitlab`, `gitea`: each one's own
//! - `choice`: which release; `chooser` and `platform`: which file
//! - `model`: what a release is
//! - `poll`: one poll; `ask`: the questions of it; `beside`: what is published beside a file
//! - `limit`: when a forge answers again that counted too many requests
//! - `known`: the validator
//!
//! Rejected: a client library of each forge, which brings all of its API, and its own HTTP. Reading
//! release pages, which are for people. `HEAD` for the API, whose answers count as much.
//!
//! Limits: where a redirect is all that is asked, a file that is replaced under the same tag is not
//! noticed; give a token, or the tag, and the API is asked. Gitea has no `ETag`: with a token each poll is
//! answered in full, some kilobytes. A release that comes after its page of the list was passed over,
//! such as a draft that is published months later, is found when the first page has none.

use std::env::consts::{ARCH, OS};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use self::ask::Ask;
use self::choice::Choice;
use self::known::Known;
use self::poll::{Outcome, Poll};
use self::site::{Dialect, Site};
use super::mistake::Mistake;
use super::web::{Access, Clients};
use super::{Current, Fetched, Fetcher, INTERVAL};
use crate::config::IntoDuration;
use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::identity::TARGET;

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
mod site;

/// A fetcher of the newest release of `project`, `"owner/repo"`, at GitHub; every 5 minutes unless
/// [`interval`](Forge::interval) says otherwise.
///
/// Which file of the release it is, [`asset`](Forge::asset) says, or the names of the files do.
///
/// What is asked when nothing changed, each time one request whose answer has no body:
///
/// - With the name of the file, and without a token: a `HEAD` for `releases/latest/download/NAME`, whose
///   redirect names the newest tag. GitHub does not count it against any quota. A file that is replaced
///   under the same tag is not noticed.
/// - Otherwise: the API, by `releases/latest` and the `ETag` of the last answer. GitHub answers 60 such
///   requests in an hour to one address, 5,000 to one token, and does not count those with a token to
///   which nothing changed. Where the quota is used up, the next poll is when it is renewed.
/// - With [`prerelease`](Forge::prerelease), or with how a [`tag`](Forge::tag) begins: the API, by the
///   list of releases and its `ETag`.
///
/// A new release costs a request or two of the API more, and the download. The bytes must have the
/// digest that GitHub tells; where it tells none, that in a file `NAME.sha256`, `SHA256SUMS` or the like
/// of the release. Where the service [verifies](crate::Builder::verify) signatures, the one in
/// `NAME.minisig` is delivered.
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
/// With a [`token`](Forge::token), a [`tag`](Forge::tag) or [`prerelease`](Forge::prerelease) it is a
/// request of the API; Gitea gives no `ETag`, so it is answered in full, some kilobytes, and the file's
/// number, length and date are compared.
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

/// What the user said.
struct Settings {
    dialect: &'static dyn Dialect,
    /// `None` is a mistake.
    base: Option<Url>,
    project: String,
    /// With `{tag}` and `{version}` in it, if it has these.
    asset: Option<String>,
    choice: Choice,
    token: Option<(HeaderName, HeaderValue)>,
    access: Access,
    interval: Duration,
    idle: Duration,
    patience: Duration,
    mistake: Mistake,
}

/// The `ETag` of an answer that changed after the validator was made, and told of the same file.
struct Seen {
    validator: String,
    etag: String,
}

impl Forge {
    fn new(dialect: &'static dyn Dialect, project: String) -> Self {
        let mut mistake = Mistake::default();
        if let Some(words) = site::mistake_in(&project, dialect.has_groups()) {
            mistake.keep(words);
        }
        let base = dialect.base().and_then(|base| base.parse().ok());
        let (asset, token, choice) = (None, None, Choice::default());
        let (access, interval, idle) = (Access::default(), INTERVAL, IDLE);
        let settings = Settings {
            dialect,
            base,
            project,
            asset,
            choice,
            token,
            access,
            interval,
            idle,
            patience: PATIENCE,
            mistake,
        };
        Self { settings, clients: Clients::default(), seen: None }
    }

    /// The time between two polls; 5 minutes by default.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        let Settings { mistake, interval: kept, .. } = &mut self.settings;
        *kept = mistake.duration("interval", interval).unwrap_or(*kept);
        self
    }

    /// How long a server may be silent in the middle of a download, as that of `http`, and how long the
    /// whole of a smaller answer may take; 30 seconds by default.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        let Settings { mistake, idle, .. } = &mut self.settings;
        *idle = mistake.duration("timeout", timeout).unwrap_or(*idle);
        self
    }

    /// The name of the file in the release, such as `"app-{target}.tar.gz"`. Default: it is found.
    ///
    /// `{os}`, `{arch}` and `{target}` are filled in as in [`http`](crate::fetcher::http()), `{tag}`
    /// with the tag of the release, and `{version}` with what is behind the `v` of it. With one of the
    /// last two the name is another in each release, and takes the API.
    ///
    /// Without it, the file is found by its name: that of the project, then the target triple of this
    /// build, or system and architecture in the words that cargo-dist, goreleaser and others have for
    /// them, and the version of the tag anywhere. Each word has to be understood, so `-debug` is another
    /// file. Of one program in several packings the binary itself is taken, or the smallest archive.
    /// Where that leaves none or more than one, the poll fails and lists what was found. Files that
    /// are packed take the feature `archives`.
    pub fn asset(mut self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        let filled = name.replace("{os}", OS).replace("{arch}", ARCH).replace("{target}", TARGET);
        let bare = filled.replace("{tag}", "1").replace("{version}", "1");
        if !model::is_name(&bare) || bare.contains(['{', '}']) {
            self.settings.mistake.keep(format!(
                "`asset` is {name:?}; expected the name of a file, in which `{{os}}`, `{{arch}}`, \
                 `{{target}}`, `{{tag}}` and `{{version}}` may be"
            ));
        }
        if cfg!(not(feature = "archives")) && chooser::is_packed(&bare) {
            self.settings.mistake.keep(format!(
                "`asset` is {name:?}, and nothing unpacks that; build the program with selfup's \
                 feature `archives`, or publish the binary itself"
            ));
        }
        self.settings.asset = Some(filled);
        self
    }

    /// The token by which the forge knows who asks; it needs to read the project and no more. Default:
    /// none, and none is looked for: `GITHUB_TOKEN` and its like are shown to nobody unless
    /// [`token_env`](Self::token_env) names them.
    ///
    /// It is sent to the scheme, host and port of the forge and its API alone, never to where a redirect
    /// or a release leads from there, and it is never shown.
    pub fn token(mut self, token: impl AsRef<str>) -> Self {
        self.set_token(token.as_ref(), "`token`");
        self
    }

    /// Takes the [`token`](Self::token) from this variable of the environment, as it is when the service
    /// starts: `"GITHUB_TOKEN"`. A variable that is not set, or is empty, is a mistake.
    pub fn token_env(mut self, variable: impl AsRef<str>) -> Self {
        let variable = variable.as_ref();
        match std::env::var(variable) {
            Ok(token) => self.set_token(&token, &format!("the variable {variable}")),
            Err(error) => {
                let words = format!("`token_env`: the variable {variable:?}: {error}");
                self.settings.mistake.keep(words);
            }
        }
        self
    }

    fn set_token(&mut self, token: &str, what: &str) {
        let Settings { dialect, mistake, token: kept, .. } = &mut self.settings;
        if token.is_empty() {
            return mistake.keep(format!("{what} is empty; expected a token, or leave it out"));
        }
        let (name, value) = dialect.authorization(token);
        match site::secret(&value) {
            Some(value) => *kept = Some((name, value)),
            None => mistake.keep(format!(
                "{what} has a control character in it; is it a line break at its end?"
            )),
        }
    }

    /// Whether pre-releases are taken, too; not by default.
    ///
    /// With them the newest release is the one of the highest version (semver) in its tag, and not what
    /// the forge calls the latest; releases whose tags are no versions are passed over.
    pub fn prerelease(mut self, prerelease: bool) -> Self {
        self.settings.choice.prerelease = prerelease;
        self
    }

    /// The tag of the one release that is meant: `"v1.2.3"`, or `"nightly"`, whose files are replaced. Or
    /// how a tag begins, with a `*` behind it: `"v1.*"` has the highest version of these (semver),
    /// `"app-v*"` that of one program among several of a project. Default: the newest release.
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        let Settings { choice, mistake, .. } = &mut self.settings;
        if let Err(words) = choice.set_tag(tag.as_ref()) {
            mistake.keep(words);
        }
        self
    }

    /// The URL of the forge: `"https://git.example.com"`. Default: `github.com` and `gitlab.com`; `gitea`
    /// has none.
    ///
    /// The API is below it, by `/api/v3`, `/api/v4` or `/api/v1`, but for `github.com` and `ghe.com`, where
    /// it is at a host of its own.
    pub fn base(mut self, base: impl AsRef<str>) -> Self {
        let Settings { base: kept, mistake, .. } = &mut self.settings;
        match site::base(base.as_ref()) {
            Ok(url) => *kept = Some(url),
            Err(words) => mistake.keep(words),
        }
        self
    }

    /// A file of certificates whose authorities are trusted beside those of the system, as that of
    /// `http`. Default: none.
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.access.ca(path.into(), &mut self.settings.mistake);
        self
    }

    /// The URL of a proxy, or `"none"`, as that of `http`. Default: what the environment says.
    pub fn proxy(mut self, proxy: impl AsRef<str>) -> Self {
        self.settings.access.proxy(proxy.as_ref(), &mut self.settings.mistake);
        self
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

impl Settings {
    fn check(&self) -> Result<()> {
        self.mistake.check()?;
        if self.base.is_some() {
            return Ok(());
        }
        let words =
            "`base` is missing; give the URL of the forge, such as \"https://codeberg.org\"";
        Err(Error::new(ErrorKind::Config, words))
    }

    fn site(&self) -> Option<Site> {
        Some(Site::new(self.dialect, self.base.clone()?, &self.project))
    }

    /// The name of the file, if it is the same in every release.
    fn exact(&self) -> Option<&str> {
        self.asset.as_deref().filter(|name| !name.contains('{'))
    }

    /// A digest of where is looked for what.
    fn source(&self) -> String {
        let Self { dialect, base, project, asset, choice, token, .. } = self;
        let base = base.as_ref().map(Url::as_str).unwrap_or_default();
        let (name, has_token) = (dialect.name(), token.is_some());
        known::digest(&format!("{name}\n{base}\n{project}\n{asset:?}\n{choice}\n{has_token}"))
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

/// How long a server may be silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How long a server may take for the head of its answer, connecting included.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
