//! Several versions, of which the newest is meant.

use std::os::unix::fs::symlink;

use super::*;

/// What is taken, if anything is new.
async fn taken(fetcher: &mut File, known: &mut Option<String>) -> Option<String> {
    match fetcher.fetch(&current(known.as_deref())).await.unwrap() {
        Fetched::Unchanged => None,
        Fetched::Binary(download) => {
            *known = download.get_validator().map(Into::into);
            Some(content(download).await)
        }
    }
}

fn put(directory: &TempDir, names: &[&str]) {
    for name in names {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
}

#[test]
fn the_newest_version_is_taken_and_a_newer_one_after_it() {
    let directory = TempDir::new().unwrap();
    let mut fetcher = file(directory.path().join("app-*"));
    let mut known = None;
    run(async {
        assert_eq!(taken(&mut fetcher, &mut known).await, None);
        put(&directory, &["app-1.9.0", "app-1.10.0", "app-2.0.0-rc.1", "app-3", "app", "app-x"]);
        put(&directory, &["app-1.10.0.minisig", "other-9.0.0", ".app-9.0.0.tmp"]);
        assert_eq!(taken(&mut fetcher, &mut known).await.as_deref(), Some("app-1.10.0"));
        assert_eq!(taken(&mut fetcher, &mut known).await, None);
        put(&directory, &["app-v2.0.0"]);
        assert_eq!(taken(&mut fetcher, &mut known).await.as_deref(), Some("app-v2.0.0"));
        // Of the same version, the last by its metadata.
        put(&directory, &["app-2.0.0+9", "app-2.0.0+10"]);
        assert_eq!(taken(&mut fetcher, &mut known).await.as_deref(), Some("app-2.0.0+10"));
        put(&directory, &["app-1.99.0"]);
        assert_eq!(taken(&mut fetcher, &mut known).await, None);
    });
}

#[test]
fn a_pre_release_is_taken_where_it_counts() {
    let directory = TempDir::new().unwrap();
    put(&directory, &["app-1.0.0", "app-1.1.0-rc.2", "app-1.1.0-rc.10", "app-1.1.0-rc.10.minisig"]);
    let mut fetcher = file(directory.path().join("app-*")).prerelease(true);
    let found = run(async { taken(&mut fetcher, &mut None).await });
    assert_eq!(found.as_deref(), Some("app-1.1.0-rc.10"));
}

#[test]
fn a_version_without_its_binary_is_not_published_yet() {
    let directory = TempDir::new().unwrap();
    put(&directory, &["1.0.0/bin/app", "1.1.0/bin/other", "1.2.0", "current/bin/app"]);
    let mut fetcher = file(directory.path().join("*/bin/app"));
    let mut known = None;
    run(async {
        let first = taken(&mut fetcher, &mut known).await;
        assert_eq!(first.as_deref(), Some("1.0.0/bin/app"));
        assert_eq!(taken(&mut fetcher, &mut known).await, None);
        put(&directory, &["1.1.0/bin/app"]);
        let second = taken(&mut fetcher, &mut known).await;
        assert_eq!(second.as_deref(), Some("1.1.0/bin/app"));
        symlink("nowhere", directory.path().join("9.0.0")).unwrap();
        assert_eq!(taken(&mut fetcher, &mut known).await, None);
    });
}

#[test]
fn a_directory_in_the_place_of_the_newest_version_is_an_error() {
    let directory = TempDir::new().unwrap();
    put(&directory, &["app-1.0.0", "app-2.0.0/app"]);
    let mut fetcher = file(directory.path().join("app-*"));
    let message = run(fetcher.fetch(&current(None))).unwrap_err().to_string();
    assert!(message.ends_with("app-2.0.0 is a directory; name the binary in it"), "{message}");
    fs::remove_dir_all(directory.path().join("app-2.0.0")).unwrap();
    run(async { assert!(taken(&mut fetcher, &mut None).await.is_some()) });
}

#[test]
fn a_directory_with_too_many_entries_is_not_read_to_its_end() {
    let directory = TempDir::new().unwrap();
    for count in 0..10_000 {
        fs::File::create(directory.path().join(count.to_string())).unwrap();
    }
    put(&directory, &["app-1.0.0"]);
    let mut fetcher = file(directory.path().join("app-*"));
    let message = run(fetcher.fetch(&current(None))).unwrap_err().to_string();
    assert!(message.contains("has more than 10000 entries; remove old versions"), "{message}");
    fs::remove_file(directory.path().join("0")).unwrap();
    run(async { assert!(taken(&mut fetcher, &mut None).await.is_some()) });
}
