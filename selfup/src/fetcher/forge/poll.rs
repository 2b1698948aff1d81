//! One poll: which release, which file of it, and whether that is news.

use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::Settings;
use super::ask::{Ask, Page, etag_of};
use super::beside::Beside;
use super::chooser::{self, Wanted};
use super::known::Known;
use super::model::{Asset, Release, Tag};
use super::site::Way;
use crate::error::{BoxError, Error};
use crate::fetcher::web::{Answer, deliver};
use crate::fetcher::{Current, Download, Fetched};
use crate::identity::TARGET;

/// One poll.
pub(super) struct Poll<'a> {
    pub(super) settings: &'a Settings,
    pub(super) ask: Ask<'a>,
    pub(super) current: &'a Current,
    /// A digest of where is looked for what.
    pub(super) source: String,
    pub(super) known: Option<Known>,
    /// Of the answer that told of what is known.
    pub(super) etag: Option<String>,
}

/// What a poll found.
pub(super) struct Outcome {
    pub(super) fetched: Fetched,
    /// The `ETag` of an answer that changed, and told of the same file.
    pub(super) etag: Option<String>,
}

/// A file that is news.
struct News<'a> {
    url: Url,
    tag: &'a Tag,
    name: &'a str,
    asset: Option<&'a Asset>,
    /// All files of the release, where the API told of them.
    assets: Option<&'a [Asset]>,
    known: Known,
}

impl Poll<'_> {
    pub(super) async fn run(&self) -> Result<Outcome, BoxError> {
        if let Some(outcome) = self.ask_for_the_file().await? {
            return Ok(outcome);
        }
        let way = self.way();
        let (url, is_list) = match &way {
            Way::Redirect(url) => return self.follow(url).await,
            Way::One(url) => (url, false),
            Way::List(url) => (url, true),
        };
        let Some(page) = self.ask.page(url, self.etag.as_deref()).await? else {
            return Ok(unchanged());
        };
        let etag = page.etag.clone();
        let release = if is_list { self.newest(page).await? } else { self.ask.one(&page)? };
        let asset = self.choose(&release)?;
        let known = Known::of_file(&self.source, &release.tag, asset, etag.clone());
        if self.is_known(&known) {
            return Ok(Outcome { etag, ..unchanged() });
        }
        self.deliver(self.news(&release, asset, known)?).await
    }

    /// What the one file that is meant tells by its own `ETag`; `None` where that is not known, or it
    /// has none.
    async fn ask_for_the_file(&self) -> Result<Option<Outcome>, BoxError> {
        let (ask, Settings { choice, .. }) = (&self.ask, self.settings);
        let is_untagged = self.known.is_some() && self.etag.is_none();
        let (Some(tag), Some(name)) = (choice.tag(), self.settings.exact()) else {
            return Ok(None);
        };
        let url = ask.dialect.direct(ask.site, tag, name);
        let is_asked = ask.dialect.is_asked_for_files() && !is_untagged;
        let Some(url) = url.filter(|_| is_asked) else { return Ok(None) };
        let (answer, headers) = ask.file(&url, self.etag.as_deref()).await?;
        if self.etag.is_some() && answer.status() == StatusCode::NOT_MODIFIED {
            return Ok(Some(unchanged()));
        }
        let Some(etag) = etag_of(&answer).filter(|_| answer.status() == StatusCode::OK) else {
            return match answer.status() {
                StatusCode::OK => Ok(None),
                _ => Err(ask.refused(&answer, &url, &format!("200 and {name}"))),
            };
        };
        let mut known = Known::of_release(&self.source, tag);
        known.etag = Some(etag);
        let news = News { url, tag, name, asset: None, assets: None, known };
        self.hand_over(news, answer, &headers).await.map(Some)
    }

    /// The release to which `url` redirects.
    async fn follow(&self, url: &Url) -> Result<Outcome, BoxError> {
        let tag = &self.ask.tag_at(url).await?;
        let known = Known::of_release(&self.source, tag);
        if self.is_known(&known) {
            return Ok(unchanged());
        }
        let (dialect, site) = (self.ask.dialect, self.ask.site);
        let exact = self.settings.exact().filter(|_| self.ask.token.is_none());
        let direct = exact.and_then(|name| Some((name, dialect.direct(site, tag, name)?)));
        if let Some((name, url)) = direct {
            let (asset, assets) = (None, None);
            return self.deliver(News { url, tag, name, asset, assets, known }).await;
        }
        let page = self.ask.page(&dialect.by_tag(site, tag), None).await?;
        let Some(page) = page else { return Ok(unchanged()) };
        let release = self.ask.one(&page)?;
        let asset = self.choose(&release)?;
        self.deliver(self.news(&release, asset, known)?).await
    }

    /// How the release is found.
    fn way(&self) -> Way {
        let (dialect, site, choice) = (self.ask.dialect, self.ask.site, &self.settings.choice);
        match choice.tag() {
            Some(tag) => Way::One(dialect.by_tag(site, tag)),
            None if choice.needs_list() => Way::List(dialect.list(site)),
            None => dialect.newest(site, self.settings.exact(), self.ask.token.is_some()),
        }
    }

    /// The newest of the releases that are meant, on the first page that has any.
    async fn newest(&self, mut page: Page) -> Result<Release, BoxError> {
        for left in (0..PAGES).rev() {
            let newest = self.settings.choice.newest(self.ask.many(&page)?);
            if let Some(release) = newest {
                return Ok(release);
            }
            let Some(next) = page.next.take().filter(|_| left > 0) else { break };
            match self.ask.page(&next, None).await? {
                Some(next) => page = next,
                None => break,
            }
        }
        let words = format!(
            "no page of its releases, of {PAGES} at most, has {}; expected a tag with a version, such \
             as v1.2.3",
            self.settings.choice
        );
        Err(self.ask.error(words).into())
    }

    fn choose<'r>(&self, release: &'r Release) -> Result<&'r Asset, Error> {
        let (assets, tag) = (&release.assets, &release.tag);
        if let Some(name) = &self.settings.asset {
            let name = name.replace("{tag}", tag.as_str()).replace("{version}", tag.number());
            return chooser::by_name(assets, &name);
        }
        let can_unpack = cfg!(feature = "archives");
        let program = self.ask.site.program();
        chooser::by_platform(assets, &Wanted { program, target: TARGET, tag, can_unpack })
    }

    fn is_known(&self, found: &Known) -> bool {
        self.known.as_ref().is_some_and(|known| known.names(found))
    }

    fn news<'r>(
        &self,
        release: &'r Release,
        asset: &'r Asset,
        known: Known,
    ) -> Result<News<'r>, Error> {
        let Ask { dialect, site, token, .. } = &self.ask;
        let (tag, name) = (&release.tag, asset.name.as_str());
        let Some(url) = dialect.file(site, tag, asset, token.is_some()) else {
            let words = "links to what is no URL of https; publish it where one is";
            return Err(self.ask.error(format!("the file {name} {words}")));
        };
        Ok(News { url, tag, name, asset: Some(asset), assets: Some(&release.assets), known })
    }

    async fn deliver(&self, news: News<'_>) -> Result<Outcome, BoxError> {
        let (answer, headers) = self.ask.file(&news.url, None).await?;
        if answer.status() != StatusCode::OK {
            let expected = format!("200 and {}", news.name);
            return Err(self.ask.refused(&answer, &news.url, &expected));
        }
        self.hand_over(news, answer, &headers).await
    }

    /// The file in `answer` to who asked with these headers.
    async fn hand_over(
        &self,
        news: News<'_>,
        answer: Answer,
        headers: &HeaderMap,
    ) -> Result<Outcome, BoxError> {
        let News { url, tag, name, asset, assets, known } = news;
        let ask = &self.ask;
        let question = ask.question(&url, headers, HeaderMap::new());
        let download = deliver(&ask.client, &question, answer, ask.idle);
        let mut download = self.told(download, asset)?.validator(known.to_string());
        let beside = Beside { ask, tag, name, assets };
        if download.get_sha256().is_none()
            && let Some(digest) = beside.digest().await?
        {
            download = download.sha256(*digest.as_bytes());
        }
        if self.current.wants_signature() {
            download.signature = beside.signature().await?;
        }
        Ok(Outcome { fetched: Fetched::Binary(download), etag: None })
    }

    /// `download` with what the API told of `asset`.
    fn told(&self, download: Download, asset: Option<&Asset>) -> Result<Download, Error> {
        let Some(asset) = asset else { return Ok(download) };
        let download = match (asset.length, download.get_length()) {
            (Some(told), Some(found)) if told != found => {
                let words = format!(
                    "the file {} has {found} bytes, and its release says {told}",
                    asset.name
                );
                return Err(self.ask.error(words));
            }
            (Some(told), _) => download.length(told),
            (None, _) => download,
        };
        Ok(match asset.sha256 {
            Some(sha256) => download.sha256(*sha256.as_bytes()),
            None => download,
        })
    }
}

fn unchanged() -> Outcome {
    Outcome { fetched: Fetched::Unchanged, etag: None }
}

/// So many are looked through for a release that is meant.
const PAGES: usize = 10;
