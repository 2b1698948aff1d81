use std::fs;
use std::future::{Future, poll_fn};
use std::io::Write as _;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::time::{sleep, timeout};

use super::place::open_at_once;
use super::*;
use crate::identity::BinaryId;

mod beside;
mod versions;
#[cfg(selfup_supervised)]
mod watched;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(60), future).await.unwrap() })
}

fn current(validator: Option<&str>) -> Current {
    Current::new(BinaryId::from_bytes([0; 32])).with_validator(validator.map(Into::into))
}

/// A directory and the path of the file in it that is watched.
fn place() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("app");
    (dir, path)
}

async fn fetch(path: &Path, validator: Option<&str>) -> Result<Fetched, String> {
    let answer = file(path).fetch(&current(validator)).await;
    answer.map_err(|error| error.to_string())
}

async fn download(path: &Path, validator: Option<&str>) -> Download {
    match fetch(path, validator).await.unwrap() {
        Fetched::Binary(download) => download,
        Fetched::Unchanged => panic!("{} did not change since {validator:?}", path.display()),
    }
}

async fn is_unchanged(path: &Path, validator: Option<&str>) -> bool {
    matches!(fetch(path, validator).await.unwrap(), Fetched::Unchanged)
}

/// Runs `first` beside `second`, whose result is wanted. When both can go on, `first` does so
/// first, however late this process was scheduled.
async fn beside<T>(first: impl Future<Output = ()>, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut is_done = false;
    poll_fn(move |context| {
        if !is_done {
            is_done = first.as_mut().poll(context).is_ready();
        }
        match second.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(value),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn content(mut download: Download) -> String {
    let mut read = String::new();
    download.read_to_string(&mut read).await.unwrap();
    read
}

fn writer(path: &Path) -> fs::File {
    fs::OpenOptions::new().append(true).open(path).unwrap()
}

fn append(path: &Path, bytes: &[u8]) {
    writer(path).write_all(bytes).unwrap();
}

#[test]
fn a_file_is_delivered_once() {
    let (_dir, path) = place();
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(&path, &content).unwrap();
    run(async {
        let mut download = download(&path, None).await;
        assert_eq!(download.get_length(), Some(3_000_000));
        let mut read = Vec::new();
        download.read_to_end(&mut read).await.unwrap();
        assert!(read == content);
        assert!(is_unchanged(&path, download.get_validator()).await);
    });
}

#[test]
fn a_file_that_is_missing_is_not_published_yet() {
    let (dir, path) = place();
    let dangling = dir.path().join("dangling");
    std::os::unix::fs::symlink(&path, &dangling).unwrap();
    assert!(run(is_unchanged(&path, None)));
    assert!(run(is_unchanged(&dangling, None)));
}

#[test]
fn a_file_written_anew_is_noticed_though_its_length_and_its_time_are_the_same() {
    let (_dir, path) = place();
    fs::write(&path, "one").unwrap();
    run(async {
        let first = download(&path, None).await;
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let mut second = download(&path, first.get_validator()).await;
        let mut read = String::new();
        second.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "two");
    });
}

#[test]
fn a_file_renamed_over_the_path_is_noticed() {
    let (dir, path) = place();
    fs::write(&path, "one").unwrap();
    run(async {
        let first = download(&path, None).await;
        let other = dir.path().join("other");
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &path).unwrap();
        let second = download(&path, first.get_validator()).await;
        assert_ne!(first.get_validator(), second.get_validator());
    });
}

#[test]
fn a_file_that_grows_is_taken_once_it_has_stopped() {
    let (_dir, path) = place();
    fs::write(&path, "0").unwrap();
    let writing = async {
        let mut writer = writer(&path);
        for _ in 0..9 {
            sleep(SETTLE / 4).await;
            writer.write_all(b"0").unwrap();
        }
    };
    let mut download = run(beside(writing, download(&path, None)));
    let mut read = String::new();
    run(download.read_to_string(&mut read)).unwrap();
    assert_eq!(read, "0000000000");
}

#[test]
fn a_file_that_does_not_stop_is_an_error() {
    let (_dir, path) = place();
    fs::write(&path, "0").unwrap();
    let writing = async {
        let mut writer = writer(&path);
        loop {
            sleep(SETTLE / 4).await;
            writer.write_all(b"0").unwrap();
        }
    };
    let mut fetcher = File { patience: 2 * SETTLE, ..file(&path) };
    let answer = run(beside(writing, fetcher.fetch(&current(None))));
    let message = answer.unwrap_err().to_string();
    assert!(message.contains("keeps changing: 400ms were not enough"), "{message}");
}

#[test]
fn a_file_that_goes_away_meanwhile_is_not_published_yet() {
    let (_dir, path) = place();
    fs::write(&path, "0").unwrap();
    let remover = async { fs::remove_file(&path).unwrap() };
    // The fetcher looks first, waits, and finds nothing when it looks again.
    let answer = run(async {
        let mut fetcher = file(&path);
        let current = current(None);
        let mut looking = pin!(fetcher.fetch(&current));
        let started = poll_fn(|context| Poll::Ready(looking.as_mut().poll(context))).await;
        assert!(started.is_pending());
        beside(remover, looking).await
    });
    assert!(matches!(answer, Ok(Fetched::Unchanged)), "{answer:?}");
}

#[test]
fn a_file_that_changes_while_it_is_read_fails_at_its_end() {
    let (_dir, path) = place();
    fs::write(&path, "one").unwrap();
    run(async {
        let mut download = download(&path, None).await;
        let mut read = [0; 2];
        download.read_exact(&mut read).await.unwrap();
        append(&path, b"two");
        let error = download.read_to_end(&mut Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("changed while it was read"), "{error}");
        // What comes after an error is no success.
        download.read_to_end(&mut Vec::new()).await.unwrap_err();
    });
}

#[test]
fn a_file_that_goes_away_while_it_is_read_fails_at_its_end_and_the_next_one_is_taken() {
    let (_dir, path) = place();
    fs::write(&path, "one").unwrap();
    run(async {
        let mut first = download(&path, None).await;
        let mut read = [0; 2];
        first.read_exact(&mut read).await.unwrap();
        fs::remove_file(&path).unwrap();
        let error = first.read_to_end(&mut Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains("changed while it was read"), "{error}");
        assert!(is_unchanged(&path, None).await);
        fs::write(&path, "two").unwrap();
        assert_eq!(content(download(&path, None).await).await, "two");
    });
}

#[test]
fn what_is_no_file_is_an_error_and_not_waited_for() {
    let (dir, path) = place();
    let message = run(fetch(dir.path(), None)).unwrap_err();
    assert!(message.ends_with("is a directory; name the binary in it"), "{message}");

    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let message = run(fetch(&path, None)).unwrap_err();
    assert!(message.ends_with("is not a regular file; name the binary itself"), "{message}");
    // Not even when it took the place of a file between the look and the opening.
    open_at_once(&path).unwrap();
    assert!(open(&path).unwrap_err().to_string().ends_with("name the binary itself"));

    let message = run(fetch(&path.join("below"), None)).unwrap_err();
    assert!(message.ends_with("cannot be looked at"), "{message}");
}

#[test]
fn a_mistake_is_told_by_the_check_and_by_the_fetch() {
    for (fetcher, message) in [
        (file(""), "the path of the file fetcher is empty; name the file that releases replace"),
        (
            file("app").prerelease(true),
            "`prerelease` is about versions, and the path has none; write a `*` where the version \
             is, as in \"/srv/releases/app-*\"",
        ),
        (file("app").sha256(""), "`sha256`: expected \".suffix\", the name of a file, or a path"),
        (file("app").interval("5"), "`interval`: \"5\" has no unit; write \"5s\" or \"5ms\""),
    ] {
        let mut fetcher = fetcher;
        assert_eq!(fetcher.check().unwrap_err().to_string(), message);
        assert_eq!(run(fetcher.fetch(&current(None))).unwrap_err().to_string(), message);
    }
    assert_eq!(Fetcher::interval(&file("app")), Duration::from_secs(1));
    assert_eq!(Fetcher::interval(&file("app").interval("5s")), Duration::from_secs(5));
}
