//! The way from the user's crate to selfup, for those who renamed or re-exported it.
//!
//! It has to be absolute, because the expansion names it in places where a relative path would mean
//! something else.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Ident, Path, PathArguments};

use super::{Value, peel, string};

/// `::selfup`, or what the key `crate` says.
#[derive(Clone, Debug)]
pub(crate) struct CratePath {
    path: Option<Path>,
}

impl CratePath {
    /// The crate under the name that it was published by.
    pub(crate) fn published() -> Self {
        Self { path: None }
    }

    /// The path, shown at `span`. Quoting alone would leave it where the user wrote it, and every
    /// type error in what it leads to would point there.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        let Some(path) = &self.path else {
            return quote_spanned!(span=> ::selfup);
        };
        let moved = path.to_token_stream().into_iter().map(|mut token| {
            // Each token keeps its own scope: `$crate` would lose its meaning otherwise.
            token.set_span(token.span().located_at(span));
            token
        });
        moved.collect()
    }
}

/// The path where the user wrote it, which is where a crate that does not exist should be shown.
impl ToTokens for CratePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.path {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(quote!(::selfup)),
        }
    }
}

impl Value for CratePath {
    fn from_expr(_: &Ident, value: &Expr) -> syn::Result<Self> {
        let path = match (peel(value), string(value)) {
            (_, Some(text)) => text
                .parse_with(Path::parse_mod_style)
                .map_err(|_| not_a_path(text, &format!("\"{}\"", text.value())))?,
            (Expr::Path(path), None) if path.qself.is_none() && has_no_arguments(&path.path) => {
                path.path.clone()
            }
            _ => return Err(not_a_path(value, "this")),
        };
        check(value, &path)?;
        Ok(Self { path: Some(path) })
    }
}

fn check(value: &Expr, path: &Path) -> syn::Result<()> {
    let shown = shown(path);
    let first = path.segments.first().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let message = match first.as_str() {
        "super" | "self" => format!(
            "`{shown}` is relative to where the macro expands; write the path from `crate::`"
        ),
        "crate" if path.segments.len() == 1 => {
            "`crate` is this crate itself; write `crate::...` for a re-export of your own"
                .to_owned()
        }
        "crate" | "$crate" => return Ok(()),
        _ if path.leading_colon.is_some() => return Ok(()),
        _ => format!(
            "`{shown}` is relative; write `::{shown}` for a dependency, or `crate::...` for a \
             re-export of your own"
        ),
    };
    Err(syn::Error::new_spanned(value, message))
}

fn not_a_path(tokens: impl ToTokens, what: &str) -> syn::Error {
    syn::Error::new_spanned(tokens, format!("{what} is not a path to the `selfup` crate"))
}

fn has_no_arguments(path: &Path) -> bool {
    path.segments.iter().all(|segment| matches!(segment.arguments, PathArguments::None))
}

fn shown(path: &Path) -> String {
    let names: Vec<String> =
        path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let leading = if path.leading_colon.is_some() { "::" } else { "" };
    format!("{leading}{}", names.join("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn paths() {
        for (value, expected) in [
            ("::up", "ok"),
            ("crate::up", "ok"),
            ("crate::deps::up", "ok"),
            ("\"::up\"", "ok"),
            (
                "renamed",
                "`renamed` is relative; write `::renamed` for a dependency, or `crate::...` for a re-export of your own",
            ),
            (
                "\"renamed\"",
                "`renamed` is relative; write `::renamed` for a dependency, or `crate::...` for a re-export of your own",
            ),
            (
                "super::up",
                "`super::up` is relative to where the macro expands; write the path from `crate::`",
            ),
            (
                "self::up",
                "`self::up` is relative to where the macro expands; write the path from `crate::`",
            ),
            (
                "crate",
                "`crate` is this crate itself; write `crate::...` for a re-export of your own",
            ),
            ("\"1bad\"", "\"1bad\" is not a path to the `selfup` crate"),
            ("\"\"", "\"\" is not a path to the `selfup` crate"),
            ("::up::<u8>", "this is not a path to the `selfup` crate"),
            ("3", "this is not a path to the `selfup` crate"),
        ] {
            assert_eq!(verdict::<CratePath>(value), expected, "{value}");
        }
    }
}
