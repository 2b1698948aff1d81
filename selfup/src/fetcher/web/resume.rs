//! Going on with a download that was cut, where it was cut.
//!
//! The rest is asked for with `Range`, and with `If-Range`, so that a server whose file has changed
//! sends no rest of another one (RFC 9110, sections 13.1.5 and 14.2). That takes a strong validator:
//! an `ETag` without `W/`, or, where there is none, a `Last-Modified` that was a minute old when it
//! was sent (section 8.8.2.2). A server that gave neither is not asked.
//!
//! The URL is asked for anew, redirects included, for what they led to may have expired; but what
//! answers has to be what answered before. An answer that is not exactly the rest ends the download,
//! and the next poll begins a new one. So does one that says for how long the server wants to be left
//! alone: its error is a [`RetryAfter`], and the schedule keeps to it.
//!
//! The pauses between two questions are random, each by a half: a server that is started again cuts
//! all who download at one moment, and is not to be asked by all of them at another one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Method, StatusCode, Url};
use tokio::time::sleep;

use super::client::{Answer, Client, Question};
use super::url::redacted;
use crate::error::{Context as _, Error, ErrorKind};
use crate::fetcher::RetryAfter;

/// Who asks for the rest of a download.
pub(in crate::fetcher) trait Asker: Send + Sync {
    /// Asks for what is behind the first `at` bytes of what the validator, of this header, names.
    fn ask_behind<'a>(
        &'a self,
        at: u64,
        validator: &'a (HeaderName, HeaderValue),
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;
}

/// Who asks the question again that the download is an answer to.
struct Again {
    client: Arc<Client>,
    url: Url,
    headers: HeaderMap,
    patience: Duration,
}

/// How the rest of a download can be asked for.
pub(super) struct Resume {
    asker: Arc<dyn Asker>,
    url: Url,
    /// The header that names the validator, and the validator.
    validator: (HeaderName, HeaderValue),
    /// Of what answered, after all redirects.
    place: String,
    length: Option<u64>,
    left: u32,
}

/// The rest of a download.
pub(super) struct Rest {
    pub(super) body: reqwest::Body,
    /// The length of the whole.
    pub(super) length: u64,
    /// For the next cut.
    pub(super) resume: Resume,
}

/// Why the rest was not had.
enum Refusal {
    /// For now.
    Passing(String),
    Final(String),
    /// For so long, as the server says.
    Resting(Duration, String),
}

impl Resume {
    /// How to go on with the body of `answer`, if that can be done.
    pub(super) fn of(
        client: &Arc<Client>,
        question: &Question<'_>,
        answer: &Answer,
    ) -> Option<Self> {
        let again = Again {
            client: Arc::clone(client),
            url: question.url.clone(),
            headers: question.headers.clone(),
            patience: question.patience,
        };
        Self::by(Arc::new(again), question.url, answer)
    }

    /// How the `asker` can go on with the body of `answer` to a question for `url`, if that can be done.
    pub(super) fn by(asker: Arc<dyn Asker>, url: &Url, answer: &Answer) -> Option<Self> {
        let headers = answer.response.headers();
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return None;
        }
        Some(Self {
            asker,
            url: url.clone(),
            validator: strong_validator(headers)?,
            place: answer.facts(url).answered,
            length: answer.length(),
            left: ATTEMPTS,
        })
    }

    /// Asks for what is behind the first `at` bytes, until it is had or `cut` is the last word.
    pub(super) async fn go_on(mut self, at: u64, cut: Error) -> Result<Rest, Error> {
        let (mut pause, mut rests) = (FIRST_PAUSE, None);
        let mut why = "it was cut too often".to_owned();
        while let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.ask(at).await {
                Ok((body, length)) => return Ok(Rest { body, length, resume: self }),
                Err(Refusal::Passing(words)) => why = words,
                Err(Refusal::Final(words)) => {
                    why = words;
                    break;
                }
                Err(Refusal::Resting(after, words)) => {
                    (rests, why) = (Some(after), words);
                    break;
                }
            }
        }
        let url = redacted(&self.url);
        let words =
            format!("{url}: the download broke off after {at} bytes, and cannot be resumed");
        let error = Error::new(ErrorKind::Fetch, format!("{words}, for {why}"));
        Err(match rests {
            Some(after) => error.caused_by(RetryAfter::new(after, cut)),
            None => error.caused_by(cut),
        })
    }

    async fn ask(&self, at: u64) -> Result<(reqwest::Body, u64), Refusal> {
        let answer = self.asker.ask_behind(at, &self.validator).await;
        let answer = answer.map_err(|error| Refusal::Passing(error.chain()))?;
        if let Some(after) = answer.wants_pause() {
            let (status, wait) = (answer.status(), humantime::format_duration(after));
            let words = format!(
                "the server answers with status {status}, and is to be left alone for {wait}"
            );
            return Err(Refusal::Resting(after, words));
        }
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => {
                let words = "the server sends the whole of what it has now";
                return Err(Refusal::Final(words.to_owned()));
            }
            status if status.is_server_error() || answer.is_overload() => {
                return Err(Refusal::Passing(format!("the server answers with status {status}")));
            }
            status => {
                return Err(Refusal::Final(format!("the server answers with status {status}")));
            }
        }
        let length = self.check(at, &answer).map_err(Refusal::Final)?;
        Ok((answer.response.into(), length))
    }

    /// The length of the whole, if `answer` is exactly what is behind the first `at` bytes of it.
    fn check(&self, at: u64, answer: &Answer) -> Result<u64, String> {
        let headers = answer.response.headers();
        if answer.facts(&self.url).answered != self.place {
            return Err("the rest is offered at another place".to_owned());
        }
        let (name, validator) = &self.validator;
        let is_same = match headers.get(name) {
            Some(found) => found == validator,
            // A tag has to be repeated, a date not (RFC 9110, section 15.3.7).
            None => *name == LAST_MODIFIED,
        };
        if !is_same {
            return Err(format!("the rest has another `{name}`"));
        }
        if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err("the rest is encoded".to_owned());
        }
        let range = headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let text = range.unwrap_or("none");
        let is_asked_for = |(first, last, whole): &(u64, u64, u64)| {
            *first == at
                && last.checked_add(1) == Some(*whole)
                && self.length.is_none_or(|length| length == *whole)
        };
        let Some((first, _, whole)) = parse_range(text).filter(is_asked_for) else {
            return Err(format!("the rest has the `Content-Range` {text:?}"));
        };
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if length.is_some_and(|length| length.parse() != Ok(whole - first)) {
            return Err("the rest is not as long as its `Content-Range`".to_owned());
        }
        Ok(whole)
    }
}

impl Asker for Again {
    fn ask_behind<'a>(
        &'a self,
        at: u64,
        validator: &'a (HeaderName, HeaderValue),
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>> {
        Box::pin(async move {
            let range = HeaderValue::try_from(format!("bytes={at}-"));
            let range = range.context(ErrorKind::Fetch, || "a range that cannot be asked for")?;
            let condition = [(RANGE, range), (IF_RANGE, validator.1.clone())];
            let question = Question {
                url: &self.url,
                headers: &self.headers,
                known: None,
                range: condition.into_iter().collect(),
                patience: self.patience,
            };
            self.client.ask(Method::GET, &question).await
        })
    }
}

/// The validator of an answer that says "exactly these bytes", and its header.
fn strong_validator(headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    if let Some(tag) = headers.get(ETAG) {
        return (tag.as_bytes().starts_with(b"\"")).then(|| (ETAG, tag.clone()));
    }
    let modified = headers.get(LAST_MODIFIED)?;
    let sent = date(headers.get(DATE)?)?;
    let age = sent.duration_since(date(modified)?).ok()?;
    (age >= STRONG).then(|| (LAST_MODIFIED, modified.clone()))
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// First byte, last byte and the length of the whole: RFC 9110, section 14.4.
fn parse_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok()).flatten()
    };
    Some((number(first)?, number(last)?, number(whole)?))
}

/// Of one download. One that is cut more often is begun anew at the next poll.
const ATTEMPTS: u32 = 10;

/// Each pause is that, give or take a half of it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// A date names one version only if nobody can have made another within the same second, whatever
/// little the clocks of a server differ.
const STRONG: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(headers: &[(HeaderName, &'static str)]) -> Option<&'static str> {
        let headers = headers.iter().cloned();
        let headers =
            headers.map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        let found = strong_validator(&headers)?.1;
        let known = [TAG, OLD, NEW];
        known.into_iter().find(|known| *known == found)
    }

    #[test]
    fn a_validator_is_strong_or_none() {
        let date = (DATE, "Wed, 21 Oct 2015 07:28:59 GMT");
        assert_eq!(validator(&[(ETAG, TAG)]), Some(TAG));
        assert_eq!(validator(&[(ETAG, TAG), (LAST_MODIFIED, OLD), date.clone()]), Some(TAG));
        assert_eq!(validator(&[(ETAG, "W/\"1\""), (LAST_MODIFIED, OLD), date.clone()]), None);
        assert_eq!(validator(&[(ETAG, "1")]), None);
        assert_eq!(validator(&[(LAST_MODIFIED, OLD), date.clone()]), Some(OLD));
        assert_eq!(validator(&[(LAST_MODIFIED, NEW), date.clone()]), None);
        assert_eq!(validator(&[(LAST_MODIFIED, OLD)]), None);
        assert_eq!(validator(&[(LAST_MODIFIED, "yesterday"), date]), None);
        assert_eq!(validator(&[]), None);
    }

    #[test]
    fn a_range_has_three_numbers() {
        assert_eq!(parse_range("bytes 3-5/6"), Some((3, 5, 6)));
        for text in ["bytes 3-5/*", "bytes */6", "bytes=3-5/6", "bytes +3-5/6", "3-5/6", "none"] {
            assert_eq!(parse_range(text), None, "{text}");
        }
    }

    const TAG: &str = "\"1\"";
    const OLD: &str = "Wed, 21 Oct 2015 07:27:59 GMT";
    const NEW: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
}
