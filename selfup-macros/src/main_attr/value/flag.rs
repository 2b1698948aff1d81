//! Yes or no: `no_restart`, or `no_restart = expr`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::{Expr, Ident, Lit};

use super::{Value, literal};

/// A flag; the key alone means `true`.
#[derive(Debug)]
pub(crate) struct Flag(TokenStream);

impl Value for Flag {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        match literal(value) {
            None | Some(Lit::Bool(_)) => Ok(Self(value.to_token_stream())),
            Some(_) => Err(syn::Error::new_spanned(value, format!("`{key}` is true or false"))),
        }
    }

    fn from_word(key: &Ident) -> syn::Result<Self> {
        Ok(Self(quote_spanned!(key.span()=> true)))
    }
}

impl ToTokens for Flag {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
