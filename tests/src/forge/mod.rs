//! Forges that follow the documented API of GitHub, GitLab and Gitea, with the files on a host of their
//! own: status codes, redirects, `ETag`s, quotas, `Link`s and private projects.

mod gitea;
mod github;
mod gitlab;
mod release;
mod source;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use selfup::fetcher::Forge;

pub use self::release::{ForgeFile, ForgeRelease};
pub use self::source::{
    ForgeSource, GitHubApiSource, GitHubSource, GitLabSource, GiteaSource, OfGitHub, OfGitHubApi,
    OfGitLab, OfGitea, Whose,
};
use crate::faults::{Asked, Front, Reply, Request, Way};

/// Whose API is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForgeKind {
    /// GitHub Enterprise, for the API is below the same host.
    GitHub,
    /// GitLab, with the project `owner/app` as number 24.
    GitLab,
    /// Gitea, or Forgejo.
    Gitea,
}

/// A forge with the project `owner/app`.
#[derive(Debug)]
pub struct FakeForge {
    kind: ForgeKind,
    /// Before what answers.
    pub front: Front,
    /// Where the files are, if not there.
    pub storage: Option<Front>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    base: String,
    storage: String,
    /// The newest is the last one.
    releases: Vec<ForgeRelease>,
    token: Option<String>,
    /// How many requests of the API are answered, and until when, in Unix time, no other.
    quota: Option<(usize, u64)>,
    downloads: usize,
}

impl FakeForge {
    /// A forge that is asked this way, and has its files.
    #[must_use]
    pub fn start(kind: ForgeKind, way: Way) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let answering = Arc::clone(&state);
        let front = Front::start(way, move |request| lock(&answering).answer(kind, request));
        lock(&state).base = front.base();
        lock(&state).storage = front.base();
        Self { kind, front, storage: None, state }
    }

    /// A forge whose files are at another port.
    #[must_use]
    pub fn with_storage(kind: ForgeKind) -> Self {
        let mut forge = Self::start(kind, Way::Plain);
        let state = Arc::clone(&forge.state);
        let storage = Front::start(Way::Plain, move |request| lock(&state).stored(request));
        lock(&forge.state).storage = storage.base();
        forge.storage = Some(storage);
        forge
    }

    /// Publishes a release, the newest, in place of one of the same tag.
    pub fn publish(&self, release: ForgeRelease) {
        let mut state = lock(&self.state);
        state.releases.retain(|other| other.tag != release.tag);
        state.releases.push(release);
    }

    /// From now on only who has this token is told anything.
    pub fn be_private(&self, token: &str) {
        lock(&self.state).token = Some(token.to_owned());
    }

    /// Answers so many more requests of the API; after them none until so many seconds are over.
    pub fn limit(&self, requests: usize, seconds: u64) {
        lock(&self.state).quota = Some((requests, now() + seconds));
    }

    /// Answers all requests again.
    pub fn lift_limit(&self) {
        lock(&self.state).quota = None;
    }

    /// The fetcher for it.
    pub fn fetcher(&self) -> Forge {
        let fetcher = match self.kind {
            ForgeKind::GitHub => selfup::fetcher::github("owner/app"),
            ForgeKind::GitLab => selfup::fetcher::gitlab("owner/app"),
            ForgeKind::Gitea => selfup::fetcher::gitea("owner/app"),
        };
        let fetcher = fetcher.base(self.front.base()).timeout("30s");
        self.front.reached_by(fetcher, Forge::ca, Forge::proxy, Forge::allow_http)
    }

    /// The variables of the fixture for it; the way apart.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let function = match self.kind {
            ForgeKind::GitHub => "github",
            ForgeKind::GitLab => "gitlab",
            ForgeKind::Gitea => "gitea",
        };
        [("FETCHER", function), ("BASE", &self.front.base())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// What was asked of it, and of its storage behind that.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        let mut asked = self.front.asked();
        asked.extend(self.storage.iter().flat_map(Front::asked));
        asked
    }
}

impl State {
    fn answer(&mut self, kind: ForgeKind, request: &Request) -> Reply {
        if request.path().starts_with("/storage/") {
            return self.stored(request);
        }
        let is_api = request.path().starts_with("/api/");
        if let Some(refusal) = is_api.then(|| self.refusal(kind)).flatten() {
            return refusal;
        }
        match kind {
            ForgeKind::GitHub => github::answer(self, request),
            ForgeKind::GitLab => gitlab::answer(self, request),
            ForgeKind::Gitea => gitea::answer(self, request),
        }
    }

    /// What is said where the quota is used up.
    fn refusal(&mut self, kind: ForgeKind) -> Option<Reply> {
        let (left, end) = self.quota.as_mut()?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let (status, mark) = match kind {
            ForgeKind::GitHub => (403, "x-"),
            ForgeKind::GitLab | ForgeKind::Gitea => (429, ""),
        };
        let reply = Reply::status(status).with(&format!("{mark}ratelimit-remaining"), "0");
        Some(reply.with(&format!("{mark}ratelimit-reset"), &end.to_string()))
    }

    /// Whether the one who asks may know.
    fn admits(&self, request: &Request) -> bool {
        let shown =
            ["authorization", "private-token"].into_iter().find_map(|name| request.header(name));
        let shown =
            shown.map(|shown| shown.trim_start_matches("Bearer ").trim_start_matches("token "));
        self.token.is_none() || shown == self.token.as_deref()
    }

    /// The newest that is for everybody.
    fn latest(&self) -> Option<&ForgeRelease> {
        self.releases.iter().rev().find(|release| !release.is_draft && !release.is_prerelease)
    }

    fn release(&self, tag: &str) -> Option<&ForgeRelease> {
        self.releases.iter().find(|release| release.tag == tag)
    }

    /// Two releases a page, as a `Link` says where there are more.
    fn page<'a>(&'a self, request: &Request, json: impl Fn(&'a ForgeRelease) -> String) -> Reply {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let number = query.split('&').find_map(|pair| pair.strip_prefix("page="));
        let number: usize = number.and_then(|number| number.parse().ok()).unwrap_or(1);
        let all: Vec<_> = self.releases.iter().rev().collect();
        let shown = all.iter().skip(2 * (number - 1)).take(2).map(|release| json(release));
        let body = format!("[{}]", shown.collect::<Vec<_>>().join(","));
        let reply = tagged(request, body);
        if all.len() <= 2 * number {
            return reply;
        }
        let (base, path, next) = (&self.base, request.path(), number + 1);
        reply.with("Link", &format!("<{base}{path}?page={next}>; rel=\"next\""))
    }

    /// Where the bytes of a file are.
    fn stored_at(&self, tag: &str, name: &str) -> Reply {
        let (storage, tag) = (&self.storage, tag.replace('/', "%2F"));
        Reply::redirect(&format!("{storage}/storage/{tag}/{name}?signature=swordfish"))
    }

    fn stored(&mut self, request: &Request) -> Reply {
        let place = request.path().strip_prefix("/storage/").and_then(|path| path.split_once('/'));
        let found = place.and_then(|(tag, name)| {
            let release = self.release(&tag.replace("%2F", "/"))?;
            release.files.iter().find(|file| file.name == name).map(|file| file.release.clone())
        });
        let Some(found) = found else { return Reply::status(404) };
        self.downloads += 1;
        Reply::release(&found, request)
    }
}

/// An answer of an API, under the tag of its bytes; 304 to who has it.
fn tagged(request: &Request, body: String) -> Reply {
    let mut digest = DefaultHasher::new();
    body.hash(&mut digest);
    let tag = format!("W/\"{:016x}\"", digest.finish());
    if request.header("if-none-match") == Some(&tag) {
        return Reply::status(304).with("ETag", &tag);
    }
    Reply::ok(body).with("ETag", &tag).with("Content-Type", "application/json")
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("this is after 1970").as_secs()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
