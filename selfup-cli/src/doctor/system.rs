//! The machine: its clock, and its policy.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::finding::Findings;
use super::subject::Subject;

pub(super) fn examine(subject: &Subject, findings: &mut Findings) {
    clock(subject, findings);
    selinux(subject, findings);
}

/// Certificates are compared with the clock, and so are the times of the history.
fn clock(subject: &Subject, findings: &mut Findings) {
    let changed = subject.seen.metadata().and_then(|metadata| metadata.modified());
    match hand(SystemTime::now(), changed.ok()) {
        Hand::Right => findings.ok("clock", "it is later than the binary"),
        Hand::Behind => findings.warn(
            "clock",
            "the binary was changed in the future, so the clock is behind, or was",
            "set it, and have it kept by NTP; if it is right, `touch` the binary",
        ),
        Hand::YearsBehind => findings.fail(
            "clock",
            "the clock shows a year before this version of selfup was made: no certificate is good then",
            "set it, and have it kept by NTP",
        ),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Hand {
    Right,
    Behind,
    YearsBehind,
}

fn hand(now: SystemTime, changed: Option<SystemTime>) -> Hand {
    if now < UNIX_EPOCH + BUILT {
        Hand::YearsBehind
    } else if changed.is_some_and(|changed| changed > now + DAY) {
        Hand::Behind
    } else {
        Hand::Right
    }
}

/// A new file has the label of its directory, and setting another is a right of its own.
fn selinux(subject: &Subject, findings: &mut Findings) {
    let enforce = std::fs::read_to_string("/sys/fs/selinux/enforce").unwrap_or_default();
    if enforce.trim() != "1" {
        return findings.ok("selinux", "it does not enforce anything here");
    }
    let label = |path: &Path| {
        let label = xattr::get(path, "security.selinux").ok().flatten();
        let label = label.map(|label| String::from_utf8_lossy(&label).into_owned());
        label.unwrap_or_default().trim_end_matches('\0').to_owned()
    };
    let (binary, directory) = (label(&subject.seen), label(subject.directory()));
    if kind(&binary) == kind(&directory) {
        return findings.ok("selinux", format!("enforcing; binary and directory are {binary}"));
    }
    findings.warn(
        "selinux",
        format!(
            "enforcing; the binary is {binary:?}, and its directory {directory:?}: the label of a \
             candidate is set to the binary's, for which the service needs `relabelto`"
        ),
        "allow that in its policy, or give the directory the type of the binary by semanage fcontext",
    );
}

/// The third part of a label, which rules are about.
fn kind(label: &str) -> &str {
    label.split(':').nth(2).unwrap_or(label)
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The beginning of 2026, since 1970.
const BUILT: Duration = Duration::from_secs(1_767_225_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_known_by_its_year() {
        let built = UNIX_EPOCH + BUILT;
        assert_eq!(hand(UNIX_EPOCH + DAY, Some(built)), Hand::YearsBehind);
        assert_eq!(hand(built + DAY, Some(built + 3 * DAY)), Hand::Behind);
        assert_eq!(hand(built + DAY, Some(built + 2 * DAY)), Hand::Right);
    }
}
