//! The version in the program's note: a semantic version, in a string or a constant.
//!
//! An upgrade compares it with the one that runs, so it has to be one that can be compared:
//! <https://semver.org>, as Cargo reads it.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::{Value, literal, refuse, string};

/// The program's version, in place of its package's.
#[derive(Debug)]
pub(crate) struct Version(Expr);

impl Value for Version {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value).map(syn::LitStr::value), literal(value)) {
            (Some(version), _) if is_semantic(&version) => None,
            (Some(version), _) => Some(format!(
                "\"{version}\" is not a semantic version; expected one such as \"1.2.3\""
            )),
            (None, Some(_)) => Some(format!("`{key}` is a string such as \"1.2.3\"")),
            (None, None) => None,
        };
        refuse(value, mistake)?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for Version {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

fn is_semantic(version: &str) -> bool {
    let (rest, build) = cut(version, '+');
    let (numbers, pre_release) = cut(rest, '-');
    let numbers: Vec<&str> = numbers.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|number| is_number(number))
        && pre_release.is_none_or(|pre_release| {
            pre_release
                .split('.')
                .all(|part| is_identifier(part) && (!is_digits(part) || is_number(part)))
        })
        && build.is_none_or(|build| build.split('.').all(is_identifier))
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0')) && text.parse::<u64>().is_ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for version in [
            "0.0.0",
            "1.2.3",
            "1.2.3-rc.1",
            "1.2.3-alpha-beta.0+build.05",
            "1.2.3+x",
            "1.0.0-x-y-z.-",
        ] {
            assert!(is_semantic(version), "{version}");
        }
        for version in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "01.2.3",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3+",
            "1.2.3-a..b",
            "1.2.x",
            " 1.2.3",
            "99999999999999999999.0.0",
        ] {
            assert!(!is_semantic(version), "{version}");
        }
    }
}
