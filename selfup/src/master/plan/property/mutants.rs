//! The faults in `mutants.txt` are still faults of this plan. `.ci/mutants` reads the same file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// So many faults are kept at least.
const FEWEST: usize = 10;

const MUTANTS: &str = include_str!("mutants.txt");

#[derive(Debug)]
struct Mutant {
    file: &'static str,
    harm: &'static str,
    line: &'static str,
    changed: &'static str,
}

fn mutants() -> Vec<Mutant> {
    let paragraphs = MUTANTS.split("\n\n").filter(|text| !text.starts_with('#'));
    let parse = |text: &'static str| {
        let lines: Vec<_> = text.trim_end().lines().collect();
        let [head, line, changed] = lines[..] else { panic!("three lines a mutant: {text}") };
        let (file, harm) = head.split_once(": ").expect("a file, a colon, and what is wrong");
        Mutant {
            file,
            harm,
            line: line.strip_prefix("- ").expect("the line as it is, after \"- \""),
            changed: changed.strip_prefix("+ ").expect("the changed line, after \"+ \""),
        }
    };
    paragraphs.map(parse).collect()
}

#[test]
fn every_mutant_changes_a_line_that_the_plan_has_once() {
    let master = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/master");
    for mutant in mutants() {
        let text = fs::read_to_string(master.join(mutant.file)).unwrap();
        let count = text.lines().filter(|line| line.trim_start() == mutant.line).count();
        assert_eq!(count, 1, "{mutant:?}");
        assert_ne!(mutant.line, mutant.changed, "{mutant:?}");
    }
}

#[test]
fn no_mutant_is_kept_twice_and_each_says_its_harm() {
    let mutants = mutants();
    assert!(mutants.len() >= FEWEST, "only {} are left", mutants.len());
    let faults: BTreeSet<_> = mutants.iter().map(|it| (it.file, it.line, it.changed)).collect();
    assert_eq!(faults.len(), mutants.len());
    assert!(mutants.iter().all(|mutant| mutant.harm.ends_with('.')));
}
