//! Every mistake in `#[selfup::main]` that has words of its own, and every use that must compile.
//!
//! `tests/main/<room>/fail/<sentence>.rs` holds one mistake, the `.stderr` beside it what the
//! compiler says. The words in all rooms but `types` are selfup's, and change with selfup only;
//! those in `types` are the compiler's, and a new toolchain may change them. `TRYBUILD=overwrite
//! cargo test -p ui-tests` writes them anew; read each before keeping it.

use std::fs;

#[test]
fn mistakes_in_the_words_of_selfup() {
    let cases = trybuild::TestCases::new();
    for room in fs::read_dir("tests/main").unwrap() {
        let room = room.unwrap().path();
        if !room.ends_with("types") && room.join("fail").is_dir() {
            cases.compile_fail(room.join("fail/*.rs"));
        }
    }
}

#[test]
fn mistakes_in_the_words_of_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/main/types/fail/*.rs");
}

#[test]
fn what_must_compile() {
    trybuild::TestCases::new().pass("tests/main/*/pass/*.rs");
}

#[test]
fn a_package_that_renamed_selfup() {
    let _: fn() -> std::process::ExitCode = ui_tests_renamed::main;
}
