//! One object is asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use reqwest::Url;
use reqwest::header::{ETAG, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::sender::{Connector, Outcome};
use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::fetcher::web::{Answer, Asker, deliver_by};
use crate::fetcher::{Download, RetryAfter};

/// What makes the requests for a binary, and for what is published beside it.
pub(super) struct Opened {
    store: Arc<dyn ObjectStore>,
    /// What sends its requests.
    connector: Connector,
    key: Path,
    /// For messages.
    shown: Url,
    /// The same, and the server: a validator is one for this alone.
    place: Url,
    head: Duration,
}

impl Opened {
    /// The object `key` in the bucket that `shown` is the URL of, by the `store` on `server`.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        connector: Connector,
        mut shown: Url,
        server: &str,
        key: Path,
        head: Duration,
    ) -> Self {
        shown.set_path(key.as_ref());
        let mut place = shown.clone();
        place.set_query(Some(server));
        Self { store, connector, key, shown, place, head }
    }

    /// What is asked, for a validator.
    pub(super) fn place(&self) -> &Url {
        &self.place
    }

    /// What is shown of what is beside it.
    pub(super) fn shown(&self, key: &Path) -> Url {
        let mut shown = self.shown.clone();
        shown.set_path(key.as_ref());
        shown
    }

    /// The last part of its key.
    pub(super) fn file_name(&self) -> String {
        self.key.filename().unwrap_or_default().to_owned()
    }

    /// How long a server may take to answer.
    pub(super) fn patience(&self) -> Duration {
        self.head
    }

    /// Asks for the binary, unless it has the `tag`.
    pub(super) async fn ask(&self, tag: Option<String>) -> Result<Answer, BoxError> {
        let conditional = tag.is_some();
        let options = GetOptions { if_none_match: tag, ..GetOptions::default() };
        Ok(Answer { conditional, ..self.get(&self.key, options).await? })
    }

    /// Asks for what is beside the binary.
    pub(super) async fn ask_beside(&self, key: &Path) -> Result<Answer, BoxError> {
        self.get(key, GetOptions::default()).await
    }

    /// What is answered; a [`RetryAfter`] where who lends credentials wants to be left alone.
    async fn get(&self, key: &Path, mut options: GetOptions) -> Result<Answer, BoxError> {
        let outcome = Outcome::default();
        // That of an earlier request, which was answered all the same.
        self.connector.take_pause();
        options.extensions.insert(outcome.clone());
        // Each request is bounded; that it takes a few for credentials is not.
        let asked = timeout(self.head * REQUESTS, self.store.get_opts(key, options)).await;
        match (outcome.take(), asked) {
            // What object_store makes of it does not matter: it wants headers that some lack.
            (Some(Ok(answer)), _) => Ok(answer),
            (Some(Err(error)), _) => {
                Err(self.error("it could not be asked for").caused_by(error).into())
            }
            (None, Ok(Err(error))) => {
                let words = format!("no credentials could be had: {}", flat(&error));
                let error = self.error(&words);
                Err(match self.connector.take_pause() {
                    Some(after) => RetryAfter::new(after, error).into(),
                    None => error.into(),
                })
            }
            (None, _) => Err(self.error("no credentials came in time").into()),
        }
    }

    /// The body of `answer`, whose server may be silent for `idle`.
    pub(super) fn deliver(self: &Arc<Self>, answer: Answer, idle: Duration) -> Download {
        let asker = Arc::clone(self);
        deliver_by(asker, &self.shown, answer, idle)
    }

    /// The error of an answer that is none.
    pub(super) async fn unexpected(&self, answer: Answer, expected: &str) -> BoxError {
        let error = answer.unexpected(&self.shown, expected);
        let Some(reason) = self.reason(answer).await else { return error };
        let told = Error::new(ErrorKind::Fetch, format!("{error}; the server says {reason}"));
        match error.downcast_ref::<RetryAfter>() {
            Some(error) => RetryAfter::new(error.after(), told).into(),
            None => told.into(),
        }
    }

    /// Why a server turns a request down, in a word of its maker's.
    async fn reason(&self, answer: Answer) -> Option<String> {
        let header = |name| word(answer.header(&HeaderName::from_static(name))?);
        let (code, region) = (header("x-ms-error-code"), header("x-amz-bucket-region"));
        let code = if code.is_some() {
            code
        } else {
            let body = answer.read(LONGEST_REASON, self.head).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&body);
            let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
            code.and_then(|(code, _)| word(code))
        };
        let region = region.map(|region| format!("that the bucket is in the region {region}"));
        let told: Vec<_> = [code, region].into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join(", and "))
    }

    /// An error about the binary.
    pub(super) fn error(&self, words: &str) -> Error {
        Error::new(ErrorKind::Fetch, format!("{}: {words}", self.shown))
    }
}

impl Asker for Opened {
    fn ask_behind<'a>(
        &'a self,
        at: u64,
        validator: &'a (HeaderName, HeaderValue),
    ) -> Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>> {
        let tag = Some(&validator.1).filter(|_| validator.0 == ETAG);
        let tag = tag.and_then(|tag| Some(tag.to_str().ok()?.to_owned()));
        Box::pin(async move {
            if tag.is_none() {
                return Err(self.error("there is no ETag to ask for the rest by"));
            }
            let range = Some(GetRange::Offset(at));
            let options = GetOptions { if_match: tag, range, ..GetOptions::default() };
            let asked = self.get(&self.key, options).await;
            asked.map_err(|error| self.error("the rest could not be asked for").caused_by(error))
        })
    }
}

/// `text`, if it is one word that may be repeated.
fn word(text: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_word = !text.is_empty() && text.len() <= 64 && text.bytes().all(is_plain);
    is_word.then(|| text.to_owned())
}

/// What `object_store` says in one line: it repeats what servers say, and each cause in the next.
pub(super) fn flat(error: &object_store::Error) -> String {
    let told = error.to_string();
    let told = told.split(|letter: char| letter.is_control() || letter == ' ');
    let told: Vec<_> = told.filter(|word| !word.is_empty()).collect();
    told.join(" ").chars().take(LONGEST_WORDS).collect()
}

/// So many follow each other where credentials are needed: a token, a role, and what it is lent.
const REQUESTS: u32 = 4;

/// In bytes.
const LONGEST_REASON: usize = 8 * 1024;

/// In letters.
const LONGEST_WORDS: usize = 600;
