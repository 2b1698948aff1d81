//! How a command ends: a status that scripts can believe, and what is said on stderr.

use std::fmt;

/// The status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// It came to nothing, or something was found.
    Nothing,
    Usage,
    Unreachable,
    TimedOut,
}

impl End {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Nothing => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::TimedOut => 4,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) end: End,
    /// In words that may be anybody's; escaped when they are shown.
    pub(crate) words: String,
    /// The connection broke, or was put off, and another one may not be.
    pub(crate) is_lost: bool,
}

impl Failure {
    pub(crate) fn new(end: End, words: impl Into<String>) -> Self {
        Self { end, words: words.into(), is_lost: false }
    }

    pub(crate) fn usage(words: impl Into<String>) -> Self {
        Self::new(End::Usage, words)
    }

    pub(crate) fn nothing(words: impl Into<String>) -> Self {
        Self::new(End::Nothing, words)
    }

    pub(crate) fn unreachable(words: impl Into<String>) -> Self {
        Self::new(End::Unreachable, words)
    }

    pub(crate) fn timed_out(words: impl Into<String>) -> Self {
        Self::new(End::TimedOut, words)
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        self.end == End::Unreachable
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// For the help of every command.
pub(crate) const STATUS: &str = "\
Exit status:
  0  done
  1  it came to nothing: abandoned, refused, failed (the reason is on stderr);
     or `doctor` found why an upgrade would fail, or `inspect` why a file would not be taken
  2  wrong usage
  3  the control socket cannot be reached or used, or was lost before it answered
  4  not done within the timeout (it goes on)";
