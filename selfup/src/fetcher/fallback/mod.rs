//! Two fetchers for one binary: a source and its mirror.
//!
//! A poll asks one of them, as long as that one answers, so it costs what that one's costs. What each
//! knows for its next conditional question is its own: see [`known`].
//!
//! A download that breaks off has failed after its fetcher has answered, when it is too late to ask
//! the other one: what was taken of it is thrown away by the pipeline. The next poll asks the other
//! one first, once.
//!
//! The one that is asked first has 10 minutes, so that the other has time. That one has no bound here:
//! the service gives up the whole poll after half an hour, and a bound here would end a `second` that is
//! a fallback itself in the moment in which that one's own bound has it go on to its mirror.
//!
//! Only an error while it is read is a download that broke off. Whoever drops one half-read may have
//! something else to do first, a rollback, say, and that says nothing about the source. If the error says
//! for how long its source wants to be left alone, that one alone is, and so the error that the service
//! sees does not say it.
//!
//! Limits: of three whose two first hang, the third is asked as `fallback(a, fallback(b, c))`; in
//! `fallback(fallback(a, b), c)` a first that hangs takes the time of both, and `c` is asked, not `b`. A
//! download that the service gives up, for it is silent or too slow, is dropped, too, and so does not
//! count; the built-in fetchers end one that is silent with an error. An error of the one is not told
//! where the other one answers, for a poll has one outcome. Bytes that are refused for what they are (a digest, a signature, a note) are no error of who
//! delivered them, or a source could be talked out of by whoever can change what its mirror has. A
//! panic ends the poll of both.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};

use self::known::Known;
use super::{Current, Download, Fetched, Fetcher, RetryAfter};
use crate::error::BoxError;

mod known;

/// A fetcher that asks `first`, and `second` where that fails.
///
/// For a source and its mirror, which publish the same; more of them as
/// `fallback(a, fallback(b, c))`. `second` is asked in the same poll, if `first` returns an error or
/// has not answered for 10 minutes. Where a download of `first` ended in an error, the next poll asks
/// `second` first. An error of `first` is reported only where `second` fails, too.
///
/// The interval is that of `first`, and both may have the next poll come [early](Fetcher::changed).
/// Where one says for how long it wants to be [left alone](RetryAfter), the other is asked meanwhile.
/// What each remembers of its last answer is kept apart, so that both are asked conditionally; the
/// first poll of `second` downloads, unless it tells a digest. When nothing changed, a poll sends
/// what `first` sends, if that can be reached.
///
/// A mirror that is behind offers an older binary while `first` is down. It is turned down by its
/// version; two builds of one version cannot be told apart by age, so give each a version of its own.
///
/// ```
/// use selfup::fetcher::{fallback, file};
///
/// let releases = fallback(file("/mnt/releases/app"), file("/var/cache/releases/app"));
/// # let _ = releases;
/// ```
pub fn fallback<A: Fetcher, B: Fetcher>(first: A, second: B) -> Fallback<A, B> {
    Fallback { first: Side::new(first), second: Side::new(second) }
}

/// A fetcher that asks one of two; made by [`fallback()`].
#[derive(Debug)]
#[must_use = "a fetcher does nothing until it is given to a service"]
pub struct Fallback<A, B> {
    first: Side<A>,
    second: Side<B>,
}

#[derive(Debug)]
struct Side<F> {
    fetcher: F,
    /// Until when it wants to be left alone.
    rests_until: Option<Instant>,
    /// How its last download did, if it did.
    broken: Arc<Mutex<Option<Broken>>>,
}

/// A download that ended in an error.
#[derive(Debug, Clone, Copy)]
struct Broken {
    /// Until when its source wants to be left alone.
    rests_until: Option<Instant>,
}

/// Why one of the two has no answer.
#[derive(Debug)]
struct Silence {
    words: String,
    /// For how long it wants to be left alone.
    rests: Option<Duration>,
}

impl Silence {
    fn of_a_hang() -> Self {
        let patience = humantime::format_duration(PATIENCE);
        Self { words: format!("it has not answered for {patience}"), rests: None }
    }
}

impl<F: Fetcher> Side<F> {
    fn new(fetcher: F) -> Self {
        Self { fetcher, rests_until: None, broken: Arc::default() }
    }

    /// Asks it, unless it rests.
    async fn ask(&mut self, current: &Current, known: Option<String>) -> Result<Fetched, Silence> {
        let now = Instant::now();
        let left = self.rests_until.and_then(|until| until.checked_duration_since(now));
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            let shown = humantime::format_duration(Duration::from_secs(left.as_secs()));
            let words = format!("it wants to be left alone for another {shown}");
            return Err(Silence { words, rests: Some(left) });
        }
        let current = current.clone().with_validator(known);
        let error = match self.fetcher.fetch(&current).await {
            Ok(fetched) => return Ok(fetched),
            Err(error) => error,
        };
        let rests = RetryAfter::within(&*error);
        self.rests_until = rests.map(|rests| Instant::now() + rests);
        Err(Silence { words: crate::error::chain(&*error), rests })
    }

    /// Whether its last download broke off, once.
    fn has_broken_off(&mut self) -> bool {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Broken { rests_until: Some(until) }) = broken {
            self.rests_until = Some(until);
        }
        broken.is_some()
    }

    /// Notices whether `download` ends in an error.
    fn watch(&self, download: &mut Download) {
        let nothing: Pin<Box<dyn AsyncRead + Send>> = Box::pin(tokio::io::empty());
        let reader = std::mem::replace(&mut download.reader, nothing);
        let broken = Arc::clone(&self.broken);
        download.reader = Box::pin(Watched { reader, broken });
    }
}

impl<A: Fetcher, B: Fetcher> Fetcher for Fallback<A, B> {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        let Self { first, second } = self;
        let known = current.validator().map(Known::parse).unwrap_or_default();
        let is_swapped = first.has_broken_off();
        // It is asked where the first one fails, as ever, unless it wants to be left alone.
        second.has_broken_off();
        let ask_first = first.ask(current, known.first.clone());
        let ask_second = second.ask(current, known.second.clone());
        let asked = if is_swapped {
            either(ask_second, ask_first).await.map(|(is_later, fetched)| (!is_later, fetched))
        } else {
            either(ask_first, ask_second).await
        };
        let (is_second, fetched) = asked.map_err(|(earlier, later)| {
            both(if is_swapped { [later, earlier] } else { [earlier, later] })
        })?;
        let Fetched::Binary(mut download) = fetched else { return Ok(fetched) };
        if is_second {
            second.watch(&mut download);
        } else {
            first.watch(&mut download);
        }
        let told = download.validator.take();
        download.validator = known.replaced(is_second, told).into_validator(is_second);
        Ok(Fetched::Binary(download))
    }

    fn interval(&self) -> Duration {
        self.first.fetcher.interval()
    }

    async fn changed(&mut self) {
        let Self { first, second } = self;
        tokio::select! {
            () = first.fetcher.changed() => {}
            () = second.fetcher.changed() => {}
        }
    }

    fn check(&self) -> Result<(), BoxError> {
        self.first.fetcher.check()?;
        self.second.fetcher.check()
    }
}

type Asked = Result<Fetched, Silence>;

/// The answer of the earlier one, or that of the later one where there is none, and whether it is that.
async fn either(
    earlier: impl Future<Output = Asked> + Send,
    later: impl Future<Output = Asked> + Send,
) -> Result<(bool, Fetched), (Silence, Silence)> {
    let asked = tokio::time::timeout(PATIENCE, earlier).await;
    match asked.unwrap_or_else(|_| Err(Silence::of_a_hang())) {
        Ok(fetched) => Ok((false, fetched)),
        Err(earlier) => match later.await {
            Ok(fetched) => Ok((true, fetched)),
            Err(later) => Err((earlier, later)),
        },
    }
}

/// The error of a poll in which neither answered. Only if both want to be left alone, it says so.
fn both([first, second]: [Silence; 2]) -> BoxError {
    let rests = first.rests.zip(second.rests).map(|(first, second)| first.min(second));
    let error = Neither { first: first.words, second: second.words };
    match rests {
        Some(rests) => RetryAfter::new(rests, error).into(),
        None => error.into(),
    }
}

/// It has no cause: one of the two may have an error with a time, which holds up that one alone.
#[derive(Debug)]
struct Neither {
    first: String,
    second: String,
}

impl fmt::Display for Neither {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second } = self;
        write!(f, "neither of the two sources answered: {first}; and the second: {second}")
    }
}

impl StdError for Neither {}

/// The bytes of one of the two.
struct Watched {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    broken: Arc<Mutex<Option<Broken>>>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let error = match ready!(self.reader.as_mut().poll_read(context, buffer)) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err(error) => error,
        };
        let rests = RetryAfter::within(&error);
        let broken = Broken { rests_until: rests.map(|rests| Instant::now() + rests) };
        // One that is read again fails again, and may have forgotten the time.
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(broken);
        Poll::Ready(Err(match rests {
            Some(_) => io::Error::new(error.kind(), crate::error::chain(&error)),
            None => error,
        }))
    }
}

/// So long the one that is asked first may take to answer, so that the other has time to.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

#[cfg(test)]
mod tests;
