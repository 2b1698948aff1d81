//! Whose signatures are trusted: minisign public keys.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::{Value, peel};

/// One public key, or a list of them.
#[derive(Debug)]
pub(crate) struct PublicKeys(Expr);

impl Value for PublicKeys {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        if let Expr::Array(list) = peel(value)
            && list.elems.is_empty()
        {
            let words = format!("`{key} = []` trusts nobody; leave the key out, or name a key");
            return Err(syn::Error::new_spanned(value, words));
        }
        Ok(Self(value.clone()))
    }
}

impl ToTokens for PublicKeys {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
