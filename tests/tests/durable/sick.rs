//! Disks that fall ill while a service runs, and get well again.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use selfup_tests::{
    Answer, Load, Mounted, Publisher, Release, Service, ServiceBuilder, eventually,
};

use crate::site::builder;
use crate::yard::Yard;

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
    assert_one_unharmed(directory, |builder| builder, ill, cured, words);
}

/// The same for the binary that is in `directory` already, started as `set` says.
fn assert_one_unharmed(
    directory: &Path,
    set: impl FnOnce(ServiceBuilder) -> ServiceBuilder,
    ill: impl FnOnce(&Service),
    cured: impl FnOnce(&Service),
    words: &[&str],
) {
    let publisher = Publisher::start(Answer::Status(304));
    let mut service = set(builder(directory, &publisher)).start();
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

#[test]
fn a_directory_that_becomes_unwritable_costs_the_upgrade_and_nothing_else() {
    let yard = Yard::new(&Release::good());
    let set = |builder: ServiceBuilder| yard.started_by_its_user(builder);
    let (ill, cured) = (|_: &Service| yard.may_write(false), |_: &Service| yard.may_write(true));
    let words = ["Permission denied", "make it writable for user"];
    assert_one_unharmed(yard.directory(), set, ill, cured, &words);
}

/// It lies in the `state_dir`: the directory of the binary has room, and the release comes.
#[test]
fn a_history_that_finds_no_space_is_told_and_costs_no_upgrade() {
    let Some(state) = state_dir() else { return };
    let place = tempfile::tempdir().expect("a temporary directory");
    let current = Release::good();
    current.install(&place.path().join("app"));
    let publisher = Publisher::start(Answer::Whole(current));
    let builder = builder(place.path(), &publisher).set("STATE_DIR", state.path());
    let mut service = builder.start();
    publisher.wait_for("GET 304", 1);
    let (pid, load) = (service.pid(), Load::start(service.address(), "/", 2));
    let ballast = fill(&state);
    let release = Release::good();
    publisher.publish(Answer::Whole(release.clone()));
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&release);
    assert_no_history(&service, &state);

    fs::remove_file(ballast).expect("it was written");
    let next = Release::good();
    publisher.publish(Answer::Whole(next.clone()));
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&next);
    eventually("it is remembered", || is_remembered(&state, &next).then_some(()));
    assert_eq!(service.lines("event warning: the history ").len(), 1);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.pid(), pid);
    assert!(service.stop().success());
}

/// The next master has nothing but the note of the trial.
#[test]
fn a_release_that_fails_while_its_history_finds_no_space_is_left_alone_by_the_next_master() {
    let Some(state) = state_dir() else { return };
    let place = tempfile::tempdir().expect("a temporary directory");
    let current = Release::good();
    current.install(&place.path().join("app"));
    let publisher = Publisher::start(Answer::Whole(current.clone()));
    let builder = || builder(place.path(), &publisher).set("STATE_DIR", state.path());
    let mut service = builder().start();
    publisher.wait_for("GET 304", 1);
    let load = Load::start(service.address(), "/", 2);
    let ballast = fill(&state);
    let bad = Release::flawed("unwell-at-start");
    publisher.publish(Answer::Whole(bad.clone()));
    service.wait_for("event rolled_back: ");
    assert_no_history(&service, &state);
    publisher.wait_for("GET 304", 2);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    service.signal(Signal::SIGKILL);
    service.wait();
    service.processes().wait_until_gone();

    let mut again = builder().start();
    publisher.wait_for("GET 304", 2);
    assert_eq!(again.lines("event upgraded: "), [""; 0]);
    again.assert_runs(&current);
    again.assert_files(&[".app.selfup-trial"]);
    fs::remove_file(ballast).expect("it was written");
    eventually("it is remembered", || is_remembered(&state, &bad).then_some(()));
    eventually("the note is gone", || again.files().is_empty().then_some(()));
    assert!(again.stop().success());
}

/// Takes all the space that there is.
fn fill(state: &Mounted) -> PathBuf {
    let ballast = state.path().join("ballast");
    let mut file = fs::File::create(&ballast).expect("there is room for a name");
    let error = std::io::copy(&mut std::io::repeat(0), &mut file).expect_err("it is small");
    assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));
    ballast
}

/// That the service says where its history could not be written, why, and what to do.
fn assert_no_history(service: &Service, state: &Mounted) {
    let told = service.wait_for("event warning: the history ");
    let is_named = told.contains(&state.path().display().to_string());
    let is_helpful = told.contains("has free space") && told.contains("(os error 28)");
    assert!(is_named && is_helpful, "{told}");
}

/// A file system with room for a history, which nobody else may write.
fn state_dir() -> Option<Mounted> {
    let state = Mounted::try_new(1)?;
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(state.path(), mode).expect("it is ours");
    Some(state)
}

/// Whether a history there knows `release`.
fn is_remembered(state: &Mounted, release: &Release) -> bool {
    let files = fs::read_dir(state.path()).expect("it is mounted").flatten();
    let mut texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.any(|text| text.contains(&release.id().to_string()))
}

/// No rename leads from one of them to another.
#[test]
fn a_link_into_another_file_system_and_a_state_dir_on_a_third_are_upgraded_through() {
    let (Some(mounted), Some(state)) = (Mounted::try_new(ROOM), state_dir()) else { return };
    let place = tempfile::tempdir().expect("a temporary directory");
    let link = place.path().join("linked");
    symlink(mounted.path().join("app"), &link).expect("it can be made");
    let current = Release::good();
    current.install(&mounted.path().join("app"));
    let publisher = Publisher::start(Answer::Whole(current.clone()));
    // With restarts of the master, too: it goes by the link again.
    let builder = builder(mounted.path(), &publisher).set("UPGRADE_MASTER", "true");
    let mut service = builder.through(&link).set("STATE_DIR", state.path()).start();
    publisher.wait_for("GET 304", 1);
    let (pid, load) = (service.pid(), Load::start(service.address(), "/", 2));
    let mut previous = current;
    for generation in 2..=3 {
        let release = Release::good();
        publisher.publish(Answer::Whole(release.clone()));
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
        service.assert_previous(&previous);
        eventually("it is remembered", || is_remembered(&state, &release).then_some(()));
        previous = release;
    }
    assert_eq!(fs::read_link(&link).expect("it is a link"), mounted.path().join("app"));
    assert_eq!(fs::read_dir(place.path()).expect("it is ours").count(), 1, "only the link");
    assert_eq!(service.history(), None);
    assert_eq!(service.lines("event warning: ").len(), 0, "{:?}", service.lines("event "));
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(service.pid(), pid);
    assert!(service.stop().success());
}

/// In MiB: for the binary and two copies of it.
const ROOM: usize = 256;
