//! When a forge answers again that has counted too many requests.
//!
//! GitHub says so with 403 or 429 and three headers, of which `x-ratelimit-reset` is the second, in
//! Unix time, at which there are requests again; GitLab has the same without the `x-`. `Retry-After`,
//! which every server may send, is looked at where these say nothing.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap};

use crate::error::{BoxError, Error, ErrorKind};
use crate::fetcher::RetryAfter;
use crate::fetcher::web::Answer;

/// The error of an answer that says that there were too many requests, and until when.
pub(super) fn reached(answer: &Answer, forge: &str, has_token: bool) -> Option<BoxError> {
    if ![StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS].contains(&answer.status()) {
        return None;
    }
    let now = SystemTime::now();
    let wait = wait(answer.response.headers(), now)?;
    let (until, left) =
        (humantime::format_rfc3339_seconds(now + wait), humantime::format_duration(wait));
    let advice = if has_token { "ask less often" } else { "ask less often, or with a `token`" };
    let words = format!(
        "the requests that {forge} answers are used up until {until}, for {left}; {advice}"
    );
    Some(RetryAfter::new(wait, Error::new(ErrorKind::Fetch, words)).into())
}

/// How long it is until there are requests again, if there are none left; an hour at most, which is
/// as long as GitHub counts.
///
/// It is counted from the date of the answer, so that no clock but the server's own matters.
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| {
        let header = headers.get(format!("x-{name}")).or_else(|| headers.get(name))?;
        header.to_str().ok()?.trim().parse::<u64>().ok()
    };
    if number("ratelimit-remaining")? > 0 {
        return None;
    }
    let reset =
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(number("ratelimit-reset")?))?;
    let sent = headers.get(DATE).and_then(|date| date.to_str().ok());
    let sent = sent.and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    let left = reset.duration_since(sent).unwrap_or_default();
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Some(Duration::from_secs(seconds).min(LONGEST))
}

const LONGEST: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn seconds(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let header =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Some(wait(&headers.iter().map(header).collect(), now)?.as_secs())
    }

    #[test]
    fn the_end_is_counted_from_the_date_of_the_answer_and_bounded() {
        let none_left = ("x-ratelimit-remaining", "0");
        let date = ("date", "Mon, 12 Jan 1970 13:45:00 GMT");
        for (headers, expected) in [
            (vec![none_left, ("x-ratelimit-reset", "1000060")], Some(60)),
            (vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "1000060")], Some(60)),
            // A server whose clock is 100 seconds behind ours.
            (vec![none_left, ("x-ratelimit-reset", "1000060"), date], Some(160)),
            (vec![none_left, ("x-ratelimit-reset", "5")], Some(0)),
            (vec![none_left, ("x-ratelimit-reset", "99999999999999999")], Some(3600)),
            (vec![none_left, ("x-ratelimit-reset", "18446744073709551615")], None),
            (vec![none_left, ("x-ratelimit-reset", "soon")], None),
            (vec![none_left], None),
            (vec![("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "1000060")], None),
            (vec![], None),
        ] {
            assert_eq!(seconds(&headers), expected, "{headers:?}");
        }
    }
}
