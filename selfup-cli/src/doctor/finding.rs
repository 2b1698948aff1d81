//! What was found, and what it means for an upgrade.

use serde::Serialize;

use super::subject::Subject;
use crate::output::{self, BAD, BOLD, DIM, DOUBTFUL, GOOD, Output};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// An upgrade works, but something else may not be as it is wanted.
    Warning,
    /// An upgrade would fail.
    Failure,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// Stays the same from version to version.
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    pub(super) advice: Option<String>,
}

#[derive(Debug)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// Before the paths of another view of the file systems; of no use to anybody else.
    prefix: Option<String>,
}

impl Findings {
    pub(super) fn about(subject: &Subject) -> Self {
        Self { list: Vec::new(), prefix: subject.root.clone() }
    }

    fn push(&mut self, mut finding: Finding) {
        if let Some(prefix) = &self.prefix {
            finding.found = finding.found.replace(prefix, "");
            finding.advice = finding.advice.map(|advice| advice.replace(prefix, ""));
        }
        self.list.push(finding);
    }

    pub(super) fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.push(Finding { name, verdict: Verdict::Ok, found: found.into(), advice: None });
    }

    pub(super) fn warn(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(name, Verdict::Warning, found.into(), advice.into());
    }

    pub(super) fn fail(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(name, Verdict::Failure, found.into(), advice.into());
    }

    pub(super) fn add(
        &mut self,
        name: &'static str,
        verdict: Verdict,
        found: String,
        advice: String,
    ) {
        self.push(Finding { name, verdict, found, advice: Some(advice) });
    }

    /// What one of the library's own checks says: its errors end with what to do.
    pub(super) fn checked(
        &mut self,
        name: &'static str,
        verdict: Verdict,
        checked: Result<(), selfup::Error>,
        good: impl Into<String>,
    ) {
        match checked {
            Ok(()) => self.ok(name, good),
            Err(error) => {
                let words = error.chain();
                let (found, advice) = words.split_once("; ").unwrap_or((&words, "see its cause"));
                self.add(name, verdict, found.to_owned(), advice.to_owned());
            }
        }
    }

    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.list.iter().filter(|finding| finding.verdict == verdict).count()
    }

    pub(super) fn print(&self, subject: &Subject, output: Output) {
        let (failures, warnings) = (self.count(Verdict::Failure), self.count(Verdict::Warning));
        if output.is_json() {
            return output::document(&serde_json::json!({
                "binary": subject.path.to_string_lossy(),
                "user": subject.user_name(),
                "unit": subject.unit.as_ref().map(super::unit::Unit::name),
                "failures": failures,
                "warnings": warnings,
                "findings": self.list,
            }));
        }
        let path = text::line(&subject.path.to_string_lossy());
        output::line(format_args!(
            "{BOLD}{path}{BOLD:#}  for {}",
            text::line(&subject.user_name())
        ));
        for finding in &self.list {
            print(finding);
        }
        output::line(match (failures, warnings) {
            (0, 0) => format!("{GOOD}nothing found{GOOD:#}"),
            (0, _) => format!("{DOUBTFUL}an upgrade would work; warnings: {warnings}{DOUBTFUL:#}"),
            _ => format!(
                "{BAD}an upgrade would fail{BAD:#}: failures: {failures}, warnings: {warnings}"
            ),
        });
    }
}

fn print(finding: &Finding) {
    let (colour, word) = match finding.verdict {
        Verdict::Ok => (GOOD, "ok"),
        Verdict::Warning => (DOUBTFUL, "warning"),
        Verdict::Failure => (BAD, "FAILURE"),
    };
    let found = text::line(&finding.found);
    output::line(format_args!("  {colour}{word:<7}{colour:#}  {:<16} {found}", finding.name));
    if let Some(advice) = &finding.advice {
        output::line(format_args!("{:28}{DIM}{}{DIM:#}", "", text::line(advice)));
    }
}
