//! A fetcher that is a closure.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::mistake::Mistake;
use super::{Current, Fetched, Fetcher, INTERVAL};
use crate::config::IntoDuration;
use crate::error::BoxError;

/// A fetcher that calls `f` once a poll.
///
/// `f` gets what runs now as a value of its own, so its future may keep it. Whatever it returns as
/// an error is reported, and it is called again at the next poll.
///
/// ```
/// use selfup::fetcher::{self, Download, Fetched};
///
/// let releases = fetcher::from_fn(async |current| {
///     let newest = "1.3.0"; // asked of a database, say
///     if current.validator() == Some(newest) {
///         return Ok(Fetched::Unchanged);
///     }
///     let binary: &[u8] = b"...";
///     Ok::<_, std::io::Error>(Fetched::Binary(Download::new(binary).validator(newest)))
/// })
/// .interval("30s");
/// # let _ = releases;
/// ```
pub fn from_fn<F, Answer, E>(f: F) -> FromFn<F>
where
    F: FnMut(Current) -> Answer + Send + 'static,
    Answer: Future<Output = Result<Fetched, E>> + Send,
    E: Into<BoxError>,
{
    FromFn { f, interval: INTERVAL, mistake: Mistake::default() }
}

/// A fetcher that calls a closure; made by [`from_fn`].
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct FromFn<F> {
    f: F,
    interval: Duration,
    mistake: Mistake,
}

impl<F> FromFn<F> {
    /// The time between two polls, on average; 5 minutes by default.
    pub fn interval(mut self, interval: impl IntoDuration) -> Self {
        self.interval = self.mistake.duration("interval", interval).unwrap_or(self.interval);
        self
    }
}

impl<F, Answer, E> Fetcher for FromFn<F>
where
    F: FnMut(Current) -> Answer + Send + 'static,
    Answer: Future<Output = Result<Fetched, E>> + Send,
    E: Into<BoxError>,
{
    fn fetch(
        &mut self,
        current: &Current,
    ) -> impl Future<Output = Result<Fetched, BoxError>> + Send {
        let checked = self.check();
        let answer = checked.map(|()| (self.f)(current.clone()));
        async move { answer?.await.map_err(Into::into) }
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn check(&self) -> Result<(), BoxError> {
        Ok(self.mistake.check()?)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").field("interval", &self.interval).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetcher::Download;
    use crate::identity::BinaryId;

    fn fetch(fetcher: &mut impl Fetcher, validator: &str) -> Result<Fetched, BoxError> {
        let current = Current::new(BinaryId::from_bytes([7; 32]));
        let current = current.with_validator(Some(validator.into()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(fetcher.fetch(&current))
    }

    #[test]
    fn the_closure_is_told_what_runs_and_keeps_its_state() {
        let mut calls = 0;
        let mut fetcher = from_fn(move |current: Current| {
            calls += 1;
            async move {
                assert_eq!(current.id(), BinaryId::from_bytes([7; 32]));
                let release: &[u8] = b"release";
                let download = Download::new(release).validator(calls.to_string());
                match current.validator() {
                    Some("0") => Ok(Fetched::Binary(download)),
                    Some("1") => Ok(Fetched::Unchanged),
                    _ => Err("no such release"),
                }
            }
        });
        let Ok(Fetched::Binary(download)) = fetch(&mut fetcher, "0") else { panic!("no release") };
        assert_eq!(download.get_validator(), Some("1"));
        assert!(matches!(fetch(&mut fetcher, "1"), Ok(Fetched::Unchanged)));
        assert_eq!(fetch(&mut fetcher, "2").unwrap_err().to_string(), "no such release");
    }

    #[test]
    fn a_mistake_is_told_and_the_closure_not_called() {
        let mut fetcher =
            from_fn(async |_| -> Result<Fetched, BoxError> { panic!("called") }).interval("0s");
        assert!(fetcher.check().is_err());
        let message = fetch(&mut fetcher, "").unwrap_err().to_string();
        assert_eq!(message, "`interval` is zero; write a positive duration such as \"1s\"");
    }
}
