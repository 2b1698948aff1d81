//! What is heard of between two polls.

use std::process::Command;

use super::*;

/// A fetcher that has taken what is at `path`, if anything is, and the validator of that.
async fn watching(path: &Path) -> (File, Option<String>) {
    let mut fetcher = file(path).interval("1h");
    let validator = take(&mut fetcher, None).await.and_then(|download| download.validator);
    assert!(!is_noticed(&mut fetcher).await);
    (fetcher, validator)
}

async fn take(fetcher: &mut File, validator: Option<&str>) -> Option<Download> {
    match fetcher.fetch(&current(validator)).await.unwrap() {
        Fetched::Binary(download) => Some(download),
        Fetched::Unchanged => None,
    }
}

/// Whether there is a reason to look now. The kernel has an event in its queue before the call
/// returns that it is about.
async fn is_noticed(fetcher: &mut File) -> bool {
    let mut changed = pin!(fetcher.changed());
    poll_fn(|context| Poll::Ready(changed.as_mut().poll(context).is_ready())).await
}

fn shell(directory: &Path, command: &str) {
    let status = Command::new("sh").args(["-ec", command]).current_dir(directory).status();
    assert!(status.unwrap().success(), "{command}");
}

#[test]
fn each_way_to_publish_is_noticed_at_once() {
    for (command, is_finished) in [
        ("cp new app", true),
        ("cp -p new app", true),
        ("mv new app", true),
        ("mv new app; chmod 755 app", true),
        ("install -m 755 new app", true),
        ("cat new > app", true),
        (": > app; cat new >> app", true),
        ("dd if=new of=app conv=notrunc bs=1 status=none", true),
        ("mkdir tmp; cp new tmp/app; mv tmp/app .", true),
        ("ln -sf new link; mv link app", true),
        ("rm -f app; cp new app", true),
        ("rm -f app; ln new app", false),
        ("rm -f app; ln -s new app", false),
    ] {
        for is_there in [true, false] {
            let (dir, path) = place();
            fs::write(dir.path().join("new"), "the new one").unwrap();
            if is_there {
                fs::write(&path, "the old one").unwrap();
            }
            run(async {
                let (mut fetcher, validator) = watching(&path).await;
                shell(dir.path(), command);
                assert!(is_noticed(&mut fetcher).await, "{command}");
                assert!(!is_noticed(&mut fetcher).await, "{command}");
                assert_eq!(fetcher.watch.has_finished(), is_finished, "{command}");
                let download = take(&mut fetcher, validator.as_deref()).await.unwrap();
                assert!(!fetcher.watch.has_finished(), "{command}");
                let validator = download.get_validator().map(str::to_owned);
                assert_eq!(content(download).await, "the new one", "{command}");
                assert!(take(&mut fetcher, validator.as_deref()).await.is_none(), "{command}");
            });
        }
    }
}

#[test]
fn what_leads_elsewhere_on_the_way_is_noticed() {
    for command in [
        "ln -sfn v2 current",
        "ln -s v2 tmp; mv -T tmp current",
        "cp v2/app v1/app",
        "mv v2/app v1/app",
        "mv v1 v0; mv v2 v1",
    ] {
        let directory = TempDir::new().unwrap();
        shell(directory.path(), "mkdir v1 v2; echo one > v1/app; echo two > v2/app");
        shell(directory.path(), "ln -s v1 current; ln -s current/../current/app link");
        run(async {
            let (mut fetcher, validator) = watching(&directory.path().join("link")).await;
            shell(directory.path(), command);
            assert!(is_noticed(&mut fetcher).await, "{command}");
            let download = take(&mut fetcher, validator.as_deref()).await.unwrap();
            assert_eq!(content(download).await, "two\n", "{command}");
        });
    }
}

#[test]
fn a_directory_that_is_missing_is_watched_for() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("a/b/app");
    run(async {
        let (mut fetcher, _) = watching(&path).await;
        for command in ["mkdir a", "mkdir a/b", "echo one > a/b/app"] {
            shell(directory.path(), command);
            // A directory alone is no reason for a poll.
            assert_eq!(is_noticed(&mut fetcher).await, command.starts_with("echo"), "{command}");
        }
        assert!(take(&mut fetcher, None).await.is_some());
    });
}

#[test]
fn a_newer_version_is_noticed() {
    for (pattern, command) in [
        ("app-*", "cp new app-1.10.0"),
        ("app-*", "mv new app-1.10.0"),
        ("*/app", "mkdir 1.10.0; mv new 1.10.0/app"),
        ("*/app", "mkdir tmp; mv new tmp/app; mv tmp 1.10.0"),
        ("*/app", "mv new 1.9.1/app"),
    ] {
        let directory = TempDir::new().unwrap();
        shell(
            directory.path(),
            "echo new > new; mkdir 1.9.0 1.9.1; echo one > app-1.9.0; echo one > 1.9.0/app",
        );
        run(async {
            let (mut fetcher, validator) = watching(&directory.path().join(pattern)).await;
            shell(directory.path(), "echo older > app-1.8.0.minisig; echo > other; rm other");
            assert!(!is_noticed(&mut fetcher).await);
            for step in command.split("; ") {
                assert!(!is_noticed(&mut fetcher).await, "{command}");
                shell(directory.path(), step);
            }
            assert!(is_noticed(&mut fetcher).await, "{command}");
            let download = take(&mut fetcher, validator.as_deref()).await.unwrap();
            assert_eq!(content(download).await, "new\n", "{command}");
        });
    }
}

#[test]
fn what_is_of_no_concern_is_not_noticed() {
    let (dir, path) = place();
    fs::write(&path, "one").unwrap();
    run(async {
        let (mut fetcher, validator) = watching(&path).await;
        assert!(take(&mut fetcher, validator.as_deref()).await.is_none());
        for command in [
            "echo x > other; mv other another; mkdir d; cat app; rm another",
            // Nobody who writes it.
            "true >> app",
            // What is there is settled, so it does not matter who signs it.
            "echo signature > app.minisig",
        ] {
            shell(dir.path(), command);
            let noticed = timeout(2 * SETTLE, fetcher.changed()).await;
            assert!(noticed.is_err(), "{command}");
        }
        shell(dir.path(), "rm app");
        assert!(!is_noticed(&mut fetcher).await);
        shell(dir.path(), "echo signature > app.minisig; echo one > app");
        assert!(is_noticed(&mut fetcher).await);
    });
}

#[test]
fn what_comes_beside_a_binary_that_may_want_it_is_noticed_a_moment_later() {
    let (dir, path) = place();
    fs::write(&path, "one").unwrap();
    run(async {
        let (mut fetcher, _) = watching(&path).await;
        // It was delivered, and nobody has said that it was taken.
        let signing = async {
            sleep(SETTLE / 4).await;
            shell(dir.path(), "echo signature > app.minisig");
        };
        beside(signing, fetcher.changed()).await;
        shell(dir.path(), "echo signature > app.minisig");
        assert!(!is_noticed(&mut fetcher).await);
        shell(dir.path(), "echo two > app");
        assert!(is_noticed(&mut fetcher).await, "the binary is not waited with");
        let mut fetcher = file(&path).sha256("SHA256SUMS");
        fetcher.fetch(&current(None)).await.unwrap_err();
        shell(dir.path(), "sha256sum app > SHA256SUMS");
        fetcher.changed().await;
        assert!(take(&mut fetcher, None).await.is_some());
    });
}

#[test]
fn a_publication_before_the_first_look_is_noticed() {
    let (_dir, path) = place();
    run(async {
        let mut fetcher = file(&path);
        assert!(!is_noticed(&mut fetcher).await);
        fs::write(&path, "one").unwrap();
        assert!(is_noticed(&mut fetcher).await);
    });
}

#[test]
fn more_events_than_the_kernel_keeps_are_a_reason_to_look() {
    let (dir, path) = place();
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    run(async {
        let (mut fetcher, _) = watching(&path).await;
        for count in 0..=most.trim().parse::<u32>().unwrap() {
            // Two in a row that are the same would be one.
            fs::File::create(dir.path().join((count % 2).to_string())).unwrap();
        }
        fs::write(&path, "one").unwrap();
        fetcher.changed().await;
        assert!(take(&mut fetcher, None).await.is_some());
        assert!(!is_noticed(&mut fetcher).await);
    });
}

#[test]
fn a_rename_of_what_is_still_written_is_not_the_end_of_it() {
    let (dir, path) = place();
    run(async {
        let (mut fetcher, _) = watching(&path).await;
        let other = dir.path().join("other");
        fs::write(&other, "0").unwrap();
        let mut writer = writer(&other);
        fs::rename(&other, &path).unwrap();
        let writing = async {
            for _ in 0..50 {
                writer.write_all(b"0").unwrap();
                sleep(MOMENT / 10).await;
            }
        };
        let download = beside(writing, take(&mut fetcher, None)).await.unwrap();
        assert_eq!(content(download).await.len(), 51);
    });
}

#[test]
fn a_look_that_was_given_up_leaves_nothing_that_counts_as_finished() {
    let (_dir, path) = place();
    run(async {
        let (mut fetcher, _) = watching(&path).await;
        fs::write(&path, "one").unwrap();
        assert!(is_noticed(&mut fetcher).await);
        give_up(&mut fetcher).await;
        assert!(fetcher.watch.has_finished());
        give_up(&mut fetcher).await;
        assert!(!fetcher.watch.has_finished());
    });
}

/// Begins a look, and lets go of it while it waits.
async fn give_up(fetcher: &mut File) {
    let current = current(None);
    let mut looking = pin!(fetcher.fetch(&current));
    let polled = poll_fn(|context| Poll::Ready(looking.as_mut().poll(context))).await;
    assert!(polled.is_pending());
}

#[test]
fn polls_are_rare_only_where_everything_is_noticed() {
    let (dir, path) = place();
    run(async {
        let mut fetcher = file(&path);
        assert_eq!(Fetcher::interval(&fetcher), INTERVAL);
        take(&mut fetcher, None).await;
        assert_eq!(Fetcher::interval(&fetcher), NET);
        let mut elsewhere = file("/proc/self/no-such-file");
        take(&mut elsewhere, None).await;
        assert_eq!(Fetcher::interval(&elsewhere), INTERVAL);
        shell(dir.path(), "ln -s loop loop");
        let mut looped = file(dir.path().join("loop"));
        assert!(looped.fetch(&current(None)).await.is_err());
        assert_eq!(Fetcher::interval(&looped), INTERVAL);
        let mut often = file(&path).interval("3s");
        take(&mut often, None).await;
        assert_eq!(Fetcher::interval(&often), Duration::from_secs(3));
    });
}

#[test]
fn ten_thousand_polls_watch_no_more_than_the_first() {
    let directory = TempDir::new().unwrap();
    shell(directory.path(), "mkdir v1 v2; echo one > v1/app; echo two > v2/app; ln -s v1 current");
    let (current, other) = (directory.path().join("current"), directory.path().join("other"));
    run(async {
        let (mut fetcher, first) = watching(&current.join("app")).await;
        std::os::unix::fs::symlink("v2", &other).unwrap();
        fs::rename(&other, &current).unwrap();
        let second = take(&mut fetcher, None).await.unwrap().validator;
        assert_eq!(fetcher.watch.count(), 2);
        for count in 0..10_000 {
            let (version, validator) = [("v1", &first), ("v2", &second)][count % 2];
            std::os::unix::fs::symlink(version, &other).unwrap();
            fs::rename(&other, &current).unwrap();
            assert!(take(&mut fetcher, validator.as_deref()).await.is_none());
        }
        assert_eq!(fetcher.watch.count(), 2);
    });
}
