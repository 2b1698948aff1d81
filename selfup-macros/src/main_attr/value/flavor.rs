//! The child's runtime, in tokio's words: `"multi_thread"` or `"current_thread"`.

use proc_macro2::Span;
use syn::{Expr, Ident};

use super::{Value, string};

/// Which runtime runs an async program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    MultiThread,
    CurrentThread,
}

impl Flavor {
    /// The constructor of the same name.
    pub(crate) fn constructor(self, span: Span) -> Ident {
        match self {
            Self::MultiThread => Ident::new("multi_thread", span),
            Self::CurrentThread => Ident::new("current_thread", span),
        }
    }
}

impl Value for Flavor {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let Some(name) = string(value) else {
            return Err(syn::Error::new_spanned(
                value,
                format!("`{key}` is \"multi_thread\" or \"current_thread\""),
            ));
        };
        match name.value().as_str() {
            "multi_thread" => Ok(Self::MultiThread),
            "current_thread" => Ok(Self::CurrentThread),
            other => {
                let message = format!(
                    "no runtime flavor named `{other}`; expected `multi_thread` or `current_thread`"
                );
                Err(syn::Error::new_spanned(value, message))
            }
        }
    }
}
