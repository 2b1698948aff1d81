//! `fallback(http("https://.."), file("/.."))`: a fetcher and its mirror.
//!
//! Each of its two arguments is the expression of a fetcher, read as the one behind `fetcher =` is: a
//! built-in one with options, another `fallback`, or the user's own.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprCall, Ident};

use super::{CratePath, fetcher, peel};
use crate::errors::combine;

/// A call of the combinator.
pub(super) struct Fallback<'a> {
    name: &'a Ident,
    call: &'a ExprCall,
}

impl<'a> Fallback<'a> {
    pub(super) fn of(root: &'a Expr) -> Option<Self> {
        let Expr::Call(call) = root else { return None };
        let Expr::Path(function) = peel(&call.func) else { return None };
        let name = function.path.get_ident().filter(|name| *name == NAME)?;
        Some(Self { name, call })
    }

    pub(super) fn check(&self) -> syn::Result<()> {
        let mut all = Ok(());
        for argument in &self.call.args {
            if let Err(error) = check_argument(argument) {
                combine(&mut all, error);
            }
        }
        let count = self.call.args.len();
        if all.is_ok() && count != 2 {
            let advice =
                if count > 2 { "; for more of them, `fallback(a, fallback(b, c))`" } else { "" };
            let message = format!(
                "`{NAME}` takes two fetchers, the first choice and its mirror{advice}: `{EXAMPLE}`"
            );
            return Err(syn::Error::new_spanned(self.name, message));
        }
        all
    }

    pub(super) fn tokens(&self, krate: &CratePath) -> TokenStream {
        let name = self.name;
        let arguments = self.call.args.iter().map(|argument| fetcher::expand(argument, krate));
        quote!(#krate::fetcher::#name(#(#arguments),*))
    }
}

fn check_argument(argument: &Expr) -> syn::Result<()> {
    if let Expr::Assign(option) = peel(argument) {
        let message = format!(
            "`{NAME}` has no options; they belong to the two fetchers, and the interval is that of the \
             first: `{EXAMPLE}`"
        );
        return Err(syn::Error::new_spanned(option, message));
    }
    fetcher::check(argument)
}

/// As it is called, in `selfup::fetcher` too.
pub(super) const NAME: &str = "fallback";

const EXAMPLE: &str =
    "fallback(http(\"https://example.com/app\", interval = \"1m\"), file(\"/srv/app\"))";

#[cfg(test)]
mod tests {
    use crate::main_attr::value::{Fetcher, verdict};

    #[test]
    fn two_fetchers_of_any_kind() {
        for (value, expected) in [
            (r#"fallback(http("https://x/y", interval = "1m"), file("/srv/app"))"#, "ok"),
            (r#"fallback(mine, fallback(http(URL).timeout("5s"), Mine::new(x)))"#, "ok"),
            ("self::fallback(3)", "ok"),
            ("fallback", "`fallback` is a constructor; call it: `fallback(...)`"),
            (
                r#"fallback(http("x"), file(""))"#,
                "\"x\" is not an absolute URL; it must start with `https://` or `http://` | `file` needs a path: \"/srv/releases/app\"",
            ),
            (
                r#"fallback(http("https://x/y"), "/srv/app")"#,
                "a fetcher is an expression, not a string; did you mean `file(\"/srv/app\")`?",
            ),
            (
                r#"fallback(http("https://x/y"))"#,
                r#"`fallback` takes two fetchers, the first choice and its mirror: `fallback(http("https://example.com/app", interval = "1m"), file("/srv/app"))`"#,
            ),
            (
                "fallback(a, b, c)",
                r#"`fallback` takes two fetchers, the first choice and its mirror; for more of them, `fallback(a, fallback(b, c))`: `fallback(http("https://example.com/app", interval = "1m"), file("/srv/app"))`"#,
            ),
            (
                r#"fallback(a, b, interval = "1s")"#,
                r#"`fallback` has no options; they belong to the two fetchers, and the interval is that of the first: `fallback(http("https://example.com/app", interval = "1m"), file("/srv/app"))`"#,
            ),
        ] {
            assert_eq!(verdict::<Fetcher>(value), expected, "{value}");
        }
    }
}
