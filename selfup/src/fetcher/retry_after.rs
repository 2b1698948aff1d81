//! An error of a source that says for how long it wants to be left alone.

use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io, iter};

use crate::error::BoxError;

/// An error that comes with a time: before that, the source is not to be asked again.
///
/// A [`Fetcher`](super::Fetcher) returns it when its source answers so, as HTTP does by status 429
/// and `Retry-After`. It counts as any other error, and the next poll is not before the time is over,
/// not even one that is asked for; more than a day counts as a day. It may also be the cause of the
/// error that is returned, at any depth.
///
/// ```
/// use std::time::Duration;
///
/// use selfup::fetcher::RetryAfter;
///
/// let error = RetryAfter::new(Duration::from_secs(90), "the quota is used up");
/// assert_eq!(error.after(), Duration::from_secs(90));
/// ```
#[derive(Debug)]
pub struct RetryAfter {
    after: Duration,
    error: BoxError,
}

impl RetryAfter {
    /// `error`, after which the source is left alone for the time `after`.
    pub fn new(after: Duration, error: impl Into<BoxError>) -> Self {
        Self { after, error: error.into() }
    }

    /// For how long the source is left alone.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }

    /// The time that `error` comes with, or one of its causes, a day at most: a source that says a century
    /// is not forgotten.
    pub(crate) fn within(error: &(dyn StdError + 'static)) -> Option<Duration> {
        let causes = iter::successors(Some(error), |&error| below(error));
        // An error of the user's may be its own cause.
        let mut found = causes.take(DEEPEST).filter_map(<dyn StdError>::downcast_ref);
        found.next().map(|found: &Self| found.after.min(LONGEST))
    }
}

/// The cause of `error`. An I/O error is transparent: what it holds is none of its causes.
fn below<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// So many causes are looked at.
const DEEPEST: usize = 64;

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for RetryAfter {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Context as _, Error, ErrorKind};

    fn asks(seconds: u64) -> RetryAfter {
        RetryAfter::new(Duration::from_secs(seconds), "the quota is used up")
    }

    #[test]
    fn the_time_is_found_wherever_it_is_in_an_error() {
        let found = |error: &(dyn StdError + 'static)| RetryAfter::within(error);
        let ninety = Some(Duration::from_secs(90));
        assert_eq!(found(&asks(90)), ninety);
        assert_eq!(found(&io::Error::other(asks(90))), ninety);
        let deep = Err::<(), _>(io::Error::other(asks(90)));
        let deep = deep.context(ErrorKind::Fetch, || "no answer").unwrap_err();
        assert_eq!(found(&Error::new(ErrorKind::Fetch, "it failed").caused_by(deep)), ninety);
        assert_eq!(found(&asks(u64::MAX)), Some(LONGEST));
        assert_eq!(found(&io::Error::other("the quota is used up")), None);
        assert_eq!(found(&Error::new(ErrorKind::Fetch, "it failed")), None);
    }

    #[test]
    fn an_error_that_is_its_own_cause_is_no_end_of_looking() {
        #[derive(Debug)]
        struct Snake;
        impl fmt::Display for Snake {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("it bites its tail")
            }
        }
        impl StdError for Snake {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(self)
            }
        }
        assert_eq!(RetryAfter::within(&Snake), None);
    }
}
