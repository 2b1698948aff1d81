//! Sources that send too much, too little, or too slowly, and what is too slow to unpack; in a time
//! that passes when nothing else happens.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{self, Instant};

use super::*;

/// Runs `future` as [`block_on`] does, in such a time.
fn paused<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// A service that has refused `bad`, which costs as much time as it says, leaves `same` alone for 1
/// minute, 10 minutes and an hour each, and tells it once with these words.
fn is_refused_less_and_less(
    bad: impl Fn() -> Download,
    costs: Duration,
    same: impl Fn() -> Download,
    words: &str,
) {
    let mut service = Service::whose_candidates("good");
    service.pipeline.limits.max_size = 2 << 20;
    paused(async {
        for minutes in [1, 10, 60, 60] {
            let began = Instant::now();
            assert!(service.pipeline.examine(bad()).await.unwrap().is_none());
            let cost = began.elapsed();
            assert!(cost >= costs && cost < costs + Duration::from_secs(10), "{cost:?}");
            time::advance(Duration::from_secs(60 * minutes - 1)).await;
            assert!(service.pipeline.examine(same()).await.unwrap().is_none());
            time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(service.place.names(), ["app"]);
        assert_eq!(service.validator(), None);
    });
    let (refused, reason) = service.next_refusal();
    assert_eq!((refused, reason.kind()), (None, ErrorKind::Verify));
    assert!(reason.to_string().contains(words), "{reason}");
    assert!(service.told().is_empty(), "it is told once");
}

/// So many bytes each second, without an end.
fn drip(bytes: usize) -> Download {
    let (reader, mut writer) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        while writer.write_all(&vec![7; bytes]).await.is_ok() {
            time::sleep(Duration::from_secs(1)).await;
        }
    });
    Download::new(reader)
}

fn unread() -> Download {
    Download::new(Unread)
}

#[test]
fn a_body_that_comes_too_slowly_is_left_alone_for_longer_each_time() {
    let words = "bytes in 5m, and 1228800 are the least";
    let (bad, costs) = (|| drip(4000), Duration::from_secs(300));
    is_refused_less_and_less(bad, costs, unread, words);
    let named = |download: Download| download.validator("v2").length(2 << 20);
    is_refused_less_and_less(|| named(drip(1000)), costs, || named(unread()), words);
}

#[test]
fn a_body_without_an_end_is_left_alone_for_longer_each_time() {
    let endless = || Download::new(tokio::io::repeat(1));
    let words = "longer than 2097152 bytes, the most that is taken";
    is_refused_less_and_less(endless, Duration::ZERO, unread, words);
    let named = |download: Download| download.validator("v2");
    is_refused_less_and_less(|| named(endless()), Duration::ZERO, || named(unread()), words);
}

#[test]
fn a_body_that_has_another_length_than_announced_is_left_alone_for_longer_each_time() {
    let named = |download: Download, length| download.validator("v2").length(length);
    for (length, words) in [
        (9, "longer than the 9 bytes that were announced"),
        (11, "ended after 10 of 11 bytes"),
        (4 << 20, "longer than 2097152 bytes, the most that is taken"),
    ] {
        let bad = || named(download(b"0123456789"), length);
        is_refused_less_and_less(bad, Duration::ZERO, || named(unread(), length), words);
    }
}

/// Nobody has to wait who puts it right.
#[test]
fn what_is_announced_otherwise_is_looked_at_at_once() {
    let mut service = Service::whose_candidates("good");
    let new = binary(2);
    let lie = || download(&new).validator("v2").length(new.len() as u64 - 1);
    assert!(service.take(lie()).unwrap().is_none());
    assert!(service.take(lie()).unwrap().is_none());
    let (refused, _) = service.next_refusal();
    assert_eq!(refused, None);
    let right = download(&new).validator("v2").length(new.len() as u64);
    assert!(service.take(right).unwrap().is_some());
    assert_eq!(service.told(), ["candidate_staged"]);
}

#[test]
fn a_source_that_says_nothing_is_read_again_once_its_time_has_come_and_at_once_where_asked_to() {
    let endless = || Download::new(tokio::io::repeat(1));
    for asked in [true, false] {
        let mut service = Service::whose_candidates("good");
        service.pipeline.limits.max_size = binary(2).len() as u64;
        paused(async {
            assert!(service.pipeline.examine(endless()).await.unwrap().is_none());
            assert!(service.pipeline.examine(unread()).await.unwrap().is_none());
            if asked {
                service.pipeline.clear();
            } else {
                time::advance(Duration::from_secs(60)).await;
            }
            let good = service.pipeline.examine(download(&binary(2))).await;
            assert!(good.unwrap().is_some());
            // Which was good: what is refused now is so for the first time.
            assert!(service.pipeline.examine(endless()).await.unwrap().is_none());
            time::advance(Duration::from_secs(60)).await;
            let good = service.pipeline.examine(download(&binary(2))).await;
            assert!(good.unwrap().is_some());
        });
        let refused = ["candidate_refused", "candidate_staged"];
        assert_eq!(service.told(), [refused, refused].concat());
    }
}

/// Neither is the doing of who publishes.
#[test]
fn a_connection_that_is_cut_or_silent_is_tried_again_at_the_next_poll() {
    let mut service = Service::whose_candidates("good");
    let new = binary(2);
    let offered = |download: Download| download.validator("v2").length(new.len() as u64);
    paused(async {
        for _ in 0..3 {
            let cut = broken(&new[..10_000]);
            let error = service.pipeline.examine(offered(cut)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Fetch);
            let (reader, _writer) = tokio::io::duplex(64);
            let began = Instant::now();
            let error = service.pipeline.examine(offered(Download::new(reader))).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Fetch);
            assert_eq!(began.elapsed().as_secs(), 300);
        }
        let good = service.pipeline.examine(offered(download(&new))).await;
        assert!(good.unwrap().is_some());
    });
    assert_eq!(service.told(), ["candidate_staged"]);
}

/// These bytes, and an error.
fn broken(bytes: &[u8]) -> Download {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Waker<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
    Download::new(io::Cursor::new(bytes.to_vec()).chain(Broken))
}

#[cfg(feature = "archives")]
#[test]
fn what_is_not_unpacked_in_ten_minutes_is_tried_again_after_a_while() {
    use crate::upgrade::decode::testing::gzip;

    let mut service = Service::whose_candidates("good");
    let slow = gzip(&vec![0; 32 << 20]);
    let offered = || download(&slow).validator("v2").length(slow.len() as u64);
    for minutes in [9, 10] {
        service.pipeline.clear();
        paused(async {
            // Whenever it is not at work, which is while it unpacks.
            let passing = async {
                time::advance(Duration::from_secs(60 * minutes)).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                examined = service.pipeline.examine(offered()) => {
                    assert!(examined.unwrap().is_none());
                }
                () = passing => {}
            }
        });
        let (refused, reason) = service.next_refusal();
        let words =
            if minutes < 10 { "it is no ELF binary" } else { "it was not unpacked in 10m;" };
        assert!(reason.to_string().contains(words), "{reason}");
        assert_eq!(refused == Some(id(&slow)), minutes == 10);
        assert_eq!(service.validator().as_deref(), Some("v2"), "it is not sent again at once");
        assert_eq!(service.pipeline.retry_at().is_some(), minutes == 10, "the host may be slow");
        assert_eq!(service.place.names(), [HISTORY, "app"]);
    }
}
