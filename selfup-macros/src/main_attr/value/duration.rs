//! How long: `"500ms"`, `"30s"`, `"5m"`, `"1h 30m"`.
//!
//! Whole numbers, each with its unit. What a zero means depends on the key, and so do the types
//! here.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident, Lit};

use super::{Value, literal, refuse, string};

/// How long to wait for something that ends the child.
#[derive(Debug)]
pub(crate) struct Timeout(Expr);

/// How often something is done.
#[derive(Debug)]
pub(crate) struct Interval(Expr);

/// How long a new generation is on trial; none at all is a choice.
#[derive(Debug)]
pub(crate) struct Probation(Expr);

impl Value for Timeout {
    fn from_expr(_: &Ident, value: &Expr) -> syn::Result<Self> {
        check(value, Some("a timeout of zero would kill the child at once; use at least \"1ms\""))?;
        Ok(Self(value.clone()))
    }
}

impl Value for Interval {
    fn from_expr(_: &Ident, value: &Expr) -> syn::Result<Self> {
        check(value, Some(ZERO_INTERVAL))?;
        Ok(Self(value.clone()))
    }
}

impl Value for Probation {
    fn from_expr(_: &Ident, value: &Expr) -> syn::Result<Self> {
        check(value, None)?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for Timeout {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

impl ToTokens for Interval {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

impl ToTokens for Probation {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// Refuses a literal that is no duration, and zero with the message `zero` if there is one.
pub(super) fn check(value: &Expr, zero: Option<&str>) -> syn::Result<()> {
    let mistake = match (string(value), literal(value)) {
        (Some(text), _) => match milliseconds(&text.value()) {
            Ok(0) => zero.map(str::to_owned),
            Ok(_) => None,
            Err(mistake) => Some(mistake),
        },
        (None, Some(Lit::Int(number))) if number.base10_digits() == "0" && zero.is_some() => {
            zero.map(str::to_owned)
        }
        (None, Some(Lit::Int(number))) => Some(without_unit(number.base10_digits())),
        (None, Some(_)) => Some("expected a duration such as \"30s\"".to_owned()),
        (None, None) => None,
    };
    refuse(value, mistake)
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let not_a_duration = || {
        let expected = "expected a number and a unit (`ms`, `s`, `m` or `h`), such as \"30s\"";
        format!("\"{text}\" is not a duration; {expected}")
    };
    if is_number(text) {
        return Err(without_unit(text));
    }
    let mut total: u64 = 0;
    let mut rest = text;
    loop {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_ascii_alphabetic());
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let factor = factor.filter(|_| is_number(number)).ok_or_else(not_a_duration)?;
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("\"{text}\" is too long for a duration"))?;
        rest = after.trim_start();
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn without_unit(number: &str) -> String {
    format!("a duration needs a unit: write \"{number}s\" or \"{number}ms\"")
}

/// Why an interval cannot be zero.
pub(super) const ZERO_INTERVAL: &str =
    "an interval of zero would ask without a pause; use at least \"1ms\"";

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn durations() {
        for (value, expected) in [
            (r#""30s""#, "ok"),
            (r#""1ms""#, "ok"),
            (r#""5 m""#, "ok"),
            (r#""1h""#, "ok"),
            (r#""1h 30m""#, "ok"),
            (r#""1m30s""#, "ok"),
            ("Duration::from_secs(1)", "ok"),
            ("30", "a duration needs a unit: write \"30s\" or \"30ms\""),
            (r#""30""#, "a duration needs a unit: write \"30s\" or \"30ms\""),
            (
                r#""30 parsecs""#,
                "\"30 parsecs\" is not a duration; expected a number and a unit (`ms`, `s`, `m` or `h`), such as \"30s\"",
            ),
            (
                r#""s""#,
                "\"s\" is not a duration; expected a number and a unit (`ms`, `s`, `m` or `h`), such as \"30s\"",
            ),
            (
                r#""""#,
                "\"\" is not a duration; expected a number and a unit (`ms`, `s`, `m` or `h`), such as \"30s\"",
            ),
            (
                r#""1.5s""#,
                "\"1.5s\" is not a duration; expected a number and a unit (`ms`, `s`, `m` or `h`), such as \"30s\"",
            ),
            (
                r#""-1s""#,
                "\"-1s\" is not a duration; expected a number and a unit (`ms`, `s`, `m` or `h`), such as \"30s\"",
            ),
            (r#""99999999999999999999s""#, "\"99999999999999999999s\" is too long for a duration"),
            (r#""18446744073709551615h""#, "\"18446744073709551615h\" is too long for a duration"),
            ("true", "expected a duration such as \"30s\""),
            (r#""0s""#, "a timeout of zero would kill the child at once; use at least \"1ms\""),
        ] {
            assert_eq!(verdict::<Timeout>(value), expected, "{value}");
        }
        assert_eq!(verdict::<Probation>(r#""0s""#), "ok");
        assert_eq!(
            verdict::<Interval>(r#""0ms""#),
            "an interval of zero would ask without a pause; use at least \"1ms\""
        );
    }
}
