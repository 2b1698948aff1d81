//! What stands to the right of `key =`, one kind of value a file.
//!
//! A value that is a literal is checked here, so that its mistakes appear at the literal, at
//! compile time, in our words. Any other expression is left to the type of the setter that it goes
//! to. Checked literals are passed on as they were written: the expansion then reads like the
//! builder code that it stands for, and the run time has to parse strings anyway.

use std::fmt::Display;

use quote::ToTokens;
use syn::{Expr, ExprLit, Ident, Lit, LitStr};

pub(crate) use self::address::Addresses;
pub(crate) use self::control::ControlSocket;
pub(crate) use self::crate_path::CratePath;
pub(crate) use self::duration::{Interval, Probation, Timeout};
pub(crate) use self::fetcher::Fetcher;
pub(crate) use self::flag::Flag;
pub(crate) use self::flavor::Flavor;
pub(crate) use self::hook::{AsyncHook, Hook};
pub(crate) use self::integer::Count;
pub(crate) use self::keyed::Keyed;
pub(crate) use self::name::Name;
pub(crate) use self::plain_text::PlainText;
pub(crate) use self::public_key::PublicKeys;
pub(crate) use self::ready::Readiness;
pub(crate) use self::signal::RestartSignal;
pub(crate) use self::size::Size;
pub(crate) use self::version::Version;

mod address;
mod built_in;
mod control;
mod crate_path;
mod duration;
mod fallback;
mod fetcher;
mod flag;
mod flavor;
mod hook;
mod integer;
mod keyed;
mod name;
mod plain_text;
mod public_key;
mod ready;
mod signal;
mod size;
mod url;
mod version;

/// A kind of value.
pub(crate) trait Value: Sized {
    /// Checks the expression behind `key =`.
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self>;

    /// The value of `key` alone.
    fn from_word(key: &Ident) -> syn::Result<Self> {
        Err(syn::Error::new_spanned(key, format!("`{key}` needs a value: `{key} = ...`")))
    }
}

/// The expression without the invisible groups that `macro_rules!` puts around its fragments.
pub(crate) fn peel(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => peel(&group.expr),
        other => other,
    }
}

/// Refuses `place` with the mistake, if there is one.
fn refuse(place: impl ToTokens, mistake: Option<impl Display>) -> syn::Result<()> {
    mistake.map_or(Ok(()), |message| Err(syn::Error::new_spanned(place, message)))
}

/// The string, if the expression is one.
fn string(expr: &Expr) -> Option<&LitStr> {
    match literal(expr)? {
        Lit::Str(text) => Some(text),
        _ => None,
    }
}

/// The literal, if the expression is one; `-1` counts as the literal `1`.
fn literal(expr: &Expr) -> Option<&Lit> {
    match peel(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Unary(negated) if matches!(negated.op, syn::UnOp::Neg(_)) => literal(&negated.expr),
        _ => None,
    }
}

/// Puts each expression of a table of cases through a value's check: the messages of its mistakes,
/// joined.
#[cfg(test)]
fn verdict<T: Value>(value: &str) -> String {
    let key = Ident::new("key", proc_macro2::Span::call_site());
    let expr = syn::parse_str(value).unwrap();
    match T::from_expr(&key, &expr) {
        Ok(_) => "ok".to_owned(),
        Err(errors) => {
            errors.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join(" | ")
        }
    }
}
