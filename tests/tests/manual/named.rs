//! Tests that the manual names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const GUARANTEES: &str = include_str!("../../../selfup/src/manual/guarantees.md");

/// `SUITE::TEST`, where a suite is a file, or the folder of a `main.rs` or `mod.rs`.
fn tests_in(directory: &Path, found: &mut BTreeSet<String>) {
    let paths = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<_>) = paths.partition(|path| path.is_dir());
    for folder in &folders {
        tests_in(folder, found);
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|kind| kind == "rs")) {
        let stem = file.file_stem().unwrap();
        let is_folder = stem == "main" || stem == "mod";
        let suite = if is_folder { directory.file_name().unwrap() } else { stem };
        let text = fs::read_to_string(file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]");
            if let Some(name) = line.strip_prefix("fn ").and_then(|line| line.split_once('(')) {
                if is_test {
                    found.insert(format!("{}::{}", suite.to_string_lossy(), name.0));
                }
                is_test = false;
            }
        }
    }
}

fn is_test(word: &str) -> bool {
    let is_name =
        |part: &str| part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    word.split_once("::").is_some_and(|(suite, test)| is_name(suite) && is_name(test))
}

#[test]
fn every_test_that_a_promise_rests_on_is_there() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut there = BTreeSet::new();
    for directory in ["tests/tests", "selfup/src", "selfup/tests", "examples/tests"] {
        tests_in(&workspace.join(directory), &mut there);
    }
    let words = GUARANTEES.split('`').skip(1).step_by(2);
    let named: BTreeSet<_> = words.filter(|word| is_test(word)).collect();
    assert!(named.len() > 60, "{} tests are named", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !there.contains(*name)).collect();
    assert!(missing.is_empty(), "these tests are named, and are not there: {missing:#?}");
}

#[test]
fn every_row_of_a_promise_names_a_test() {
    let (promises, _) = GUARANTEES.split_once("# What is not promised").unwrap();
    for line in
        promises.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| test |"))
    {
        assert!(line.contains("::"), "{line}");
    }
}
