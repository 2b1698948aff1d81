//! A path or a name: a string that is not empty, or an expression.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::{Value, literal, refuse, string};

/// Text of which nothing is known but that there is some.
#[derive(Debug)]
pub(crate) struct PlainText(Expr);

impl Value for PlainText {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value).map(syn::LitStr::value), literal(value)) {
            (Some(text), _) if text.trim().is_empty() => Some("cannot be empty"),
            (None, Some(_)) => Some("is a string"),
            _ => None,
        };
        refuse(value, mistake.map(|problem| format!("`{key}` {problem}")))?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for PlainText {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn plain_texts() {
        for (value, expected) in [
            ("\"bin/app\"", "ok"),
            ("concat!(\"a\", \"b\")", "ok"),
            ("\" \"", "`key` cannot be empty"),
            ("1", "`key` is a string"),
        ] {
            assert_eq!(verdict::<PlainText>(value), expected, "{value}");
        }
    }
}
