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

/// How long it is until a server that counts requests answers some again, if there are none left; an
/// hour at most, which is as long as GitHub counts.
///
/// GitHub says so with 403 or 429 and `x-ratelimit-remaining` and `-reset`, the time in Unix time;
/// GitLab and others have the same without the `x-`. It is counted as a date is.
pub(super) fn used_up(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| {
        let header = headers.get(format!("x-{name}")).or_else(|| headers.get(name))?;
        header.to_str().ok()?.trim().parse::<u64>().ok()
    };
    if number("ratelimit-remaining")? > 0 {
        return None;
    }
    let reset = Duration::from_secs(number("ratelimit-reset")?);
    let reset = SystemTime::UNIX_EPOCH.checked_add(reset)?;
    let left = reset.duration_since(date(headers, &DATE).unwrap_or(now)).unwrap_or_default();
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Some(Duration::from_secs(seconds).min(LONGEST_COUNT))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// A slip of the server's must not end the upgrades for a year.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

const LONGEST_COUNT: Duration = Duration::from_secs(60 * 60);

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

    fn seconds_left(headers: &[(&'static str, &'static str)]) -> Option<u64> {
        let header =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Some(used_up(&headers.iter().map(header).collect(), now)?.as_secs())
    }

    #[test]
    fn the_end_of_a_count_is_counted_from_the_date_of_the_answer_and_bounded() {
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
            assert_eq!(seconds_left(&headers), expected, "{headers:?}");
        }
    }
}
