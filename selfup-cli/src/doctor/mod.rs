//! Why an upgrade of a binary would fail here, before the day it matters.
//!
//! Each check is a function that looks at the [`Subject`] and adds a [`Finding`], good or bad, under a
//! name that stays. What a service needs of the place of its binary is asked with the service's own
//! checks, which *try* where trying leaves nothing behind: as the user who runs this. For another
//! user mode bits are compared, which knows no access control list; what upgrades wrote down beside
//! the binary, root reads by that user's name, for only whom it belongs to may believe it. Of a
//! service that runs, what counts is its view, whatever its unit says: its file systems are those of
//! its master's mount namespace.
//!
//! Nothing is changed: no lock is taken, nothing is started, and a file that is created to see
//! whether it can be is gone at once.
//!
//! Limits: what only the swap itself would meet, such as a policy of the kernel that forbids a
//! rename; a quota; a unit whose paths have specifiers, which only systemd can resolve.

mod access;
mod asked;
mod beside;
mod binary;
mod finding;
mod mounts;
mod package;
mod place;
mod subject;
mod system;
mod unit;

use clap::ArgMatches;

use self::finding::{Findings, Verdict};
use self::subject::Subject;
use crate::end::{End, Failure};
use crate::output::Output;

pub(crate) fn run(matches: &ArgMatches, output: Output) -> Result<End, Failure> {
    let subject = Subject::new(matches)?;
    let mut findings = Findings::about(&subject);
    examine(&subject, &mut findings);
    findings.print(&subject, output);
    let is_bad = findings.count(Verdict::Failure) > 0;
    Ok(if is_bad { End::Nothing } else { End::Done })
}

fn examine(subject: &Subject, findings: &mut Findings) {
    subject.tell(findings);
    if let Some(survey) = place::file(subject, findings) {
        binary::examine(subject, findings);
        place::examine(subject, &survey, findings);
        beside::examine(subject, &survey, findings);
        package::examine(subject, findings);
        system::examine(subject, findings);
    }
    if let Some(unit) = &subject.unit {
        unit::judge::judge(unit, subject, findings);
    }
}
