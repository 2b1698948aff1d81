//! Where new binaries come from: `http("https://..", interval = "1s")`, or any expression of the
//! user's.
//!
//! At the root of the expression, alone or with methods called on it, the names of the built-in
//! fetchers mean those in `selfup::fetcher`, and only there `key = value` options are understood; an
//! argument of `fallback(..)` has a root of its own. A
//! glob import would make the names available more simply, but it would also hide the user's own
//! function of such a name; that one is reached as `self::http(..)`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprCall, Ident, Token};

use super::built_in::{BUILT_IN, BuiltIn, Kind};
use super::fallback::{self, Fallback};
use super::{CratePath, Value, literal, peel, string, url};
use crate::errors::combine;
use crate::neighbour::{listed, nearest};

/// An expression whose root may be a built-in fetcher.
#[derive(Debug)]
pub(crate) struct Fetcher(Expr);

impl Fetcher {
    /// The expression without options, as plain Rust.
    pub(crate) fn tokens(&self, krate: &CratePath) -> TokenStream {
        expand(&self.0, krate)
    }
}

/// The expression of a fetcher without options, as plain Rust.
pub(super) fn expand(expr: &Expr, krate: &CratePath) -> TokenStream {
    let mut expr = expr.clone();
    let root = root_mut(&mut expr);
    let plain = match (BuiltInCall::of(root), Fallback::of(root)) {
        (Some(call), _) => Some(call.tokens(krate)),
        (None, Some(call)) => Some(call.tokens(krate)),
        (None, None) => None,
    };
    if let Some(plain) = plain {
        *root = Expr::Verbatim(plain);
    }
    expr.into_token_stream()
}

impl Value for Fetcher {
    fn from_expr(_: &Ident, value: &Expr) -> syn::Result<Self> {
        check(value)?;
        Ok(Self(value.clone()))
    }
}

/// Checks the expression of a fetcher.
pub(super) fn check(value: &Expr) -> syn::Result<()> {
    let root = root(value);
    if let Some(call) = BuiltInCall::of(root) {
        return call.check();
    }
    if let Some(call) = Fallback::of(root) {
        return call.check();
    }
    if let Some(mistake) = mistake(root) {
        return Err(syn::Error::new_spanned(root, mistake));
    }
    match root {
        Expr::Call(call) => check_own(call),
        _ => Ok(()),
    }
}

/// What cannot be a fetcher, whatever it means.
fn mistake(value: &Expr) -> Option<String> {
    if let Some(text) = string(value) {
        let meant = match text.value() {
            url if url::mistake(&url).is_none() => format!("http({})", text.token()),
            path if path.starts_with(['/', '.']) => format!("file({})", text.token()),
            _ => "http(\"https://example.com/app\")".to_owned(),
        };
        return Some(format!("a fetcher is an expression, not a string; did you mean `{meant}`?"));
    }
    if literal(value).is_some() {
        return Some("expected a fetcher, such as `http(\"https://example.com/app\")`".to_owned());
    }
    match value {
        Expr::Path(path) => {
            let mut names = BUILT_IN.iter().map(|built_in| built_in.name).chain([fallback::NAME]);
            let name = names.find(|name| path.path.is_ident(name))?;
            Some(format!("`{name}` is a constructor; call it: `{name}(...)`"))
        }
        Expr::Closure(_) => {
            Some("a closure is not a fetcher by itself; wrap it: `from_fn(...)`".to_owned())
        }
        _ => None,
    }
}

/// An assignment among the arguments of the user's own function was meant as an option.
fn check_own(call: &ExprCall) -> syn::Result<()> {
    let Some(option) = call.args.iter().find(|argument| matches!(peel(argument), Expr::Assign(_)))
    else {
        return Ok(());
    };
    let names = BUILT_IN.iter().map(|built_in| built_in.name);
    let function = call.func.to_token_stream().to_string().replace(' ', "");
    let message = match nearest(&function, names.clone()) {
        Some(meant) => format!("`{function}` is not a built-in fetcher; did you mean `{meant}`?"),
        None => {
            return Err(syn::Error::new_spanned(
                option,
                format!("only the built-in fetchers take `key = value` options: {}", listed(names)),
            ));
        }
    };
    Err(syn::Error::new_spanned(&call.func, message))
}

/// A call of a built-in fetcher's constructor.
struct BuiltInCall<'a> {
    built_in: &'static BuiltIn,
    name: &'a Ident,
    arguments: &'a Punctuated<Expr, Token![,]>,
}

impl<'a> BuiltInCall<'a> {
    fn of(root: &'a Expr) -> Option<Self> {
        let Expr::Call(call) = root else { return None };
        let Expr::Path(function) = peel(&call.func) else { return None };
        let name = function.path.get_ident()?;
        let built_in = BUILT_IN.iter().find(|built_in| name == built_in.name)?;
        Some(Self { built_in, name, arguments: &call.args })
    }

    fn check(&self) -> syn::Result<()> {
        let mut all = Ok(());
        let mut positional = 0;
        let mut seen: Vec<String> = Vec::new();
        for argument in self.arguments {
            let checked = match option(argument) {
                Some((key, value)) => self.check_option(&key, value, &mut seen),
                None if !seen.is_empty() => Err(self.refuse(argument, |name, built_in| {
                    format!("`{name}` takes {} first, then its options", built_in.first)
                })),
                None => {
                    positional += 1;
                    self.check_positional(argument, positional)
                }
            };
            if let Err(error) = checked {
                combine(&mut all, error);
            }
        }
        if positional < self.built_in.count() && all.is_ok() {
            all = Err(self.refuse(self.name, |name, built_in| {
                format!("`{name}` needs {}: `{name}({})`", built_in.first, built_in.example)
            }));
        }
        all
    }

    fn check_positional(&self, argument: &Expr, position: usize) -> syn::Result<()> {
        if position > self.built_in.count() {
            return Err(self.refuse(argument, |name, built_in| match word(argument) {
                Some(key) if built_in.kind(&key.to_string()).is_some() => {
                    format!("`{key}` needs a value: `{key} = ...`")
                }
                _ => {
                    let count =
                        if built_in.count() == 1 { "one argument" } else { "two arguments" };
                    format!("`{name}` takes {count}, {}, and `key = value` options", built_in.first)
                }
            }));
        }
        let check = self.built_in.check_second.filter(|_| position > 1);
        match check.unwrap_or(self.built_in.check_first)(argument) {
            Some(mistake) => Err(syn::Error::new_spanned(argument, mistake)),
            None => Ok(()),
        }
    }

    fn check_option(&self, key: &Ident, value: &Expr, seen: &mut Vec<String>) -> syn::Result<()> {
        let name = self.built_in.name;
        let Some(kind) = self.built_in.kind(&key.to_string()) else {
            let options = self.built_in.options();
            let hint = match nearest(&key.to_string(), options.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if options.clone().count() == 1 => format!("it takes {}", listed(options)),
                None => format!("expected one of {}", listed(options)),
            };
            // An unknown option counts as one: what follows it is no positional argument.
            seen.push(key.to_string());
            return Err(syn::Error::new_spanned(
                key,
                format!("`{name}` has no option `{key}`; {hint}"),
            ));
        };
        let again = seen.iter().any(|earlier| key == earlier);
        seen.push(key.to_string());
        if again && !matches!(kind, Kind::Pairs) {
            return Err(syn::Error::new_spanned(key, format!("`{key}` is given twice")));
        }
        kind.check(key, value)
    }

    fn refuse(
        &self,
        place: impl ToTokens,
        message: impl FnOnce(&str, &BuiltIn) -> String,
    ) -> syn::Error {
        syn::Error::new_spanned(place, message(self.built_in.name, self.built_in))
    }

    fn tokens(&self, krate: &CratePath) -> TokenStream {
        let name = self.name;
        let positional = self.arguments.iter().filter(|argument| option(argument).is_none());
        let setters =
            self.arguments.iter().filter_map(option).map(|(key, value)| match peel(value) {
                Expr::Tuple(pair)
                    if self.built_in.kind(&key.to_string()).is_some_and(Kind::is_pair) =>
                {
                    let parts = &pair.elems;
                    quote!(.#key(#parts))
                }
                _ => quote!(.#key(#value)),
            });
        quote!(#krate::fetcher::#name(#(#positional),*) #(#setters)*)
    }
}

/// `key = value` among the arguments of a call.
fn option(argument: &Expr) -> Option<(Ident, &Expr)> {
    match peel(argument) {
        Expr::Assign(assignment) => Some((word(&assignment.left)?, &assignment.right)),
        _ => None,
    }
}

fn word(expr: &Expr) -> Option<Ident> {
    match peel(expr) {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident().cloned(),
        _ => None,
    }
}

/// What methods are called on, and their methods' receivers in turn.
fn root(expr: &Expr) -> &Expr {
    match expr {
        Expr::MethodCall(call) => root(&call.receiver),
        Expr::Paren(paren) => root(&paren.expr),
        Expr::Group(group) => root(&group.expr),
        other => other,
    }
}

fn root_mut(expr: &mut Expr) -> &mut Expr {
    match expr {
        Expr::MethodCall(call) => root_mut(&mut call.receiver),
        Expr::Paren(paren) => root_mut(&mut paren.expr),
        Expr::Group(group) => root_mut(&mut group.expr),
        other => other,
    }
}

#[cfg(test)]
mod tests;
