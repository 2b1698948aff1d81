//! Where the binary lies: whose directory it is, what else happens to it, and how much room it has.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use selfup_tests::{Answer, Load, Mounted, Published, Publisher, Release, ServiceBuilder};

/// A service in a directory that its user may not write.
fn in_a_directory_of_somebody_else() -> ServiceBuilder {
    let builder = ServiceBuilder::new(&Release::good());
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = nix::unistd::geteuid().is_root();
    // Root may write everywhere, so as root this is another user.
    let mode = fs::Permissions::from_mode(if is_root { 0o755 } else { 0o555 });
    fs::set_permissions(builder.directory(), mode).expect("the directory is ours");
    if is_root { builder.under(&user) } else { builder }
}

fn url() -> (Publisher, String) {
    let source = Publisher::start(Answer::Whole(Release::good()));
    let url = source.url();
    (source, url)
}

#[test]
fn a_directory_that_cannot_be_written_is_named_and_the_service_runs_without_upgrades() {
    let (source, url) = url();
    let mut service = in_a_directory_of_somebody_else().set("FETCHER", url).start();
    let load = Load::start(service.address(), "/", 2);
    let line = service.wait_for("event upgrades_disabled: upgrades are off: ");
    let directory = format!("in directory {};", service.directory().display());
    assert!(line.contains(&directory) && line.contains("make it writable for user"), "{line}");
    service.restart(2);
    assert!(service.get("/").contains(" 2 "));
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(source.answered(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn where_upgrades_are_required_a_directory_that_cannot_be_written_ends_the_start() {
    let (_publisher, url) = url();
    let builder = in_a_directory_of_somebody_else().set("FETCHER", url).set("REQUIRED", "1");
    let mut service = builder.spawn();
    let line = service.wait_for("[selfup] error: ");
    assert!(line.contains(&format!("in directory {};", service.directory().display())), "{line}");
    assert_eq!(service.wait().code(), Some(1));
    assert!(service.lines("serving ").is_empty());
}

#[test]
fn a_deploy_by_hand_during_a_trial_stays_when_the_trial_fails() {
    let mut published = Published::start(&[("READY_TIMEOUT", "20s")]);
    let by_hand = Release::good();
    published.publisher.publish(Answer::Whole(Release::flawed("never-ready")));
    published.service.wait_for("event child_started: generation 2 ");
    by_hand.install(&published.service.binary());
    published.service.wait_for("event restart_abandoned: ");
    published.publisher.wait_for("GET 304", 2);
    published.service.assert_on_disk(&by_hand);
    assert_eq!(published.service.lines("event rolled_back: "), [""; 0]);

    let next = Release::good();
    published.upgrade(&next);
    published.service.assert_previous(&by_hand);
    assert!(published.service.stop().success());
}

#[test]
fn a_binary_that_was_removed_by_hand_can_be_put_back_by_hand() {
    let mut published = Published::start(&[]);
    let load = Load::start(published.service.address(), "/", 2);
    fs::remove_file(published.service.binary()).expect("it was there");
    let release = Release::good();
    published.publisher.publish(Answer::Whole(release.clone()));
    let line = published.service.wait_for("event upgrades_disabled: ");
    let words = format!("{} leads to no file; put the", published.service.binary().display());
    assert!(line.contains(&words), "{line}");
    published.service.assert_files(&[]);
    load.wait_for(20);
    let by_hand = Release::good();
    by_hand.install(&published.service.binary());
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&release);
    published.service.assert_previous(&by_hand);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

/// A service of a good release whose binary lies in a file system of its own.
fn on(mounted: &Mounted) -> ServiceBuilder {
    Release::good().install(&mounted.path().join("app"));
    ServiceBuilder::of(mounted.path())
}

#[test]
fn a_full_disk_is_told_before_a_download_and_the_upgrade_comes_once_there_is_room() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let builder = on(&mounted);
    fill(&mounted.path().join("ballast"));
    let source = Publisher::start(Answer::Whole(Release::good()));
    let mut published = Published::of(builder, source, &[]);
    let load = Load::start(published.service.address(), "/", 2);
    let line = published.service.wait_for_nth("event warning: ", 2);
    let free = format!("bytes are free in directory {}", mounted.path().display());
    assert!(line.contains(&free) && line.contains("; free some space"), "{line}");

    fs::remove_file(mounted.path().join("ballast")).expect("it was written");
    published.service.wait_for("event committed: generation 2 ");
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    published.service.assert_files(&[".app.selfup-previous"]);
    assert!(published.service.stop().success());
}

#[test]
fn a_disk_without_room_for_an_upgrade_is_told_at_the_start_and_ends_it_where_upgrades_are_required()
{
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let builder = on(&mounted);
    fill(&mounted.path().join("ballast"));
    // Nothing is published, so nothing has been asked for yet.
    let source = Publisher::start(Answer::Status(404));
    let mut service = builder.set("FETCHER", source.url()).start();
    let line = service.wait_for("event warning: ");
    let free =
        format!("0 bytes are free in directory {}, and a candidate of", mounted.path().display());
    assert!(line.contains(&free) && line.contains("; free some space"), "{line}");
    service.restart(2);
    assert!(service.stop().success());

    let builder = ServiceBuilder::of(mounted.path()).set("FETCHER", source.url());
    let mut required = builder.set("REQUIRED", "1").spawn();
    let line = required.wait_for("[selfup] error: ");
    assert!(line.contains(&free) && line.contains("; free some space"), "{line}");
    assert_eq!(required.wait().code(), Some(1));
}

#[test]
fn a_disk_that_is_full_when_nobody_tells_the_length_keeps_the_old_binary_and_no_part_of_the_new_one()
 {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    let builder = on(&mounted).set("FETCHER", "panics").set("RELEASE", path.clone());
    let mut service = builder.start();
    let before = fs::read(service.binary()).expect("the binary is there");
    fill(&mounted.path().join("ballast"));
    let load = Load::start(service.address(), "/", 2);
    // This fetcher does not tell the length.
    let release = Release::good();
    release.install(&path);
    let line = service.wait_for_nth("event warning: ", 2);
    let free = format!("0 bytes are free in directory {}", mounted.path().display());
    assert!(line.contains(&free) && line.contains("; free some space"), "{line}");
    assert!(fs::read(service.binary()).expect("the binary is there") == before);

    fs::remove_file(mounted.path().join("ballast")).expect("it was written");
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&release);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    service.assert_files(&[".app.selfup-previous"]);
    assert!(service.stop().success());
}

/// What has no end known to it: it stops while there is room for what the service itself writes.
fn leaves_room(bad: Answer, least: u64) {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let source = Publisher::start(Answer::Status(404));
    let mut published = Published::of(on(&mounted), source, &[]);
    let load = Load::start(published.service.address(), "/", 2);
    published.publisher.publish(bad);
    let line = published.service.wait_for("event warning: ");
    let (free, words) = line["event warning: ".len()..].split_once(' ').expect("words");
    let directory = mounted.path().display();
    let expected =
        format!("bytes are free in directory {directory}, and a candidate of more than ");
    assert!(words.starts_with(&expected) && words.ends_with("; free some space"), "{line}");
    let free: u64 = free.parse().expect("a number of bytes");
    assert!(free >= least, "{line}");
    assert_eq!(published.service.lines("event candidate_"), [""; 0]);

    published.upgrade(&Release::good());
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    published.service.assert_files(&[".app.selfup-previous"]);
    assert!(published.service.stop().success());
}

#[test]
fn a_body_without_an_end_does_not_fill_the_disk() {
    // As much as is written has to be free.
    leaves_room(Answer::Endless(Release::good()), 16 << 20);
}

#[test]
fn what_is_unpacked_does_not_fill_the_disk() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&vec![0; 16 << 20]).expect("memory takes everything");
    let member = encoder.finish().expect("memory takes everything");
    leaves_room(Answer::Whole(Release::of(member.repeat(60))), 0);
}

fn read_only(mounted: &Mounted) -> String {
    let directory = mounted.path().display();
    format!("directory {directory} is on a read-only file system; mount it read-write")
}

#[test]
fn a_read_only_file_system_turns_upgrades_off_with_the_remedy() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let builder = on(&mounted);
    mounted.forbid_writing(ROOM);
    let (_publisher, url) = url();
    let mut service = builder.set("FETCHER", url).start();
    let load = Load::start(service.address(), "/", 2);
    let line = service.wait_for("event upgrades_disabled: ");
    assert!(line.contains(&read_only(&mounted)), "{line}");
    service.restart(2);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_file_system_that_becomes_read_only_costs_the_upgrade_and_nothing_else() {
    let Some(mounted) = Mounted::try_new(ROOM) else { return };
    let release = Release::good();
    let source = Publisher::start(Answer::Status(404));
    let mut published = Published::of(on(&mounted), source, &[]);
    // It looked at the directory before it asked.
    published.publisher.wait_for("GET 404", 1);
    let load = Load::start(published.service.address(), "/", 2);
    mounted.forbid_writing(ROOM);
    published.publisher.publish(Answer::Whole(release.clone()));
    let line = published.service.wait_for("event upgrades_disabled: ");
    assert!(line.contains(&read_only(&mounted)), "{line}");
    published.service.restart(2);
    load.wait_for(20);
    mounted.resize(ROOM);
    published.service.wait_for("event committed: generation 3 ");
    published.service.assert_runs(&release);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

/// In MiB: for the binary and two copies of it.
const ROOM: usize = 256;

/// Writes until not a byte more can be written.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).expect("there is room for a name");
    let error = std::io::copy(&mut std::io::repeat(0), &mut file).expect_err("no disk is endless");
    assert_eq!(error.raw_os_error(), Some(nix::libc::ENOSPC));
}
