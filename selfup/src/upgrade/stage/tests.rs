use std::os::unix::fs::MetadataExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::*;
use crate::upgrade::testing::{Place, block_on, chmod, download, id, mode, staged};

fn refusal(place: &Place, download: Download, limits: Limits) -> Error {
    let error = block_on(stage(download, &place.target(), limits)).unwrap_err();
    assert_eq!(place.names(), ["app"], "nothing is left");
    error
}

#[test]
fn a_candidate_is_whole_digested_and_as_executable_as_the_binary() {
    let place = Place::with(b"old");
    chmod(&place.path, 0o750);
    let bytes = vec![7; 3 * BUFFER + 1];
    let candidate = staged(&place.target(), &bytes).unwrap();
    assert_eq!((candidate.id(), candidate.length()), (id(&bytes), bytes.len() as u64));
    assert_eq!(std::fs::read(candidate.path()).unwrap(), bytes);
    assert_eq!(mode(candidate.path()), 0o750);
    assert!(candidate.is_unchanged());
    drop(candidate);
    assert_eq!(place.names(), ["app"]);
}

/// Who may read it could have its lock otherwise, and keep it from the path.
#[test]
fn what_is_staged_is_locked_before_others_may_read_it() {
    let place = Place::with(b"old");
    let target = place.target();
    let is_locked = |path: &Path| lock(File::open(path).unwrap()).is_err();
    let sink = Sink::new(&target).unwrap();
    let path = place.directory.path().join(&place.names()[0]);
    assert_eq!((mode(&path), is_locked(&path)), (0o600, true));
    let (path, locked, _) = sink.finish().unwrap();
    assert_eq!((mode(&path), is_locked(&path)), (0o755, true));
    drop((path, locked));
    let (copy, locked) = copy_of(&target).unwrap();
    assert_eq!((mode(&copy), is_locked(&copy)), (0o755, true));
    drop(locked);
}

#[test]
fn an_untrusted_file_has_no_set_id_bits() {
    let place = Place::with(b"old");
    chmod(&place.path, 0o6755);
    let target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    assert_eq!(mode(candidate.path()), 0o755);
    seal(candidate.file(), &target).unwrap();
    assert_eq!(mode(candidate.path()), 0o6755);
}

#[test]
fn a_change_of_the_candidate_is_noticed() {
    let place = Place::with(b"old");
    let candidate = staged(&place.target(), b"new").unwrap();
    let other = place.directory.path().join("other");
    std::fs::write(&other, "new").unwrap();
    std::fs::rename(other, candidate.path()).unwrap();
    assert!(!candidate.is_unchanged());
}

#[test]
fn a_download_that_is_not_as_long_as_announced_is_refused() {
    let place = Place::with(b"old");
    let short = refusal(&place, download(b"0123456789").length(11), Limits::default());
    assert_eq!(short.kind(), ErrorKind::Verify);
    assert!(short.to_string().contains("ended after 10 of 11 bytes"), "{short}");
    let long = refusal(&place, download(b"0123456789").length(9), Limits::default());
    assert_eq!(long.kind(), ErrorKind::Verify);
    assert!(long.to_string().contains("longer than the 9 bytes"), "{long}");
    let endless = Download::new(tokio::io::repeat(1));
    let limits = Limits { max_size: 1 << 20, ..Limits::default() };
    let endless = refusal(&place, endless, limits);
    assert!(endless.to_string().contains("longer than 1048576 bytes"), "{endless}");
    let announced = refusal(&place, download(b"").length((1 << 30) + 1), Limits::default());
    assert!(announced.to_string().contains("longer than 1073741824 bytes"), "{announced}");
}

#[test]
fn a_source_that_falls_silent_is_given_up() {
    let place = Place::with(b"old");
    let (reader, mut writer) = tokio::io::duplex(64);
    block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, b"begun")).unwrap();
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let error = refusal(&place, Download::new(reader), limits);
    assert_eq!(error.kind(), ErrorKind::Fetch);
    assert!(error.to_string().contains("silent for 50ms after 5 bytes"), "{error}");
    drop(writer);
}

/// A byte now and then is no silence.
#[test]
fn a_source_that_drips_is_given_up() {
    struct Drip;
    impl AsyncRead for Drip {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            // As if it had taken so long.
            std::thread::sleep(Duration::from_millis(2));
            buffer.put_slice(b"x");
            context.waker().wake_by_ref();
            Poll::Ready(Ok(()))
        }
    }
    let place = Place::with(b"old");
    let window = Duration::from_millis(100);
    let limits = Limits { window, least: 1000, ..Limits::default() };
    let error = refusal(&place, Download::new(Drip), limits);
    assert_eq!(error.kind(), ErrorKind::Verify);
    let words = error.to_string();
    assert!(words.contains("bytes in 100ms, and 1000 are the least"), "{words}");
}

#[test]
fn only_a_whole_window_is_judged_and_each_by_itself() {
    let limits = Limits::default();
    let (window, least) = (limits.window, limits.least);
    let mut pace = Pace::new(limits);
    for _ in 0..3 {
        pace.add(window / 2, 0).unwrap();
        pace.add(window / 2, least).unwrap();
    }
    pace.add(window / 2, least - 1).unwrap();
    assert_eq!(pace.add(window / 2, 0).unwrap_err().kind(), ErrorKind::Verify);
}

#[test]
fn a_transfer_that_breaks_off_is_refused_with_its_cause() {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
    }
    let place = Place::with(b"old");
    let begun = io::Cursor::new(b"begun".to_vec());
    let error = refusal(&place, Download::new(begun.chain(Broken)), Limits::default());
    assert_eq!(error.kind(), ErrorKind::Fetch);
    assert!(error.chain().contains("broke off after 5 bytes"), "{}", error.chain());
    assert!(error.chain().ends_with("connection reset"), "{}", error.chain());
}

#[test]
fn space_is_looked_at_before_anything_is_written() {
    let place = Place::with(b"old");
    let limits = Limits { max_size: u64::MAX, ..Limits::default() };
    let error = refusal(&place, download(b"").length(1 << 60), limits);
    assert_eq!(error.kind(), ErrorKind::Stage);
    assert!(error.to_string().contains("bytes are free in directory"), "{error}");
}

#[test]
fn a_directory_that_is_gone_is_an_error_that_names_it() {
    let place = Place::with(b"old");
    let target = place.target();
    std::fs::remove_dir_all(place.directory.path()).unwrap();
    let error = staged(&target, b"new").unwrap_err();
    let directory = target.directory().display().to_string();
    assert!(error.to_string().contains(&directory), "{error}");
}

#[test]
fn the_owner_is_kept_by_root() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root may give files away");
        return;
    }
    let place = Place::with(b"old");
    std::os::unix::fs::chown(&place.path, Some(65534), Some(65534)).unwrap();
    chmod(&place.path, 0o4711);
    let target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    seal(candidate.file(), &target).unwrap();
    let found = std::fs::metadata(candidate.path()).unwrap();
    assert_eq!((found.uid(), found.gid(), mode(candidate.path())), (65534, 65534, 0o4711));
}

/// The pipeline has the patience that the fetcher's attempts need.
#[cfg(feature = "http")]
#[test]
fn a_server_that_is_gone_is_asked_ten_times_for_the_rest() {
    use std::io::{Read as _, Write as _};

    use crate::fetcher::{Current, Fetched, Fetcher as _, http};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/app", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let head = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\n0123";
        stream.write_all(head.as_bytes()).unwrap();
        // Kept open: it is silent, and nobody listens for another.
        stream
    });
    let place = Place::with(b"old");
    let target = place.target();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (error, took) = runtime.block_on(async {
        let mut fetcher = http(url);
        let found = fetcher.fetch(&Current::new(id(b"old"))).await.unwrap();
        let Fetched::Binary(download) = found else { panic!("{found:?}") };
        let _stream = server.join().unwrap();
        tokio::time::pause();
        let began = Instant::now();
        (stage(download, &target, Limits::default()).await.unwrap_err(), began.elapsed())
    });
    let words = error.chain();
    assert!(words.contains("broke off after 4 bytes, and cannot be resumed, for "), "{words}");
    // 30 of silence, and pauses of about 1, 2, 4 and seven times 8 before ten attempts, each from half
    // of that to half as much again.
    assert!((30 + 31..30 + 95).contains(&took.as_secs()), "{took:?}: {words}");
}
