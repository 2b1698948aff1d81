//! Bad binaries: each is refused or rolled back, and costs the service nothing.
//!
//! Refused are those that never take the place of the binary, rolled back those that do and then
//! fail. What they have in common is in [`offer`].
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;

use selfup_tests::{Answer, Load, Published, Release, ServiceBuilder};

/// What becomes of a bad binary, and what it may cost.
struct Expected {
    /// In this event it is told why.
    event: &'static str,
    words: &'static [&'static str],
    /// How often it is started as a probe and as a child; only a fixture tells.
    starts: (usize, usize),
    /// How many requests may be lost: those that it accepted itself.
    lost: usize,
}

/// Refused by its bytes, before any of it ran.
fn is_no_binary(release: &Release, words: &'static [&'static str]) {
    let event = "event candidate_refused: ";
    offer(release, &[], &Expected { event, words, starts: (0, 0), lost: 0 });
}

/// Refused by a probe of a program that is no fixture, and so does not count its starts; where one
/// need not say who it is.
fn fails_as_a_stranger(path: &str, words: &'static [&'static str]) {
    let event = "event candidate_refused: ";
    let expected = Expected { event, words, starts: (0, 0), lost: 0 };
    // Or it would not be started at all.
    offer(&Release::program(path), &[("ALLOW_UNMARKED", "true")], &expected);
}

fn fails_its_probe(flaw: &str, words: &'static [&'static str]) {
    let event = "event candidate_refused: ";
    offer(&Release::flawed(flaw), &[], &Expected { event, words, starts: (1, 0), lost: 0 });
}

fn is_rolled_back(flaw: &str, variables: &[(&str, &str)], words: &'static [&'static str]) {
    let event = "event restart_abandoned: ";
    offer(&Release::flawed(flaw), variables, &Expected { event, words, starts: (1, 1), lost: 0 });
}

/// Publishes `bad` to a service under load, and a good release after it.
fn offer(bad: &Release, variables: &[(&str, &str)], expected: &Expected) {
    let mut published = Published::start(variables);
    let service = &published.service;
    let before = fs::read(service.binary()).expect("the binary is there");
    let (peak, anonymous) = (service.memory("VmHWM"), service.memory("RssAnon"));
    let load = Load::start(service.address(), "/", 2);

    published.publisher.publish(Answer::Whole(bad.clone()));
    let line = service.wait_for(expected.event);
    for words in expected.words {
        assert!(line.contains(words), "{words:?} is not in {line}");
    }
    // It is known by its tag from now on, and not sent again.
    published.publisher.wait_for("GET 304", 3);
    load.wait_for(20);

    assert!(fs::read(service.binary()).expect("the binary is there") == before, "another binary");
    service.assert_files(&[]);
    assert_eq!(service.lines(expected.event), [line]);
    assert_eq!(service.lines("event rolled_back: ").len(), expected.starts.1);
    assert!(service.lines("event committed: ").is_empty());
    let grown = service.memory("RssAnon").saturating_sub(anonymous);
    assert!(grown <= 4 * 1024, "the master grew by {grown} KiB");
    let grown = service.memory("VmHWM").saturating_sub(peak);
    assert!(grown <= 8 * 1024, "at its highest the master had grown by {grown} KiB");

    let history = service.history().expect("it is remembered");
    assert!(history.contains(&bad.id().to_string()), "{history}");

    published.upgrade(&Release::good());
    load.wait_for(20);
    let lost = load.stop();
    assert!(lost.len() <= expected.lost, "{lost:#?}");
    let (probes, children) = expected.starts;
    assert_eq!(published.starts("Probe"), probes + 1, "one of them is the good one's");
    assert_eq!(published.starts("Child"), children + 2, "the first, and the good one's");
    assert!(published.service.stop().success());
}

#[test]
fn an_empty_file_is_refused() {
    is_no_binary(&Release::of(""), &["the file is empty; publish the whole binary"]);
}

#[test]
fn a_text_file_is_refused_and_never_run_by_a_shell() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ran = directory.path().join("ran");
    let script = format!("#!/bin/sh\ntouch {}\nsleep 60\n", ran.display());
    is_no_binary(&Release::of(script), &["it is no ELF binary, for it begins with \"#!/bin/sh"]);
    let script = format!("touch {}\nsleep 60\n", ran.display());
    is_no_binary(&Release::of(script), &["it is no ELF binary, for it begins with \"touch "]);
    assert!(!ran.exists());
}

#[test]
fn a_page_that_says_not_found_is_refused() {
    let page = "<html><body>The file was not found on this server.</body></html>";
    is_no_binary(&Release::of(page), &["for it begins with \"<html>", "see what the source"]);
}

#[test]
fn random_bytes_are_refused() {
    let mut random = vec![0; 1 << 20];
    let mut source = fs::File::open("/dev/urandom").expect("the system has random bytes");
    std::io::Read::read_exact(&mut source, &mut random).expect("there are always more");
    is_no_binary(&Release::of(random), &["it is no ELF binary, for it begins with"]);
}

#[test]
fn random_bytes_behind_a_good_header_are_refused() {
    let mut bytes = Release::good().bytes().to_vec();
    let mut source = fs::File::open("/dev/urandom").expect("the system has random bytes");
    std::io::Read::read_exact(&mut source, &mut bytes[64..]).expect("there are always more");
    // Whatever they are taken for.
    is_no_binary(&Release::of(bytes), &[]);
}

#[test]
fn the_first_half_of_a_binary_is_refused() {
    let half = Release::cut_short(0).bytes().len() / 2;
    is_no_binary(&Release::cut_short(half), &["it is cut off: the file ends after "]);
}

#[test]
fn a_binary_without_its_last_hundred_bytes_is_refused() {
    is_no_binary(&Release::cut_short(100), &["it is cut off: the file ends after "]);
}

#[test]
fn a_binary_without_its_last_byte_is_refused() {
    is_no_binary(&Release::cut_short(1), &["it is cut off: the file ends after "]);
}

#[test]
fn another_program_is_refused_by_its_note() {
    let words = &[
        "it is the program \"selfup-tests/stateless\", and this service runs",
        "\"selfup-tests/server\"; publish a binary of this program",
    ];
    is_no_binary(&Release::of_fixture("stateless"), words);
}

#[test]
fn a_program_that_says_nothing_of_itself_is_refused_unstarted() {
    let words = &[
        "it does not say which program it is, and this service runs \"selfup-tests/server\"",
        "`selfup::note!()`, or set `allow_unmarked`",
    ];
    is_no_binary(&Release::program("/usr/bin/yes"), words);
}

#[test]
fn a_program_that_ends_at_once_is_refused() {
    fails_as_a_stranger("/bin/true", &["it ended without an answer, with exit status 0"]);
}

#[test]
fn a_program_that_reads_its_input_is_refused() {
    fails_as_a_stranger("/bin/cat", &["it ended without an answer, with exit status 0"]);
}

#[test]
fn a_program_that_prints_without_end_is_refused() {
    let words = &["it printed more than 1048576 bytes and was killed", "it printed \"y\\ny\\n"];
    fails_as_a_stranger("/usr/bin/yes", words);
}

#[test]
fn a_probe_that_hangs_is_killed() {
    fails_its_probe("probe-hangs", &["it did not answer within 5s and was killed"]);
}

#[test]
fn a_probe_that_prints_without_end_is_killed() {
    fails_its_probe(
        "probe-prints",
        &["it printed more than 1048576 bytes and was killed", "and another line of it"],
    );
}

#[test]
fn a_probe_that_fails_is_told_with_what_it_printed() {
    fails_its_probe(
        "probe-fails",
        &["it ended without an answer", "the fixture fails its probe, as the test asks it to"],
    );
}

#[test]
fn a_binary_whose_config_cannot_work_is_refused() {
    fails_its_probe("bad-config", &["its config cannot work here: ", "nowhere"]);
}

#[test]
fn a_binary_that_exits_at_its_start_is_rolled_back() {
    is_rolled_back(
        "exits",
        &[],
        &["generation 2 failed", "it ended before its time: exit status 9"],
    );
}

#[test]
fn a_binary_that_crashes_at_its_start_is_rolled_back() {
    is_rolled_back(
        "crashes",
        &[],
        &["generation 2 failed", "it ended before its time: signal SIGABRT"],
    );
}

#[test]
fn a_binary_that_is_never_ready_is_rolled_back() {
    // The good one that comes after it has no longer.
    let words = &["it was not ready within 15s", "raise `ready_timeout`"];
    is_rolled_back("never-ready", &[("READY_TIMEOUT", "15s")], words);
}

#[test]
fn a_binary_that_dies_on_probation_is_rolled_back_and_costs_what_it_accepted() {
    let event = "event restart_abandoned: ";
    let words = &["generation 2 failed", "it ended before its time: exit status 8"];
    // It accepts one connection, and ends without an answer.
    let expected = Expected { event, words, starts: (1, 1), lost: 1 };
    offer(&Release::flawed("dies-soon"), &[("PROBATION", "3s")], &expected);
}

#[test]
fn bad_files_are_refused_one_after_another_and_a_good_one_after_them_is_taken() {
    let first = Release::good();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    let builder = ServiceBuilder::new(&first).set("FETCHER", path.clone());
    let mut service = builder.set("READY_TIMEOUT", "15s").start();
    let load = Load::start(service.address(), "/", 2);
    let half = Release::cut_short(0).bytes().len() / 2;
    let bad = [
        (Release::of(""), "the file is empty"),
        (Release::of("#!/bin/sh\nsleep 60\n"), "it is no ELF binary"),
        (Release::program("/bin/true"), "it does not say which program it is"),
        (Release::of_fixture("stateless"), "it is the program \"selfup-tests/stateless\""),
        (Release::cut_short(half), "it is cut off"),
        (Release::cut_short(100), "it is cut off"),
        (Release::flawed("probe-fails"), "it ended without an answer"),
        (Release::flawed("bad-config"), "its config cannot work here"),
        (Release::flawed("exits"), "generation 2 failed: it ended before its time"),
        (Release::flawed("never-ready"), "generation 3 failed: it was not ready within 15s"),
    ];
    for (count, (release, words)) in bad.iter().enumerate() {
        // Executable or not makes no difference.
        if count % 2 == 0 {
            release.install(&path);
        } else {
            // One that is written where it is looked for looks whole in every pause of its writer.
            let beside = directory.path().join("beside");
            fs::write(&beside, release.bytes()).expect("the file can be written");
            fs::rename(&beside, &path).expect("the file can be renamed");
        }
        service.wait_for(words_of(release, words).as_str());
        service.assert_files(&[]);
        service.assert_runs(&first);
    }
    let good = Release::good();
    good.install(&path);
    service.wait_for("event committed: generation 4 ");
    service.assert_runs(&good);
    service.assert_previous(&first);
    assert_eq!(service.lines("event candidate_staged: ").len(), bad.len() + 1);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

/// A refusal names the candidate, a rollback the generation.
fn words_of(release: &Release, words: &str) -> String {
    if words.starts_with("generation ") {
        return words.to_owned();
    }
    format!("candidate {} refused: {words}", release.id().short())
}
