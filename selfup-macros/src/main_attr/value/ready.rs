//! When a child counts as ready: `"auto"` or `"manual"`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::{Value, literal, refuse, string};

/// Who says that the program is ready.
#[derive(Debug)]
pub(crate) struct Readiness(Expr);

impl Value for Readiness {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value).map(syn::LitStr::value), literal(value)) {
            (Some(word), _) if word == "auto" || word == "manual" => None,
            (Some(word), _) => {
                Some(format!("no readiness named `{word}`; expected `auto` or `manual`"))
            }
            (None, Some(_)) => Some(format!("`{key}` is \"auto\" or \"manual\"")),
            (None, None) => None,
        };
        refuse(value, mistake)?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for Readiness {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
