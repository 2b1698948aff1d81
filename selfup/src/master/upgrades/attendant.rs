//! The fetcher, on a thread of its own.
//!
//! The upgrade thread asks and waits, and whatever the fetcher does meanwhile, that can stop waiting: a
//! fetcher that blocks its thread blocks nothing else. Nobody can end it from outside, so it is asked again
//! when it has come back, and not before. What it delivers is read here, too, and handed over in parts, for
//! the bytes come from the user's code as well.
//!
//! Who stops waiting drops the other end of a channel; what waits here is dropped then, wherever it is. A
//! succession does not wait for this thread, unless it sleeps where no signal wakes it: the fetcher ends
//! wherever it is, as it would by SIGKILL.

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::sync::{mpsc, oneshot};

use crate::error::{BoxError, Context as _, ErrorKind, Result};
use crate::fetcher::{BoxFetcher, Current, Download, Fetched, Fetcher, INTERVAL};
use crate::master::busy::guarded;

/// The fetcher as the upgrade thread has it.
#[derive(Debug)]
pub(super) struct Attendant {
    asks: mpsc::Sender<Ask>,
    interval: Duration,
}

/// What the fetcher is asked, and where its answer goes.
#[derive(Debug)]
enum Ask {
    Fetch(Current, oneshot::Sender<Answer>),
    Changed(oneshot::Sender<()>),
}

/// What was fetched, and the interval from there on.
type Answer = (Result<Fetched, BoxError>, Duration);

/// What was read of a download; nothing is its end.
type Part = io::Result<Vec<u8>>;

/// In bytes.
const LONGEST_PART: usize = 128 * 1024;

/// So many parts may wait to be taken.
const AHEAD: usize = 2;

impl Attendant {
    /// Has `fetcher` attended to on a thread of its own.
    pub(super) fn start(fetcher: BoxFetcher) -> Result<Self> {
        let interval = interval_of(&fetcher);
        // One that nobody waits for any more may be before the next one.
        let (asks, asked) = mpsc::channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context(ErrorKind::Unsupported, super::no_descriptors)?;
        let attend = move || {
            runtime.block_on(attend(fetcher, asked));
            // A fetcher's blocking task may never end.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("selfup-fetcher".into()).spawn(attend);
        thread.context(ErrorKind::Unsupported, super::no_thread)?;
        Ok(Self { asks, interval })
    }

    /// The fetcher's, as it was after the last poll.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Asks the fetcher once. Cancel-safe.
    pub(super) async fn fetch(&mut self, current: Current) -> Result<Fetched, BoxError> {
        let (answer, answered) = oneshot::channel();
        let asked = self.asks.send(Ask::Fetch(current, answer)).await.is_ok();
        match answered.await {
            Ok((fetched, interval)) if asked => {
                self.interval = interval;
                fetched
            }
            _ => Err("the thread of the fetcher has ended; restart the service".into()),
        }
    }

    /// Waits until the fetcher has reason to be asked early. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        let (answer, answered) = oneshot::channel();
        let asked = self.asks.send(Ask::Changed(answer)).await.is_ok();
        if answered.await.is_err() || !asked {
            pending::<()>().await;
        }
    }
}

/// Asks `fetcher` what it is to be asked, one after another.
async fn attend(mut fetcher: BoxFetcher, mut asks: mpsc::Receiver<Ask>) {
    while let Some(ask) = asks.recv().await {
        match ask {
            Ask::Fetch(current, answer) => fetch(&mut fetcher, &current, answer).await,
            Ask::Changed(mut answer) => tokio::select! {
                biased;
                () = answer.closed() => {}
                changed = guarded(async { fetcher.changed().await }) => {
                    // One that panics has said so on stderr, and is asked at its interval.
                    if changed.is_ok() {
                        let _ = answer.send(());
                    }
                }
            },
        }
    }
}

async fn fetch(fetcher: &mut BoxFetcher, current: &Current, mut answer: oneshot::Sender<Answer>) {
    let found = tokio::select! {
        biased;
        () = answer.closed() => return,
        found = guarded(async { fetcher.fetch(current).await }) => found.unwrap_or_else(Err),
    };
    let (found, rest) = match found {
        Ok(Fetched::Binary(download)) => {
            let (download, rest) = hand_over(download);
            (Ok(Fetched::Binary(download)), Some(rest))
        }
        found => (found, None),
    };
    // Who is gone takes no part either.
    let _ = answer.send((found, interval_of(fetcher)));
    if let Some(rest) = rest {
        rest.await;
    }
}

/// `download` for the other thread, and what has to be done here for it: nothing is read before it is.
fn hand_over(download: Download) -> (Download, impl Future<Output = ()>) {
    let Download { mut reader, length, sha256, signature, validator } = download;
    let ((give, parts), (want, wanted)) = (mpsc::channel(AHEAD), oneshot::channel());
    let reading = async move {
        let all = async {
            if wanted.await.is_err() {
                return;
            }
            loop {
                let mut bytes = Vec::with_capacity(LONGEST_PART);
                let read = reader.read_buf(&mut bytes).await;
                let is_last = !matches!(read, Ok(1..));
                if give.send(read.map(|_| bytes)).await.is_err() || is_last {
                    return;
                }
            }
        };
        let read = tokio::select! {
            biased;
            () = give.closed() => return,
            read = guarded(all) => read,
        };
        if let Err(panic) = read {
            let _ = give.send(Err(io::Error::other(panic))).await;
        }
    };
    let part = io::Cursor::new(Vec::new());
    let body = Body { want: Some(want), parts, part, is_over: false };
    let handed = Download { length, sha256, signature, validator, ..Download::new(body) };
    (handed, reading)
}

/// What the other thread reads.
struct Body {
    want: Option<oneshot::Sender<()>>,
    parts: mpsc::Receiver<Part>,
    part: io::Cursor<Vec<u8>>,
    is_over: bool,
}

impl AsyncRead for Body {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(want) = self.want.take() {
            let _ = want.send(());
        }
        while !self.is_over && self.part.position() == self.part.get_ref().len() as u64 {
            let part = ready!(self.parts.poll_recv(context)).unwrap_or_else(|| {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its fetcher has ended"))
            })?;
            self.is_over = part.is_empty();
            self.part = io::Cursor::new(part);
        }
        Pin::new(&mut self.part).poll_read(context, buffer)
    }
}

/// That of `fetcher`, or the usual one if it panics: the source may be somebody else's, who has not
/// agreed to be asked each second. The panic has been told on stderr.
fn interval_of(fetcher: &impl Fetcher) -> Duration {
    catch_unwind(AssertUnwindSafe(|| fetcher.interval())).unwrap_or(INTERVAL)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::fetcher::boxed;
    use crate::identity::BinaryId;

    struct Says(Option<Duration>);

    impl Fetcher for Says {
        async fn fetch(&mut self, _: &Current) -> std::result::Result<Fetched, BoxError> {
            Ok(Fetched::Unchanged)
        }

        fn interval(&self) -> Duration {
            self.0.expect("the mistake that is meant")
        }
    }

    #[test]
    fn a_fetcher_that_panics_when_asked_for_its_interval_is_asked_every_five_minutes() {
        assert_eq!(interval_of(&Says(None)), Duration::from_secs(5 * 60));
        assert_eq!(interval_of(&Says(Some(Duration::from_secs(7)))), Duration::from_secs(7));
    }

    fn current() -> Current {
        Current::new(BinaryId::from_bytes([0; 32]))
    }

    /// Blocks its thread until it is let go, once each time that it is asked.
    struct Blocks(Receiver<()>);

    impl Fetcher for Blocks {
        async fn fetch(&mut self, _: &Current) -> std::result::Result<Fetched, BoxError> {
            self.0.recv()?;
            Ok(Fetched::Unchanged)
        }
    }

    #[tokio::test]
    async fn a_fetcher_that_blocks_can_be_left_and_is_not_asked_again_before_it_is_back() {
        let (let_go, blocks) = channel();
        let mut attendant = Attendant::start(boxed(Blocks(blocks))).unwrap();
        for _ in 0..5 {
            let left = Duration::from_millis(5);
            tokio::time::timeout(left, attendant.fetch(current())).await.unwrap_err();
        }
        // It comes back from the first, and only the last one is asked for.
        let_go.send(()).unwrap();
        let_go.send(()).unwrap();
        assert!(matches!(attendant.fetch(current()).await, Ok(Fetched::Unchanged)));
        drop(let_go);
        assert!(attendant.fetch(current()).await.is_err());
    }

    /// Delivers what this reads.
    struct Delivers<R>(Option<R>);

    impl<R: AsyncRead + Send + 'static> Fetcher for Delivers<R> {
        async fn fetch(&mut self, _: &Current) -> std::result::Result<Fetched, BoxError> {
            let reader = self.0.take().ok_or("nothing more")?;
            Ok(Fetched::Binary(Download::new(reader).length(7).validator("1")))
        }
    }

    async fn read(reader: impl AsyncRead + Send + 'static) -> io::Result<Vec<u8>> {
        let mut attendant = Attendant::start(boxed(Delivers(Some(reader)))).unwrap();
        let Ok(Fetched::Binary(mut download)) = attendant.fetch(current()).await else {
            panic!("it delivers");
        };
        assert_eq!((download.get_length(), download.get_validator()), (Some(7), Some("1")));
        let mut bytes = Vec::new();
        let read = download.read_to_end(&mut bytes).await;
        drop(download);
        // The thread goes on with what comes next.
        attendant.fetch(current()).await.unwrap_err();
        read.map(|_| bytes)
    }

    struct Panics;

    impl AsyncRead for Panics {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            panic!("it is meant to")
        }
    }

    #[tokio::test]
    async fn what_is_delivered_is_handed_over_to_its_end_or_its_error() {
        let long: Vec<u8> = (0..3 * LONGEST_PART + 5).map(|at| at.to_le_bytes()[0]).collect();
        assert_eq!(read(io::Cursor::new(long.clone())).await.unwrap(), long);
        assert!(read(tokio::io::empty()).await.unwrap().is_empty());
        let broken = io::Cursor::new(b"some".to_vec()).chain(Panics);
        assert_eq!(read(broken).await.unwrap_err().to_string(), "it panicked: it is meant to");
    }

    #[tokio::test]
    async fn what_is_not_wanted_is_not_read() {
        let mut attendant = Attendant::start(boxed(Delivers(Some(Panics)))).unwrap();
        assert!(matches!(attendant.fetch(current()).await, Ok(Fetched::Binary(_))));
        let error = attendant.fetch(current()).await.unwrap_err();
        assert_eq!(error.to_string(), "nothing more");
    }
}
