//! The arguments of the attribute: which keys there are, and what kind of value each takes.
//!
//! A first pass over the arguments speaks about keys: unknown ones, with what was probably meant,
//! and repeated ones. `darling` then maps what is left to the fields of [`Args`], where each keeps
//! its mistakes for itself until `entry` asks for its value.

use darling::FromMeta;
use darling::ast::NestedMeta;
use proc_macro2::TokenStream;
use syn::{Ident, MacroDelimiter, Meta, MetaList, MetaNameValue, Path};

use super::syntax::{self, Argument, Form};
use super::value::{
    Addresses, AsyncHook, ControlSocket, Count, CratePath, Fetcher, Flag, Flavor, Hook, Interval,
    Keyed, Name, PlainText, Probation, PublicKeys, Readiness, RestartSignal, Size, Timeout,
    Version,
};
use crate::errors::{Errors, Place};
use crate::neighbour::{listed, nearest};

/// What the arguments say.
#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) keys: Keys,
    pub(crate) places: Places,
    /// Whether every argument could be read and has a key that is known.
    pub(crate) complete: bool,
}

/// Where in the attribute each key stands.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<(String, Place)>);

/// One field a key.
#[derive(Debug, Default, FromMeta)]
pub(crate) struct Keys {
    pub(crate) address: Option<Keyed<Addresses>>,
    pub(crate) addresses: Option<Keyed<Addresses>>,
    pub(crate) fetcher: Option<Keyed<Fetcher>>,
    pub(crate) min_fetch_interval: Option<Keyed<Interval>>,
    pub(crate) verify: Option<Keyed<PublicKeys>>,
    pub(crate) pre_upgrade: Option<Keyed<Hook>>,
    pub(crate) allow_downgrade: Option<Keyed<Flag>>,
    pub(crate) allow_unmarked: Option<Keyed<Flag>>,
    pub(crate) bin: Option<Keyed<PlainText>>,
    pub(crate) max_size: Option<Keyed<Size>>,
    pub(crate) state_dir: Option<Keyed<PlainText>>,
    pub(crate) no_restart: Option<Keyed<Flag>>,
    pub(crate) no_restart_after_fetch: Option<Keyed<Flag>>,
    pub(crate) required: Option<Keyed<Flag>>,
    pub(crate) debug: Option<Keyed<Flag>>,
    pub(crate) no_warn: Option<Keyed<Flag>>,
    pub(crate) restart_signal: Option<Keyed<RestartSignal>>,
    pub(crate) terminate_timeout: Option<Keyed<Timeout>>,
    pub(crate) ready_timeout: Option<Keyed<Timeout>>,
    pub(crate) probation: Option<Keyed<Probation>>,
    pub(crate) ready: Option<Keyed<Readiness>>,
    pub(crate) health: Option<Keyed<AsyncHook>>,
    pub(crate) max_draining: Option<Keyed<Count>>,
    pub(crate) overlap: Option<Keyed<Flag>>,
    pub(crate) upgrade_master: Option<Keyed<Flag>>,
    pub(crate) control: Option<Keyed<ControlSocket>>,
    pub(crate) backlog: Option<Keyed<Count>>,
    pub(crate) name: Option<Keyed<Name>>,
    pub(crate) version: Option<Keyed<Version>>,
    pub(crate) init: Option<Keyed<Hook>>,
    pub(crate) on_event: Option<Keyed<Hook>>,
    pub(crate) flavor: Option<Keyed<Flavor>>,
    pub(crate) worker_threads: Option<Keyed<Count>>,
    pub(crate) configure: Option<Keyed<Hook>>,
    #[darling(rename = "crate")]
    pub(crate) krate: Option<Keyed<CratePath>>,
}

impl Args {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut places = Places::default();
        let mut known = Vec::new();
        for argument in syntax::arguments(tokens, errors) {
            let key = argument.key.to_string();
            if !KEYS.contains(&key.as_str()) {
                errors.push(argument.place, syn::Error::new_spanned(&argument.key, unknown(&key)));
            } else if places.contain(&key) {
                errors.push(
                    argument.place,
                    syn::Error::new_spanned(&argument.key, format!("`{key}` is given twice")),
                );
            } else {
                places.0.push((key, argument.place));
                known.push(NestedMeta::Meta(meta(argument)));
            }
        }
        let keys = errors
            .take(Place::Item, Keys::from_list(&known).map_err(syn::Error::from))
            .unwrap_or_default();
        Self { keys, places, complete: errors.is_empty() }
    }
}

impl Places {
    pub(crate) fn of(&self, key: &Ident) -> Place {
        self.0.iter().find(|(known, _)| key == known).map_or(Place::Item, |(_, place)| *place)
    }

    fn contain(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| known == key)
    }
}

fn unknown(key: &str) -> String {
    let other_word = OTHER_WORDS.iter().find(|(other, _)| *other == key).map(|(_, meant)| *meant);
    match other_word.or_else(|| nearest(key, KEYS)) {
        Some(meant) => format!("unknown argument `{key}`; did you mean `{meant}`?"),
        None => format!("unknown argument `{key}`; expected one of {}", listed(KEYS)),
    }
}

/// The argument in the form that `darling` reads.
fn meta(argument: Argument) -> Meta {
    let path = Path::from(argument.key);
    match argument.form {
        Form::Word => Meta::Path(path),
        Form::List(parentheses, tokens) => {
            Meta::List(MetaList { path, delimiter: MacroDelimiter::Paren(parentheses), tokens })
        }
        Form::Value(eq_token, value) => Meta::NameValue(MetaNameValue { path, eq_token, value }),
    }
}

/// What other servers and tools call a setting.
const OTHER_WORDS: [(&str, &str); 9] = [
    ("bind", "address"),
    ("host", "address"),
    ("listen", "address"),
    ("port", "address"),
    ("source", "fetcher"),
    ("url", "fetcher"),
    ("grace_period", "terminate_timeout"),
    ("shutdown_timeout", "terminate_timeout"),
    ("workers", "worker_threads"),
];

/// Every key, in the order in which messages and documentation list them.
const KEYS: [&str; 35] = [
    "address",
    "addresses",
    "fetcher",
    "min_fetch_interval",
    "verify",
    "pre_upgrade",
    "allow_downgrade",
    "allow_unmarked",
    "bin",
    "max_size",
    "state_dir",
    "no_restart",
    "no_restart_after_fetch",
    "required",
    "debug",
    "no_warn",
    "restart_signal",
    "terminate_timeout",
    "ready_timeout",
    "probation",
    "ready",
    "health",
    "max_draining",
    "overlap",
    "upgrade_master",
    "control",
    "backlog",
    "name",
    "version",
    "init",
    "on_event",
    "flavor",
    "worker_threads",
    "configure",
    "crate",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(arguments: &str) -> Vec<String> {
        let mut errors = Errors::default();
        let tokens: TokenStream = arguments.parse().unwrap();
        Args::parse(tokens, &mut errors);
        errors.messages()
    }

    #[test]
    fn every_key_has_a_field() {
        for key in KEYS {
            assert_eq!(mistakes(key), [""; 0], "{key}");
        }
    }

    #[test]
    fn keys() {
        let every = listed(KEYS);
        for (arguments, expected) in [
            ("", vec![]),
            (r#"address = ":3000","#, vec![]),
            (
                r#"adress = ":3000""#,
                vec!["unknown argument `adress`; did you mean `address`?".to_owned()],
            ),
            ("port = 3000", vec!["unknown argument `port`; did you mean `address`?".to_owned()]),
            ("colour = 1", vec![format!("unknown argument `colour`; expected one of {every}")]),
            (
                r#"address = ":1", debug, address = ":2""#,
                vec!["`address` is given twice".to_owned()],
            ),
            (
                r#"":3000""#,
                vec!["arguments are `key = value`; did you mean `address = \":3000\"`?".to_owned()],
            ),
            (
                r#""http://x/y""#,
                vec![
                    "arguments are `key = value`; did you mean `fetcher = http(\"http://x/y\")`?"
                        .to_owned(),
                ],
            ),
            ("3000", vec!["arguments are `key = value`, such as `address = \":3000\"`".to_owned()]),
            ("=", vec!["arguments are `key = value`, such as `address = \":3000\"`".to_owned()]),
            ("address =", vec!["`address` needs a value: `address = ...`".to_owned()]),
            (r#"address = ":1" debug"#, vec!["expected `,`".to_owned()]),
            (
                r#"address == ":1""#,
                vec!["`address` takes its value after `=`: `address = ...`".to_owned()],
            ),
            (
                r#"address: ":1", colour"#,
                vec![
                    "`address` takes its value after `=`: `address = ...`".to_owned(),
                    format!("unknown argument `colour`; expected one of {every}"),
                ],
            ),
        ] {
            assert_eq!(mistakes(arguments), expected, "{arguments}");
        }
    }
}
