//! The name in the program's note: a string or a constant.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::{Value, literal, refuse, string};

/// What the program is called, in place of `package/binary`.
#[derive(Debug)]
pub(crate) struct Name(Expr);

impl Value for Name {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value).map(syn::LitStr::value), literal(value)) {
            (Some(name), _) if name.trim().is_empty() => Some("cannot be empty"),
            (Some(name), _) if name.chars().any(char::is_control) => {
                Some("cannot hold control characters")
            }
            (None, Some(_)) => Some("is a string"),
            _ => None,
        };
        let hint = format!("such as `{key} = \"my-company/my-app\"`");
        refuse(value, mistake.map(|problem| format!("a program's name {problem}, {hint}")))?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for Name {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
