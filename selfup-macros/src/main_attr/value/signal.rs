//! The signal that asks for a restart.
//!
//! Any process may send it to the master, so it has to be one that nothing else means: not the
//! signals that end a service, not those by which the kernel reports something.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::{Value, literal, refuse, string};
use crate::neighbour::listed;

/// The name of a signal, `"SIGUSR2"`.
#[derive(Debug)]
pub(crate) struct RestartSignal(Expr);

impl Value for RestartSignal {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value), literal(value)) {
            (Some(name), _) => mistake(&name.value()),
            (None, Some(_)) => {
                Some(format!("`{key}` is the name of a signal, such as \"SIGUSR2\""))
            }
            (None, None) => None,
        };
        refuse(value, mistake)?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for RestartSignal {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

fn mistake(name: &str) -> Option<String> {
    if SUITABLE.contains(&name) {
        return None;
    }
    let with_prefix = format!("SIG{}", name.to_uppercase().trim_start_matches("SIG"));
    if SUITABLE.contains(&with_prefix.as_str()) {
        return Some(format!("unknown signal `{name}`; did you mean `{with_prefix}`?"));
    }
    let problem = if UNCATCHABLE.contains(&name) {
        format!("`{name}` cannot be caught by a process")
    } else if RESERVED.contains(&name) {
        format!("`{name}` is reserved for shutdown and child supervision")
    } else if REPORTED.contains(&name) {
        format!("`{name}` has a meaning of its own to the kernel or the terminal")
    } else {
        format!("unknown signal `{name}`")
    };
    Some(format!("{problem}; expected one of {}", listed(SUITABLE)))
}

const SUITABLE: [&str; 4] = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"];

const UNCATCHABLE: [&str; 2] = ["SIGKILL", "SIGSTOP"];

const RESERVED: [&str; 4] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGCHLD"];

const REPORTED: [&str; 19] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCONT",
    "SIGFPE",
    "SIGILL",
    "SIGIO",
    "SIGPIPE",
    "SIGPROF",
    "SIGPWR",
    "SIGSEGV",
    "SIGSYS",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGVTALRM",
    "SIGXCPU",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn signals() {
        let expected = "expected one of `SIGHUP`, `SIGUSR1`, `SIGUSR2`, `SIGWINCH`";
        for (value, problem) in [
            ("\"SIGUSR3\"", "unknown signal `SIGUSR3`"),
            ("\"\"", "unknown signal ``"),
            ("\"SIGKILL\"", "`SIGKILL` cannot be caught by a process"),
            ("\"SIGTERM\"", "`SIGTERM` is reserved for shutdown and child supervision"),
            ("\"SIGPIPE\"", "`SIGPIPE` has a meaning of its own to the kernel or the terminal"),
        ] {
            assert_eq!(verdict::<RestartSignal>(value), format!("{problem}; {expected}"));
        }
        for (value, expected) in [
            ("\"SIGHUP\"", "ok"),
            ("SIGNAL", "ok"),
            ("\"USR1\"", "unknown signal `USR1`; did you mean `SIGUSR1`?"),
            ("\"sigusr2\"", "unknown signal `sigusr2`; did you mean `SIGUSR2`?"),
            ("12", "`key` is the name of a signal, such as \"SIGUSR2\""),
        ] {
            assert_eq!(verdict::<RestartSignal>(value), expected, "{value}");
        }
    }
}
