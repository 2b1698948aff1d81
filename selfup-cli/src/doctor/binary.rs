//! What the binary says about itself, and whether a candidate would follow it.

use std::path::Path;

use selfup::__cli::{Look, look, may_follow};
use selfup::note::Note;

use super::finding::{Findings, Verdict};
use super::subject::Subject;
use crate::inspect::{self, glibc};

pub(super) fn examine(subject: &Subject, findings: &mut Findings) {
    let looked = match look(&subject.seen) {
        Ok(looked) => looked,
        Err(error) => return findings.checked("binary", Verdict::Failure, Err(error), ""),
    };
    let Look { note, problem, machine, .. } = looked;
    let whole = format!("a whole binary for this machine ({machine})");
    findings.checked("binary", Verdict::Failure, problem.map_or(Ok(()), Err), whole);
    marked(note.as_ref(), findings);
    running(subject, note.as_ref(), findings);
    if let Some(candidate) = &subject.candidate {
        follow(candidate, note.as_ref(), findings);
    }
}

fn marked(note: Option<&Note>, findings: &mut Findings) {
    match note {
        Some(note) => {
            let (name, version, target) = (note.name(), note.version(), note.target());
            findings.ok("note", format!("{name} {version}, for {target}"));
        }
        None => findings.warn(
            "note",
            "the binary does not say which program it is, so releases of any program would follow it",
            "mark it by `#[selfup::main]` or `selfup::note!()`",
        ),
    }
}

/// What the service executes may be another program than what lies at its path by now.
fn running(subject: &Subject, note: Option<&Note>, findings: &mut Findings) {
    let Some(master) = subject.master else { return };
    let Ok(running) = selfup::note::read(format!("/proc/{master}/exe")) else { return };
    match (running, note) {
        (Some(running), Some(note)) if running.name() != note.name() => findings.fail(
            "program",
            format!(
                "the service runs {}, and {} lies at its path: the next restart is refused",
                running.name(),
                note.name()
            ),
            "put a binary of the service's own program there",
        ),
        (Some(running), None) => findings.fail(
            "program",
            format!(
                "the service runs {}, and what lies at its path does not say what it is",
                running.name()
            ),
            "put a binary of the service's own program there",
        ),
        _ => findings.ok("program", "the service runs the program that lies at its path"),
    }
}

/// Whether `candidate` would be taken in place of the binary.
fn follow(candidate: &Path, note: Option<&Note>, findings: &mut Findings) {
    let shown = candidate.display();
    if let Err(error) = inspect::open(candidate) {
        let found = format!("{shown} cannot be read: {error}");
        return findings.fail("candidate", found, "name the file that is to be published");
    }
    let looked = match look(candidate) {
        Ok(looked) => looked,
        Err(error) => return findings.checked("candidate", Verdict::Failure, Err(error), ""),
    };
    if let Some(problem) = looked.problem {
        return findings.checked("candidate", Verdict::Failure, Err(problem), "");
    }
    let (running, place) =
        (may_follow(looked.note.as_ref(), note), format!("{shown} would be taken"));
    findings.checked("candidate", Verdict::Failure, running, place);
    let problem = glibc::of(candidate).and_then(|glibc| glibc.problem());
    match problem {
        Some(problem) => {
            let (found, advice) = problem.split_once("; ").unwrap_or((&problem, ""));
            findings.fail("glibc", format!("{shown}: {found}"), advice);
        }
        None => findings.ok("glibc", format!("{shown} needs no newer one than is here")),
    }
}
