//! Questions to a forge, and what its answers are worth.
//!
//! Each answer is bounded: in bytes, in the time it takes, in the redirects and pages that are
//! followed. The token goes to the forge's own scheme, host and port alone, wherever an answer leads.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LINK, LOCATION,
};
use reqwest::{Method, StatusCode, Url};

use super::limit;
use super::model::{Release, Tag};
use super::site::{Dialect, Site};
use crate::error::{BoxError, Context as _, Error, ErrorKind};
use crate::fetcher::web::{Answer, Client, Question};

/// Who is asked, and by whom.
pub(super) struct Ask<'a> {
    pub(super) client: Arc<Client>,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) site: &'a Site,
    pub(super) token: Option<&'a (HeaderName, HeaderValue)>,
    /// How long each server may take to answer.
    pub(super) patience: Duration,
    /// How long it may be silent in the middle of that.
    pub(super) idle: Duration,
}

/// What the API answered.
pub(super) struct Page {
    json: Vec<u8>,
    pub(super) etag: Option<String>,
    pub(super) next: Option<Url>,
}

impl Ask<'_> {
    /// The tag to which `url` redirects; nothing is asked of where that is.
    pub(super) async fn tag_at(&self, url: &Url) -> Result<Tag, BoxError> {
        let mut url = url.clone();
        for _ in 0..REDIRECTS {
            let headers = self.headers(&url, &[]);
            let question = self.question(&url, &headers, HeaderMap::new());
            let answer = self.client.ask_once(Method::HEAD, &question).await?;
            let location = answer.header(&LOCATION).and_then(|location| url.join(location).ok());
            let Some(location) = location.filter(|_| answer.status().is_redirection()) else {
                return Err(self.refused(&answer, &url, "a redirect to the newest release"));
            };
            if let Some(tag) = self.dialect.tag_in(&location) {
                return Ok(tag);
            }
            // A project that was renamed; but what is elsewhere is another forge.
            if location.origin() != url.origin() {
                let words = "it redirects to another host; give the forge that is meant as `base`";
                return Err(self.error(words).into());
            }
            url = location;
        }
        Err(self.error(format!("more than {REDIRECTS} redirects, and none to a release")).into())
    }

    /// What the API answers at `url`; `None` if that is what had this `ETag`.
    pub(super) async fn page(
        &self,
        url: &Url,
        etag: Option<&str>,
    ) -> Result<Option<Page>, BoxError> {
        let headers = self.headers(url, self.dialect.headers());
        let condition = condition(etag);
        let is_conditional = !condition.is_empty();
        let question = self.question(url, &headers, condition);
        let answer = self.client.ask(Method::GET, &question).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if is_conditional => return Ok(None),
            StatusCode::OK => {}
            _ => return Err(self.refused(&answer, url, "200 and a release")),
        }
        let etag = etag_of(&answer);
        let next = answer.header(&LINK).and_then(next_page).and_then(|next| url.join(next).ok());
        let next = next.filter(|next| next.origin() == url.origin());
        let json = answer.read(LONGEST_ANSWER, self.idle).await?;
        if json.len() > LONGEST_ANSWER {
            let words = format!("its answer is longer than {LONGEST_ANSWER} bytes");
            return Err(self.error(words).into());
        }
        Ok(Some(Page { json, etag, next }))
    }

    /// The release in `page`.
    pub(super) fn one(&self, page: &Page) -> Result<Release, Error> {
        let release = self.dialect.one(&page.json);
        let release =
            release.context(ErrorKind::Fetch, || self.says("its answer is no release"))?;
        release.ok_or_else(|| self.error("its answer is a release without a tag that can be one"))
    }

    /// The releases in `page`.
    pub(super) fn many(&self, page: &Page) -> Result<Vec<Release>, Error> {
        let releases = self.dialect.many(&page.json);
        releases.context(ErrorKind::Fetch, || self.says("its answer is no list of releases"))
    }

    /// The answer to who wants the file at `url`, unless it has this `ETag`, and the headers that it took.
    pub(super) async fn file(
        &self,
        url: &Url,
        etag: Option<&str>,
    ) -> Result<(Answer, HeaderMap), BoxError> {
        let headers = self.headers(url, &[]);
        let question = self.question(url, &headers, condition(etag));
        let answer = self.client.ask(Method::GET, &question).await?;
        Ok((answer, headers))
    }

    /// A question for what is at `url`.
    pub(super) fn question<'a>(
        &self,
        url: &'a Url,
        headers: &'a HeaderMap,
        condition: HeaderMap,
    ) -> Question<'a> {
        Question { url, headers, known: None, range: condition, patience: self.patience }
    }

    /// What is sent to `url`: the token only where it belongs, and whatever else asks for a file.
    fn headers(&self, url: &Url, more: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/octet-stream"));
        let more = more.iter().copied();
        headers.extend(
            more.map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            }),
        );
        if let Some((name, value)) = self.token.filter(|_| self.site.is_home(url)) {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// The error of an answer that is none.
    pub(super) fn refused(&self, answer: &Answer, url: &Url, expected: &str) -> BoxError {
        let has_token = self.token.is_some();
        if let Some(error) = limit::reached(answer, self.dialect.name(), has_token) {
            return error;
        }
        let advice = match (answer.status(), has_token) {
            (StatusCode::UNAUTHORIZED, true) => "; the `token` is not known there: renew it",
            (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN, true) => {
                "; is there a release, with that file, that the `token` may read?"
            }
            (StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, false) => {
                "; is there a release, with that file? A private project needs a `token`"
            }
            _ => "",
        };
        answer.unexpected(url, &format!("{expected}{advice}"))
    }

    pub(super) fn error(&self, what: impl AsRef<str>) -> Error {
        Error::new(ErrorKind::Fetch, self.says(what))
    }

    fn says(&self, what: impl AsRef<str>) -> String {
        format!("{} at {}: {}", self.site.project, self.dialect.name(), what.as_ref())
    }
}

/// The `ETag` of `answer`, if it is one to be kept.
pub(super) fn etag_of(answer: &Answer) -> Option<String> {
    let etag = answer.header(&ETAG).filter(|etag| etag.len() <= LONGEST_ETAG);
    etag.map(str::to_owned)
}

/// The condition that an answer has another `ETag` than this.
fn condition(etag: Option<&str>) -> HeaderMap {
    let etag = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
    etag.map(|etag| (IF_NONE_MATCH, etag)).into_iter().collect()
}

/// The URL of the next page in a `Link` header (RFC 8288, section 3).
fn next_page(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let mut parameters = parameters.split(';').map(str::trim);
        parameters.any(|found| matches!(found, "rel=\"next\"" | "rel=next")).then_some(url)
    })
}

const REDIRECTS: usize = 5;

/// In bytes. Twenty releases of sixty files each have two million.
const LONGEST_ANSWER: usize = 8 << 20;

/// In bytes: a validator has to be short.
const LONGEST_ETAG: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let github = "<https://a.example/r?page=1>; rel=\"prev\", <https://a.example/r?page=3>; \
                      rel=\"next\", <https://a.example/r?page=9>; rel=\"last\"";
        assert_eq!(next_page(github), Some("https://a.example/r?page=3"));
        assert_eq!(next_page("<x>; title=a; rel=next"), Some("x"));
        for header in ["", "<x>; rel=\"last\"", "x; rel=\"next\"", "<x; rel=\"next\"", ",,;,<>"] {
            assert_eq!(next_page(header), None, "{header}");
        }
    }
}
