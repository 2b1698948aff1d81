//! What is printed: words for people, with colours where a terminal shows them, or JSON.
//!
//! `anstream` looks whether it is a terminal, and at `NO_COLOR`, `CLICOLOR` and `TERM`. A stdout that
//! is closed is no failure: whoever reads has enough.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::end::{End, Failure};
use crate::text;

/// What is wanted on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Words,
    Json,
}

impl Output {
    pub(crate) fn is_json(self) -> bool {
        self == Self::Json
    }

    /// Says why there is no answer, and how to end.
    pub(crate) fn fail(self, failure: &Failure) -> End {
        let mut out = anstream::stderr().lock();
        let words = text::line(&failure.words);
        let _ = writeln!(out, "{BAD}selfup:{BAD:#} {words}");
        drop(out);
        if self.is_json() {
            document(&serde_json::json!({ "error": failure.words }));
        }
        failure.end
    }
}

/// One line for people, or of JSON. Says whether anybody reads.
pub(crate) fn line(line: impl Display) -> bool {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// A document of ours.
pub(crate) fn document(document: &impl Serialize) {
    // None of them has keys that are no strings, which is all that can fail.
    let document = serde_json::to_string_pretty(document).unwrap_or_default();
    document.lines().all(|part| line(text::json(part)));
}

/// One line on stderr.
pub(crate) fn say(words: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{}", text::line(words));
}

/// One line of stderr that is written over again and again; nothing where that is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    is_shown: bool,
    is_written: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), is_written: false }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        self.is_shown
    }

    pub(crate) fn set(&mut self, words: &str) {
        if self.is_shown {
            let _ = write!(io::stderr(), "{CLEAR}{}", text::shown(words, WIDTH));
            self.is_written = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_written {
            let _ = write!(io::stderr(), "{CLEAR}");
        }
    }
}

/// To the start of the line, which is emptied.
const CLEAR: &str = "\r\x1b[2K";

/// A line that is longer than the terminal could not be written over.
const WIDTH: usize = 76;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const DOUBTFUL: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
