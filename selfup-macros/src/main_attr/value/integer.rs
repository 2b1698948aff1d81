//! How many: a whole number, at least 1.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident, Lit};

use super::{Value, literal, peel};

/// A number of things of which there must be one.
#[derive(Debug)]
pub(crate) struct Count(Expr);

impl Value for Count {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let refuse =
            |message: &str| Err(syn::Error::new_spanned(value, format!("`{key}` {message}")));
        match literal(value) {
            Some(Lit::Int(_)) if matches!(peel(value), Expr::Unary(_)) => {
                refuse("must be at least 1")
            }
            Some(Lit::Int(number)) if number.base10_digits() == "0" => refuse("must be at least 1"),
            None | Some(Lit::Int(_)) => Ok(Self(value.clone())),
            Some(_) => refuse("is a whole number"),
        }
    }
}

impl ToTokens for Count {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn counts() {
        for (value, expected) in [
            ("8", "ok"),
            ("8u32", "ok"),
            ("0x10", "ok"),
            ("LIMIT + 1", "ok"),
            ("0", "`key` must be at least 1"),
            ("0_0usize", "`key` must be at least 1"),
            ("-1", "`key` must be at least 1"),
            ("\"8\"", "`key` is a whole number"),
            ("8.0", "`key` is a whole number"),
        ] {
            assert_eq!(verdict::<Count>(value), expected, "{value}");
        }
    }
}
