//! Who a candidate says it is: an older version, another libc and one that does not say are refused
//! before any of them runs, unless they are allowed.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use nix::sys::signal::Signal;
use selfup_tests::{Answer, Published, Release, Service, ServiceBuilder};

/// The version that the fixtures are built as.
const OWN: &str = env!("CARGO_PKG_VERSION");

const REFUSED: &str = "event candidate_refused: ";

/// Publishes `release`, and gives what is said when it is refused, before it was started.
fn refusal(published: &Published, release: &Release) -> String {
    let starts = published.starts("Probe");
    let before = published.service.lines(REFUSED).len();
    published.publisher.publish(Answer::Whole(release.clone()));
    let line = published.service.wait_for_nth(REFUSED, before + 1);
    let words = format!("{REFUSED}candidate {} refused: ", release.id().short());
    assert!(line.starts_with(&words), "{line}");
    assert_eq!(published.starts("Probe"), starts);
    line[words.len()..].to_owned()
}

fn assert_older(words: &str, found: &str, in_place: &str) {
    let expected = format!("it is version {found:?}, older than {in_place:?}, which is in place; ");
    assert!(words.starts_with(&expected), "{words}");
}

#[test]
fn an_old_version_that_is_published_again_is_refused() {
    let mut published = Published::start(&[]);
    let old = Release::good();
    published.succeed(&Release::good().of_version("0.3.0"));
    assert_older(&refusal(&published, &old), OWN, "0.3.0");
    assert_older(&refusal(&published, &old.of_version("0.2.9")), "0.2.9", "0.3.0");
    published.succeed(&Release::good().of_version("0.3.0"));
    published.succeed(&Release::good().of_version("0.3.1"));
    let words = "(version 0.1.0) replaced by ";
    assert!(published.service.lines(words)[0].ends_with("(version 0.3.0)"));
    assert!(published.service.stop().success());
}

#[test]
fn an_older_version_is_taken_where_that_is_allowed() {
    let published = Published::start(&[("ALLOW_DOWNGRADE", "true")]);
    published.succeed(&Release::good().of_version("0.3.0"));
    published.succeed(&Release::good().of_version("0.0.1"));
}

/// The master that compares is the first one all the time, and runs version 0.1.0.
#[test]
fn what_waits_on_disk_is_not_replaced_by_an_older_version() {
    let published = Published::start(&[("NO_RESTART_AFTER_FETCH", "true")]);
    published.publisher.publish(Answer::Whole(Release::good().of_version("0.3.0")));
    published.service.wait_for("event upgraded: ");
    assert_older(&refusal(&published, &Release::good().of_version("0.2.0")), "0.2.0", "0.3.0");
    let newest = Release::good().of_version("0.3.1");
    published.publisher.publish(Answer::Whole(newest.clone()));
    published.service.wait_for_nth("event upgraded: ", 2);
    published.service.assert_on_disk(&newest);
}

#[test]
fn a_master_that_follows_no_upgrade_compares_with_what_its_program_runs() {
    let published = Published::start(&[("UPGRADE_MASTER", "false")]);
    published.upgrade(&Release::good().of_version("0.3.0"));
    assert_older(&refusal(&published, &Release::good().of_version("0.2.0")), "0.2.0", "0.3.0");
    published.upgrade(&Release::good().of_version("0.3.1"));
}

#[test]
fn who_goes_back_by_hand_is_offered_what_was_too_old_before() {
    let published = Published::start(&[]);
    published.succeed(&Release::good().of_version("0.3.0"));
    let between = Release::good().of_version("0.2.0");
    assert_older(&refusal(&published, &between), "0.2.0", "0.3.0");
    published.publisher.wait_for("GET 304", 2);

    Release::good().install(&published.service.binary());
    published.service.signal(Signal::SIGUSR2);
    published.service.wait_for("event committed: generation 3 ");
    // Nobody publishes anything new.
    published.service.wait_for("event committed: generation 4 ");
    published.service.assert_runs(&between);
}

#[test]
fn what_failed_on_its_trial_is_no_version_to_be_newer_than() {
    let published = Published::start(&[]);
    published.publisher.publish(Answer::Whole(Release::flawed("exits").of_version("0.9.0")));
    let line = published.service.wait_for("event rolled_back: ");
    assert!(line.contains("(version 0.9.0) rolled back to "), "{line}");
    published.upgrade(&Release::good());
}

#[test]
fn a_build_for_another_libc_is_refused_and_taken_by_hand() {
    let mut published = Published::start(&[]);
    let (gnu, musl) = ("x86_64-unknown-linux-gnu", "x86_64-unknow-linux-musl");
    let other = if cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        Release::good().of_target(gnu, musl)
    } else {
        return;
    };
    let words = refusal(&published, &other);
    let expected = format!(
        "it is built for {musl:?}, with musl, and the binary in place for {gnu:?}, with glibc; \
         publish the build for {gnu:?}"
    );
    assert!(words.starts_with(&expected), "{words}");
    other.install(&published.service.binary());
    published.service.signal(Signal::SIGUSR2);
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&other);
    assert!(published.service.stop().success());
}

#[test]
fn a_program_that_does_not_say_who_it_is_is_refused_unless_it_may_be_any() {
    let (plain, unmarked) = (Release::of_fixture("plain"), "it does not say which program it is");
    let published = Published::start(&[]);
    assert!(refusal(&published, &plain).starts_with(unmarked));
    // The program is another one, but there is no telling.
    let published = Published::start(&[("ALLOW_UNMARKED", "true")]);
    published.publisher.publish(Answer::Whole(plain.clone()));
    published.service.wait_for("event upgraded: ");
    published.service.assert_on_disk(&plain);
}

/// A service of a program that places its note itself, and the path that it watches.
fn marked(release: &Release) -> (Service, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    (ServiceBuilder::new(release).set("FETCHER", path).start(), directory)
}

#[test]
fn a_program_without_the_attribute_says_who_it_is_by_a_macro() {
    let first = Release::of_fixture("marked");
    let (mut service, directory) = marked(&first);
    let path = directory.path().join("published");
    service.wait_for(&format!("version 1 {OWN}"));

    Release::of_fixture("plain").install(&path);
    service.wait_for(
        "it does not say which program it is, and this service runs \"selfup-tests/marked",
    );
    Release::good().install(&path);
    service.wait_for("it is the program \"selfup-tests/server\", and this service runs");
    first.of_version("0.0.9").again().install(&path);
    service.wait_for("it is version \"0.0.9\", older than");

    let next = first.of_version("0.2.0").again();
    next.install(&path);
    service.wait_for("event committed: generation 2 ");
    service.wait_for("version 2 0.2.0");
    service.assert_on_disk(&next);
    assert!(service.stop().success());
}
