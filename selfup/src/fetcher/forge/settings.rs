//! What the user says of a forge.

use std::env::consts::{ARCH, OS};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use super::choice::Choice;
use super::site::{self, Dialect, Site};
use super::{Forge, chooser, known, model};
use crate::config::IntoDuration;
use crate::error::{Error, ErrorKind, Result};
use crate::fetcher::INTERVAL;
use crate::fetcher::mistake::Mistake;
use crate::fetcher::web::{Access, clear};
use crate::identity::TARGET;

/// What the user said.
pub(super) struct Settings {
    pub(super) dialect: &'static dyn Dialect,
    /// `None` is a mistake.
    pub(super) base: Option<Url>,
    pub(super) project: String,
    /// With `{tag}` and `{version}` in it, if it has these.
    pub(super) asset: Option<String>,
    pub(super) choice: Choice,
    pub(super) token: Option<(HeaderName, HeaderValue)>,
    allows_http: bool,
    pub(super) access: Access,
    pub(super) interval: Duration,
    pub(super) idle: Duration,
    pub(super) patience: Duration,
    pub(super) mistake: Mistake,
}

impl Forge {
    /// The time between two polls; 5 minutes by default.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        let Settings { mistake, interval: kept, .. } = &mut self.settings;
        *kept = mistake.duration("interval", interval).unwrap_or(*kept);
        self
    }

    /// How long a server may be silent in the middle of a download, as that of `http`, and how long the
    /// whole of a smaller answer may take; 30 seconds by default, five minutes at most.
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Self {
        let Settings { mistake, idle, .. } = &mut self.settings;
        *idle = mistake.silence("timeout", timeout).unwrap_or(*idle);
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
    /// has none. It is `https://`; see [`allow_http`](Self::allow_http).
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

    /// Whether the forge may be asked over `http://`, where anybody on the way can read the token, and put
    /// another binary in place. Default: only one on the loopback interface.
    pub fn allow_http(mut self, is_allowed: bool) -> Self {
        self.settings.allows_http = is_allowed;
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
}

impl Settings {
    pub(super) fn new(dialect: &'static dyn Dialect, project: String) -> Self {
        let mut mistake = Mistake::default();
        if let Some(words) = site::mistake_in(&project, dialect.has_groups()) {
            mistake.keep(words);
        }
        let base = dialect.base().and_then(|base| base.parse().ok());
        let (asset, token, choice) = (None, None, Choice::default());
        let (access, interval, idle) = (Access::default(), INTERVAL, IDLE);
        Self {
            dialect,
            base,
            project,
            asset,
            choice,
            token,
            allows_http: false,
            access,
            interval,
            idle,
            patience: PATIENCE,
            mistake,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        self.mistake.check()?;
        let wrong = |words: String| Err(Error::new(ErrorKind::Config, words));
        let Some(base) = &self.base else {
            let expected = "give the URL of the forge, such as \"https://codeberg.org\"";
            return wrong(format!("`base` is missing; {expected}"));
        };
        clear::check(base, self.allows_http).or_else(|words| wrong(format!("`base`: {words}")))
    }

    pub(super) fn site(&self) -> Option<Site> {
        Some(Site::new(self.dialect, self.base.clone()?, &self.project))
    }

    /// The name of the file, if it is the same in every release.
    pub(super) fn exact(&self) -> Option<&str> {
        self.asset.as_deref().filter(|name| !name.contains('{'))
    }

    /// A digest of where is looked for what.
    pub(super) fn source(&self) -> String {
        let Self { dialect, base, project, asset, choice, token, .. } = self;
        let base = base.as_ref().map(Url::as_str).unwrap_or_default();
        let (name, has_token) = (dialect.name(), token.is_some());
        known::digest(&format!("{name}\n{base}\n{project}\n{asset:?}\n{choice}\n{has_token}"))
    }
}

/// How long a server may be silent in the middle of a body.
const IDLE: Duration = Duration::from_secs(30);

/// How long a server may take for the head of its answer, connecting included.
const PATIENCE: Duration = Duration::from_secs(30);
