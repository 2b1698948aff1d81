//! The user's code beside the loop: how long it has been at it, and whether it panicked.
//!
//! What waits is given up in the end. What blocks its thread cannot be ended from outside, whatever it
//! does: a fetcher holds up nothing but the next poll, a hook nothing but upgrades and successions, and the
//! operator is told.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::upgrades::Report;
use crate::error::{BoxError, Error, ErrorKind};

/// What the thread runs, as the loop knows it.
#[derive(Debug)]
pub(super) struct Busy {
    patience: Duration,
    with: Option<(&'static str, Instant)>,
}

/// So long a fetcher may take to answer, and a hook to decide, before the operator is told.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// So long a fetcher may take to answer: whoever has downloaded something first may have been slow.
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(30 * 60);

impl Default for Busy {
    fn default() -> Self {
        Self { patience: PATIENCE, with: None }
    }
}

impl Busy {
    pub(super) fn begin(&mut self, what: &'static str) {
        self.with = Some((what, Instant::now() + self.patience));
    }

    pub(super) fn end(&mut self) {
        self.with = None;
    }

    /// What has taken too long, once it has; told once. Cancel-safe.
    pub(super) async fn overdue(&mut self) -> Error {
        let Some((what, until)) = self.with else { return std::future::pending().await };
        tokio::time::sleep_until(until.into()).await;
        self.with = None;
        let patience = humantime::format_duration(self.patience);
        let text = format!(
            "{what} has not come back for {patience}; there are no upgrades until it does, is given up, \
             or the service is restarted"
        );
        Error::new(ErrorKind::Fetch, text)
    }
}

/// Tells the loop that the user's code runs, until it is dropped.
#[derive(Debug)]
pub(super) struct Running<'a>(&'a UnboundedSender<Report>);

impl<'a> Running<'a> {
    pub(super) fn tell(report: &'a UnboundedSender<Report>, what: &'static str) -> Self {
        // The loop is gone only when the master ends.
        let _ = report.send(Report::Began(what));
        Self(report)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.0.send(Report::Finished);
    }
}

/// `future`, given up as an error if it takes longer than `patience`.
pub(super) async fn within<T>(
    patience: Duration,
    future: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let Ok(answer) = tokio::time::timeout(patience, future).await else {
        let patience = humantime::format_duration(patience);
        return Err(format!("it has not come back for {patience}, and was given up").into());
    };
    answer
}

/// `future`, with a panic of the user's code as an error, where panics unwind.
pub(super) async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, BoxError> {
    let mut guarded = Guarded(Some(Box::pin(future)));
    poll_fn(|context| {
        let Some(future) = &mut guarded.0 else { return std::task::Poll::Pending };
        let poll = AssertUnwindSafe(|| future.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(ToString::to_string);
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                let text = text.unwrap_or_else(|| "without words".into());
                std::task::Poll::Ready(Err(format!("it panicked: {text}").into()))
            }
        }
    })
    .await
}

/// A future of the user's, which may panic when it is dropped, too.
struct Guarded<F>(Option<Pin<Box<F>>>);

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        let future = self.0.take();
        // It has said so on stderr, and what it was about is over.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn code_that_never_comes_back_is_told_once() {
        let mut busy = Busy { patience: Duration::from_millis(1), ..Busy::default() };
        busy.begin("the fetcher");
        let told = busy.overdue().await.to_string();
        assert!(told.starts_with("the fetcher has not come back for 1ms"), "{told}");
        assert!(busy.with.is_none());
        busy.begin("the fetcher");
        busy.end();
        assert!(busy.with.is_none());
    }

    /// A future that never ends, and says when it is dropped.
    async fn hang(told: &std::cell::Cell<bool>, panics: bool) -> Result<(), BoxError> {
        struct Tell<'a>(&'a std::cell::Cell<bool>, bool);
        impl Drop for Tell<'_> {
            fn drop(&mut self) {
                self.0.set(true);
                assert!(!self.1, "it panics when it is dropped");
            }
        }
        let _tell = Tell(told, panics);
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_hangs_is_dropped_and_an_error_even_if_it_panics_then() {
        for panics in [false, true] {
            let told = std::cell::Cell::new(false);
            let hanging = async { guarded(hang(&told, panics)).await? };
            let error = within(LONGEST_ANSWER, hanging).await.unwrap_err();
            assert_eq!(error.to_string(), "it has not come back for 30m, and was given up");
            assert!(told.get());
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_words() {
        let error = guarded(async { panic!("no {}", "way") }).await.unwrap_err();
        assert_eq!(error.to_string(), "it panicked: no way");
    }
}
