//! A function of the user's: a path to it, a closure, or an expression that gives one.
//!
//! Arguments and results are left to the compiler, which knows the types. What cannot be called
//! whatever its type is refused here, because the compiler would name the trait and not the key.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprClosure, Ident};

use super::{Value, literal, peel, refuse};

/// Something to call.
#[derive(Debug)]
pub(crate) struct Hook(Expr);

/// Something to call whose result is awaited.
#[derive(Debug)]
pub(crate) struct AsyncHook(Expr);

impl Value for Hook {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        if let Expr::Closure(ExprClosure { asyncness: Some(asyncness), .. }) = peel(value) {
            return Err(syn::Error::new_spanned(
                asyncness,
                format!("`{key}` is called and not awaited; write the closure without `async`"),
            ));
        }
        callable(key, value).map(Self)
    }
}

impl Value for AsyncHook {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        callable(key, value).map(Self)
    }
}

fn callable(key: &Ident, value: &Expr) -> syn::Result<Expr> {
    let message = || format!("`{key}` must be a function or a closure: `{key} = my_{key}`");
    refuse(value, is_never_callable(value).then(message))?;
    Ok(value.clone())
}

impl ToTokens for Hook {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

impl ToTokens for AsyncHook {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// Whether the expression cannot be called, whatever its type.
pub(super) fn is_never_callable(value: &Expr) -> bool {
    literal(value).is_some()
        || matches!(
            peel(value),
            Expr::Array(_)
                | Expr::Assign(_)
                | Expr::Async(_)
                | Expr::Binary(_)
                | Expr::Range(_)
                | Expr::Repeat(_)
                | Expr::Struct(_)
                | Expr::Tuple(_)
                | Expr::Unary(_)
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn callables() {
        let refused = "`key` must be a function or a closure: `key = my_key`";
        for (value, expected) in [
            ("check", "ok"),
            ("checks::all", "ok"),
            ("|candidate| check(candidate)", "ok"),
            ("move || ()", "ok"),
            ("make_hook(3)", "ok"),
            ("{ let n = 1; move |_| n }", "ok"),
            ("hook!()", "ok"),
            ("\"check\"", refused),
            ("3", refused),
            ("-3", refused),
            ("[check]", refused),
            ("(check, check)", refused),
            ("a + b", refused),
            ("async { check() }", refused),
            (
                "async |c| check(c)",
                "`key` is called and not awaited; write the closure without `async`",
            ),
        ] {
            assert_eq!(verdict::<Hook>(value), expected, "{value}");
        }
    }

    #[test]
    fn callables_that_are_awaited() {
        let refused = "`key` must be a function or a closure: `key = my_key`";
        for (value, expected) in [
            ("check", "ok"),
            ("|state| check(state)", "ok"),
            ("async |state| check(state).await", "ok"),
            ("\"http://localhost/health\"", refused),
            ("async { check().await }", refused),
        ] {
            assert_eq!(verdict::<AsyncHook>(value), expected, "{value}");
        }
    }
}
