use crate::error::{Error, ErrorKind, Result};

/// A signal that may ask for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestartSignal(i32);

/// The signals that nothing else in a supervised program depends on.
const KNOWN: [(&str, i32); 4] = [
    ("SIGHUP", libc::SIGHUP),
    ("SIGUSR1", libc::SIGUSR1),
    ("SIGUSR2", libc::SIGUSR2),
    ("SIGWINCH", libc::SIGWINCH),
];

impl RestartSignal {
    /// SIGUSR2, as overseer has it.
    pub(crate) const DEFAULT: Self = Self(libc::SIGUSR2);

    pub(crate) fn parse(name: &str) -> Result<Self> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known.map(|(_, number)| Self(*number)).ok_or_else(|| {
            let names = KNOWN.map(|(known, _)| known).join(", ");
            Error::new(
                ErrorKind::Config,
                format!("`{name}` cannot ask for a restart; expected one of {names}"),
            )
        })
    }

    /// Whether `signal` may be configured so.
    pub(crate) fn is_possible(signal: i32) -> bool {
        KNOWN.iter().any(|(_, number)| *number == signal)
    }

    pub(crate) fn number(self) -> i32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signals_that_are_free_can_ask_for_a_restart() {
        assert_eq!(RestartSignal::parse("SIGUSR2").unwrap(), RestartSignal::DEFAULT);
        for name in ["SIGKILL", "SIGTERM", "USR2", ""] {
            let message = RestartSignal::parse(name).unwrap_err().to_string();
            assert!(message.contains("expected one of SIGHUP, SIGUSR1"), "{message}");
        }
    }
}
