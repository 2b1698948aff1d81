use super::*;
use crate::error::ErrorKind;
use crate::note::write::{Fields, Note as Written};

const TILL: Fields = Fields::of_cargo(Some("shop"), Some("till"), Some("1.2.3"));

fn note(name: &str, version: &str, target: &str) -> Note {
    Note::of_test(name, version, target)
}

const GNU: &str = "x86_64-unknown-linux-gnu";
const MUSL: &str = "x86_64-unknown-linux-musl";

fn till(version: &str) -> Note {
    note("shop/till", version, GNU)
}

fn strict() -> Acceptance {
    Acceptance::default()
}

/// What is said of one that says `found`, where `running` is in place.
fn verdict(found: &Note, running: &Note) -> Result<()> {
    let predecessors = Predecessors { running: Some(running), replaced: Some(running) };
    check(Some(found), predecessors, &strict())
}

#[test]
fn a_note_that_was_written_is_one_that_follows_itself() {
    let written = Written::<{ TILL.descriptor_len() }>::new(&TILL).parse();
    verdict(&written, &written).unwrap();
}

#[test]
fn versions_follow_in_the_order_of_semver() {
    let rising = [
        "0.9.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1-0",
        "1.0.10",
        "1.2.0",
        "2.0.0-rc.1",
        "10.0.0",
    ];
    for (index, older) in rising.iter().enumerate() {
        verdict(&till(older), &till(older)).expect("a rebuild is taken");
        for newer in &rising[index + 1..] {
            verdict(&till(newer), &till(older)).unwrap();
            let error = verdict(&till(older), &till(newer)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Note);
            let words =
                format!("it is version {older:?}, older than {newer:?}, which is in place;");
            assert!(error.to_string().starts_with(&words), "{error}");
            let allowed = Acceptance { allow_downgrade: true, ..strict() };
            let newer = till(newer);
            let predecessors = Predecessors { running: Some(&newer), replaced: None };
            check(Some(&till(older)), predecessors, &allowed).unwrap();
        }
    }
}

#[test]
fn build_metadata_makes_no_version_older() {
    for (found, running) in [("1.0.0+a", "1.0.0+b"), ("1.0.0", "1.0.0+b"), ("1.0.0+a", "1.0.0")] {
        verdict(&till(found), &till(running)).unwrap();
    }
}

#[test]
fn what_would_be_replaced_decides_and_not_what_runs() {
    let (running, newer, found) = (till("1.0.0"), till("3.0.0"), till("2.0.0"));
    let predecessors = Predecessors { running: Some(&running), replaced: Some(&newer) };
    check(Some(&found), predecessors, &strict()).unwrap_err();
    // An operator went back by hand, and the master has not followed yet.
    let predecessors = Predecessors { running: Some(&newer), replaced: Some(&running) };
    check(Some(&found), predecessors, &strict()).unwrap();
    // What lies there is nobody's, or somebody else's.
    let other = note("shop/stock", "0.1.0", GNU);
    for replaced in [None, Some(&other)] {
        let predecessors = Predecessors { running: Some(&newer), replaced };
        check(Some(&found), predecessors, &strict()).unwrap_err();
    }
}

#[test]
fn without_a_predecessor_that_says_who_it_is_nothing_is_compared() {
    let nobody = Predecessors { running: None, replaced: None };
    check(Some(&till("0.0.1")), nobody, &strict()).unwrap();
    verdict(&till("0.0.1"), &till("")).expect("it says no version");
    check(None, nobody, &strict()).unwrap_err();
    check(None, nobody, &Acceptance { allow_unmarked: true, ..strict() }).unwrap();
    check_deployed(None, None, false).expect("nor did the one that an operator replaces");
}

#[test]
fn the_libc_is_told_by_the_last_part_of_a_triple() {
    for (target, libc) in [
        (GNU, Some("glibc")),
        (MUSL, Some("musl")),
        ("x86_64-unknow-linux-musl", Some("musl")),
        ("armv7-unknown-linux-gnueabihf", Some("glibc")),
        ("x86_64-unknown-linux-gnux32", Some("glibc")),
        ("armv7-unknown-linux-musleabihf", Some("musl")),
        ("aarch64-linux-android", Some("bionic")),
        ("armv7-unknown-linux-uclibceabi", Some("uClibc")),
        ("x86_64-my_system", None),
        ("", None),
    ] {
        assert_eq!(libc_of(target), libc, "{target}");
    }
    let own = note("shop/till", "1.2.3", "x86_64-my_system");
    verdict(&till("1.2.3"), &own).expect("it may be any");
    verdict(
        &note("shop/till", "1.2.3", "x86_64-alpine-linux-musl"),
        &note("shop/till", "1.2.3", MUSL),
    )
    .unwrap();
}

/// What was found, what was expected, and what to do, in the words that an operator reads.
#[test]
fn each_refusal_says_what_was_found_what_was_expected_and_what_to_do() {
    let running = till("1.2.3");
    for (found, words) in [
        (
            note("shop/stock", "1.2.3", GNU),
            "it is the program \"shop/stock\", and this service runs \"shop/till\"; publish a \
             binary of this program, or, if it was renamed, set `name` to \"shop/till\"",
        ),
        (
            note("shop/till", "1.2.3", MUSL),
            "it is built for \"x86_64-unknown-linux-musl\", with musl, and the binary in place for \
             \"x86_64-unknown-linux-gnu\", with glibc; publish the build for \
             \"x86_64-unknown-linux-gnu\", or change the libc by hand: put the new binary in place \
             and restart",
        ),
        (
            till("1.2.2"),
            "it is version \"1.2.2\", older than \"1.2.3\", which is in place; publish a later \
             version, set `allow_downgrade`, or, to go back once, put the binary in place by hand \
             and restart",
        ),
        (
            till("2024-11"),
            "its version \"2024-11\" is not MAJOR.MINOR.PATCH, and \"1.2.3\" is in place; set \
             `version`, or take any by `allow_downgrade`",
        ),
        (
            till(""),
            "it does not say which version it is, and \"1.2.3\" is in place; set `version`, or take \
             any by `allow_downgrade`",
        ),
    ] {
        assert_eq!(verdict(&found, &running).unwrap_err().to_string(), words);
    }
    let predecessors = Predecessors { running: Some(&running), replaced: None };
    let words = "it does not say which program it is, and this service runs \"shop/till\"; publish a \
                 binary that is marked by `#[selfup::main]` or `selfup::note!()`, or set \
                 `allow_unmarked`";
    assert_eq!(check(None, predecessors, &strict()).unwrap_err().to_string(), words);
    assert_eq!(check_deployed(None, Some(&running), false).unwrap_err().to_string(), words);
    let nobody = Predecessors { running: None, replaced: None };
    let words = check(None, nobody, &strict()).unwrap_err().to_string();
    assert!(words.contains("and only binaries that do are taken; publish"), "{words}");
}

#[test]
fn an_operator_may_go_back_and_change_the_libc_but_not_the_program() {
    let running = till("1.2.3");
    let older = note("shop/till", "0.0.1", MUSL);
    check_deployed(Some(&older), Some(&running), false).unwrap();
    check_deployed(None, Some(&running), true).unwrap();
    let stock = note("shop/stock", "1.2.3", GNU);
    check_deployed(Some(&stock), Some(&running), true).unwrap_err();
    check_deployed(Some(&stock), None, false).unwrap();
}

#[test]
fn words_of_a_stranger_are_cut_and_escaped() {
    let long = format!("1.2.2-{}", "x".repeat(60_000));
    let words = verdict(&till(&long), &till("1.2.3")).unwrap_err().to_string();
    assert!(words.len() < 500 && words.contains("xxx\"..., older"), "{words}");
    let odd = note("shop/\u{202e}till", "1.2.3", GNU);
    let words = verdict(&odd, &till("1.2.3")).unwrap_err().to_string();
    assert!(words.contains("\"shop/\\u{202e}till\""), "{words}");
}
