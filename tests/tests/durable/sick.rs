//! Disks that fall ill while a service runs, and get well again.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use selfup_tests::{Answer, Load, Mounted, Publisher, Release, Service, eventually};

use crate::site::builder;

/// A service in `directory` whose clients are all answered, while it falls `ill` and until it is
/// `cured`; it is told of `words`, and upgraded after that.
fn assert_unharmed(
    directory: &Path,
    ill: impl FnOnce(&Service),
    cured: impl FnOnce(&Service),
    words: &[&str],
) {
    let current = Release::good();
    current.install(&directory.join("app"));
    let publisher = Publisher::start(Answer::Whole(current));
    let mut service = builder(directory, &publisher).start();
    publisher.wait_for("GET 304", 1);
    let (pid, load) = (service.pid(), Load::start(service.address(), "/", 2));
    ill(&service);
    let release = Release::good();
    publisher.publish(Answer::Whole(release.clone()));
    let told = eventually("it is told", || {
        let mut lines = service.lines("event ").into_iter();
        lines.find(|line| words.iter().all(|word| line.contains(word)))
    });
    assert!(told.contains(&directory.display().to_string()), "{told}");
    load.wait_for(20);
    cured(&service);
    service.wait_for("event committed: generation 2 ");
    assert_eq!(load.stop(), [""; 0]);
    service.assert_runs(&release);
    assert_eq!(service.pid(), pid);
    assert!(service.stop().success());
}

#[test]
fn a_file_system_that_becomes_noexec_costs_the_upgrade_and_nothing_else() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let ill = |_: &Service| mounted.forbid_executing(ROOM);
    let cured = |_: &Service| mounted.resize(ROOM);
    assert_unharmed(mounted.path(), ill, cured, &["noexec", "mount it with exec"]);
}

#[test]
fn a_binary_that_is_mounted_over_its_path_is_named_as_a_mount_point() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let binary = mounted.path().join("app");
    let none = None::<&str>;
    let ill = |_: &Service| {
        mount(Some(&binary), &binary, none, MsFlags::MS_BIND, none).expect("root may mount");
    };
    let cured = |_: &Service| umount2(&binary, MntFlags::MNT_DETACH).expect("it is mounted");
    assert_unharmed(mounted.path(), ill, cured, &["it is a mount point; mount its directory"]);
}

#[test]
fn a_directory_that_is_moved_away_costs_the_upgrade_until_it_is_back() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let (place, away) = (temporary.path().join("place"), temporary.path().join("away"));
    fs::create_dir(&place).expect("it can be made");
    let ill = |_: &Service| fs::rename(&place, &away).expect("it is ours");
    let cured = |_: &Service| fs::rename(&away, &place).expect("it is ours");
    assert_unharmed(&place, ill, cured, &["leads to no file; put the binary there"]);
}

#[test]
fn a_directory_that_is_removed_costs_the_upgrade_until_the_binary_is_put_back() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let place = temporary.path().join("place");
    fs::create_dir(&place).expect("it can be made");
    let ill = |_: &Service| fs::remove_dir_all(&place).expect("it is ours");
    let cured = |_: &Service| {
        fs::create_dir(&place).expect("it can be made");
        Release::good().install(&place.join("app"));
    };
    assert_unharmed(&place, ill, cured, &["leads to no file; put the binary there"]);
}

/// In MiB: for the binary and two copies of it.
const ROOM: usize = 256;
