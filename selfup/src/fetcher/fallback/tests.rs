use std::collections::VecDeque;
use std::io;

use tokio::io::AsyncReadExt as _;

use super::*;
use crate::identity::BinaryId;

/// What a source does at its next poll.
enum Does {
    Nothing,
    Delivers(&'static str),
    /// Bytes that end in an error.
    BreaksOff,
    /// ... that wants to be left alone for so many seconds.
    BreaksOffAndRests(u64),
    Fails,
    Rests(u64),
    Hangs,
    /// ... and delivers when it is asked a second time whether it is ready.
    Yields(&'static str),
}

/// A source that does these, and notes with what it was asked.
struct Source {
    does: VecDeque<Does>,
    asked: Vec<Option<String>>,
}

fn source(does: impl IntoIterator<Item = Does>) -> Source {
    Source { does: does.into_iter().collect(), asked: Vec::new() }
}

impl Fetcher for Source {
    async fn fetch(&mut self, current: &Current) -> Result<Fetched, BoxError> {
        self.asked.push(current.validator().map(Into::into));
        assert!(current.wants_signature(), "it is told what the service wants");
        match self.does.pop_front().expect("it is not asked more often") {
            Does::Nothing => Ok(Fetched::Unchanged),
            Does::Delivers(name) => {
                Ok(Fetched::Binary(Download::new(name.as_bytes()).validator(name)))
            }
            Does::BreaksOff => {
                let broken = broken_off(|| io::Error::other("the wire was cut"));
                Ok(Fetched::Binary(Download::new(broken).validator("broken")))
            }
            Does::BreaksOffAndRests(seconds) => {
                let broken = broken_off(move || {
                    let rests = Duration::from_secs(seconds);
                    io::Error::other(RetryAfter::new(rests, "the quota is used up"))
                });
                Ok(Fetched::Binary(Download::new(broken)))
            }
            Does::Fails => Err("it is down".into()),
            Does::Rests(seconds) => {
                let error = RetryAfter::new(Duration::from_secs(seconds), "the quota is used up");
                Err(io::Error::other(error).into())
            }
            Does::Hangs => std::future::pending().await,
            Does::Yields(name) => {
                tokio::task::yield_now().await;
                Ok(Fetched::Binary(Download::new(name.as_bytes()).validator(name)))
            }
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.does.len() as u64)
    }
}

/// Two bytes, and this error.
fn broken_off(error: impl Fn() -> io::Error + Send + Unpin + 'static) -> impl AsyncRead + Send {
    struct Breaks<F>(F);
    impl<F: Fn() -> io::Error + Unpin> AsyncRead for Breaks<F> {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err((self.0)()))
        }
    }
    (&b"ab"[..]).chain(Breaks(error))
}

/// Polls once, as the pipeline does: the validator of what was read to its end is remembered.
async fn poll(fetcher: &mut impl Fetcher, known: &mut Option<String>) -> Result<String, BoxError> {
    let current = Current::new(BinaryId::from_bytes([7; 32]));
    let current = current.with_validator(known.clone()).with_wanted_signature(true);
    let Fetched::Binary(mut download) = fetcher.fetch(&current).await? else {
        return Ok(String::new());
    };
    let mut text = String::new();
    download.read_to_string(&mut text).await?;
    *known = download.get_validator().map(Into::into);
    Ok(text)
}

#[tokio::test]
async fn the_second_is_asked_only_where_the_first_fails_and_each_by_its_own_validator() {
    use Does::{Delivers, Fails, Nothing};
    let first = source([Delivers("a1"), Fails, Fails, Nothing]);
    let mut both = fallback(first, source([Delivers("b1"), Nothing]));
    let mut known = None;
    for expected in ["a1", "b1", "", ""] {
        assert_eq!(poll(&mut both, &mut known).await.unwrap(), expected);
    }
    let asked = |validators: &[Option<&str>]| -> Vec<Option<String>> {
        validators.iter().map(|known| known.map(Into::into)).collect()
    };
    let a1 = Some("a1");
    assert_eq!(both.first.fetcher.asked, asked(&[None, a1, a1, a1]));
    assert_eq!(both.second.fetcher.asked, asked(&[None, Some("b1")]));
}

#[tokio::test]
async fn a_first_that_wants_to_be_left_alone_does_not_keep_the_second_from_being_asked() {
    let first = source([Does::Rests(3600)]);
    let second = source([Does::Delivers("b1"), Does::Nothing, Does::Fails]);
    let (mut both, mut known) = (fallback(first, second), None);
    assert_eq!(poll(&mut both, &mut known).await.unwrap(), "b1");
    assert_eq!(poll(&mut both, &mut known).await.unwrap(), "");
    let error = poll(&mut both, &mut known).await.unwrap_err();
    assert_eq!(RetryAfter::within(&*error), None, "the second is asked at the next poll");
    let words = error.to_string();
    assert!(
        words.contains("left alone for another 59m") && words.contains("it is down"),
        "{words}"
    );
    assert_eq!(both.first.fetcher.asked.len(), 1);
}

#[tokio::test]
async fn both_are_left_alone_only_as_long_as_both_want_it() {
    let both = fallback(source([Does::Rests(3600)]), source([Does::Rests(60)]));
    let (mut both, mut known) = (both, None);
    for _ in 0..2 {
        let error = poll(&mut both, &mut known).await.unwrap_err();
        let rests = RetryAfter::within(&*error).unwrap();
        assert!(rests <= Duration::from_secs(60) && rests > Duration::from_secs(10), "{rests:?}");
        assert!(error.to_string().contains("; and the second: "), "{error}");
    }
    assert_eq!((both.first.fetcher.asked.len(), both.second.fetcher.asked.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_first_that_hangs_is_given_up_in_time_to_ask_the_second() {
    let (mut both, mut known) =
        (fallback(source([Does::Hangs]), source([Does::Delivers("b1")])), None);
    assert_eq!(poll(&mut both, &mut known).await.unwrap(), "b1");
}

#[tokio::test(start_paused = true)]
async fn of_three_the_last_is_asked_where_the_one_in_the_middle_hangs() {
    let inner = fallback(source([Does::Hangs]), source([Does::Yields("c1")]));
    let (mut all, mut known) = (fallback(source([Does::Fails]), inner), None);
    let started = tokio::time::Instant::now();
    assert_eq!(poll(&mut all, &mut known).await.unwrap(), "c1");
    assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn of_three_the_last_is_asked_within_half_an_hour_where_both_others_hang() {
    let inner = fallback(source([Does::Hangs]), source([Does::Yields("c1")]));
    let (mut all, mut known) = (fallback(source([Does::Hangs]), inner), None);
    let within = Duration::from_secs(30 * 60);
    let polled = tokio::time::timeout(within, poll(&mut all, &mut known)).await;
    assert_eq!(polled.expect("the service waits so long").unwrap(), "c1");
}

#[tokio::test]
async fn where_a_download_of_the_first_broke_off_the_next_poll_begins_with_the_second() {
    let first = source([Does::BreaksOff, Does::Delivers("a2"), Does::Nothing]);
    let second = source([Does::Fails]);
    let (mut both, mut known) = (fallback(first, second), None);
    poll(&mut both, &mut known).await.unwrap_err();
    assert_eq!(both.second.fetcher.asked.len(), 0);
    // The second fails, and so the first has its turn all the same.
    assert_eq!(poll(&mut both, &mut known).await.unwrap(), "a2");
    assert_eq!(both.second.fetcher.asked.len(), 1);
    assert_eq!(poll(&mut both, &mut known).await.unwrap(), "");
    assert_eq!(both.second.fetcher.asked.len(), 1);
    assert_eq!(both.first.fetcher.asked, [None, None, Some("a2".to_owned())]);
}

#[tokio::test]
async fn a_download_that_broke_off_and_says_for_how_long_holds_up_its_own_source_alone() {
    let first = source([Does::BreaksOffAndRests(3600)]);
    let second = source([Does::Fails, Does::BreaksOffAndRests(60)]);
    let (mut both, mut known) = (fallback(first, second), None);
    let error = poll(&mut both, &mut known).await.unwrap_err();
    assert_eq!(RetryAfter::within(&*error), None, "the second is asked at the next poll");
    assert!(error.to_string().contains("the quota is used up"), "{error}");
    let error = poll(&mut both, &mut known).await.unwrap_err();
    assert_eq!(RetryAfter::within(&*error), None, "the second only failed");
    assert!(error.to_string().contains("left alone for another 59m"), "{error}");
    poll(&mut both, &mut known).await.unwrap_err();
    // Now both do.
    let error = poll(&mut both, &mut known).await.unwrap_err();
    assert!(RetryAfter::within(&*error).unwrap() <= Duration::from_secs(60));
    assert_eq!((both.first.fetcher.asked.len(), both.second.fetcher.asked.len()), (1, 2));
}

#[tokio::test]
async fn a_download_that_nobody_reads_has_not_broken_off() {
    let current = Current::new(BinaryId::from_bytes([7; 32])).with_wanted_signature(true);
    let mut both = fallback(source([Does::Delivers("a1"), Does::Nothing]), source([]));
    drop(both.fetch(&current).await.unwrap());
    assert!(matches!(both.fetch(&current).await, Ok(Fetched::Unchanged)));
}

#[tokio::test]
async fn a_download_that_is_dropped_half_read_has_not_broken_off() {
    let current = Current::new(BinaryId::from_bytes([7; 32])).with_wanted_signature(true);
    let mut both = fallback(source([Does::Delivers("a1"), Does::Nothing]), source([]));
    let Fetched::Binary(mut download) = both.fetch(&current).await.unwrap() else {
        panic!("it delivers");
    };
    assert_eq!(download.read_u8().await.unwrap(), b'a');
    drop(download);
    assert!(matches!(both.fetch(&current).await, Ok(Fetched::Unchanged)));
}

#[tokio::test]
async fn three_sources_are_asked_in_their_order_and_each_remembers_its_own() {
    use Does::{Delivers, Fails, Nothing};
    let inner = fallback(source([Fails, Fails]), source([Delivers("c1"), Nothing]));
    let (mut all, mut known) = (fallback(source([Fails, Fails]), inner), None);
    assert_eq!(poll(&mut all, &mut known).await.unwrap(), "c1");
    assert_eq!(poll(&mut all, &mut known).await.unwrap(), "");
    assert_eq!(all.second.fetcher.second.fetcher.asked, [None, Some("c1".to_owned())]);
}

#[tokio::test]
async fn the_interval_is_that_of_the_first_and_either_may_have_changed_or_be_a_mistake() {
    struct Changes;
    impl Fetcher for Changes {
        async fn fetch(&mut self, _: &Current) -> Result<Fetched, BoxError> {
            Ok(Fetched::Unchanged)
        }
        async fn changed(&mut self) {}
        fn check(&self) -> Result<(), BoxError> {
            Err("it cannot work".into())
        }
    }
    let mut early = fallback(source([Does::Nothing]), Changes);
    assert_eq!(early.interval(), Duration::from_secs(1));
    assert!(early.check().is_err());
    early.changed().await;
    let mut early = fallback(Changes, source([]));
    assert!(early.check().is_err());
    early.changed().await;
}
