use crate::error::{Error, ErrorKind, Result};

/// A signal that may ask for a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestartSignal {
    Hup,
    Usr1,
    Usr2,
    Winch,
}

/// The signals that nothing else in a supervised program depends on.
const KNOWN: [(&str, RestartSignal); 4] = [
    ("SIGHUP", RestartSignal::Hup),
    ("SIGUSR1", RestartSignal::Usr1),
    ("SIGUSR2", RestartSignal::Usr2),
    ("SIGWINCH", RestartSignal::Winch),
];

impl RestartSignal {
    /// SIGUSR2, as overseer has it.
    pub(crate) const DEFAULT: Self = Self::Usr2;

    pub(crate) fn parse(name: &str) -> Result<Self> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known.map(|(_, signal)| *signal).ok_or_else(|| {
            let names = KNOWN.map(|(known, _)| known).join(", ");
            Error::new(
                ErrorKind::Config,
                format!("`{name}` cannot ask for a restart; expected one of {names}"),
            )
        })
    }

    #[cfg(selfup_supervised)]
    /// Whether `signal` may be configured so.
    pub(crate) fn is_possible(signal: i32) -> bool {
        KNOWN.iter().any(|(_, known)| known.number() == signal)
    }

    #[cfg(selfup_supervised)]
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Hup => libc::SIGHUP,
            Self::Usr1 => libc::SIGUSR1,
            Self::Usr2 => libc::SIGUSR2,
            Self::Winch => libc::SIGWINCH,
        }
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
