//! When a forge answers again that has counted too many requests.

use std::time::SystemTime;

use crate::error::{BoxError, Error, ErrorKind};
use crate::fetcher::RetryAfter;
use crate::fetcher::web::Answer;

/// The error of an answer that says that there were too many requests, and until when.
pub(super) fn reached(answer: &Answer, forge: &str, has_token: bool) -> Option<BoxError> {
    let wait = answer.wants_pause().filter(|_| answer.is_used_up())?;
    let until = humantime::format_rfc3339_seconds(SystemTime::now() + wait);
    let left = humantime::format_duration(wait);
    let advice = if has_token { "ask less often" } else { "ask less often, or with a `token`" };
    let words = format!(
        "the requests that {forge} answers are used up until {until}, for {left}; {advice}"
    );
    Some(RetryAfter::new(wait, Error::new(ErrorKind::Fetch, words)).into())
}
