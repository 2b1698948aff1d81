//! For how long a server wants to be left alone.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

/// What `Retry-After` says in seconds or as a date (RFC 9110, section 10.2.3); a day at most.
///
/// A date is counted from that of the answer, so that no clock but the server's own matters, and from
/// `now` where that one is missing.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wanted = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // What has too many digits for a number is longer than a day.
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(date(headers, &DATE).unwrap_or(now)).unwrap_or_default()
    };
    Some(wanted.min(LONGEST))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// A slip of the server's must not end the upgrades for a year.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn seconds(wanted: &str, sent: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(wanted).unwrap());
        if let Some(sent) = sent {
            headers.insert(DATE, HeaderValue::from_str(sent).unwrap());
        }
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:00:00 GMT").unwrap();
        Some(retry_after(&headers, now)?.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_understood_and_bounded() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        for (wanted, sent, expected) in [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("86401", None, Some(86400)),
            ("99999999999999999999999999", None, Some(86400)),
            (date, Some("Wed, 21 Oct 2015 07:27:50 GMT"), Some(10)),
            (date, Some("no date"), Some(28 * 60)),
            (date, None, Some(28 * 60)),
            ("Wed, 21 Oct 2015 06:00:00 GMT", None, Some(0)),
            ("Wed, 21 Oct 2099 06:00:00 GMT", None, Some(86400)),
            ("-1", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("", None, None),
        ] {
            assert_eq!(seconds(wanted, sent), expected, "{wanted:?} at {sent:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), SystemTime::now()), None);
    }
}
