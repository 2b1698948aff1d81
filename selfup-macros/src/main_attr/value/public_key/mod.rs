//! Whose signatures are trusted: minisign public keys.

mod grammar;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprArray, Ident};

use super::{Value, literal, peel, refuse, string};
use crate::errors::combine;

/// One public key, or a list of them.
#[derive(Debug)]
pub(crate) struct PublicKeys(Expr);

impl Value for PublicKeys {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mut all = Ok(());
        match list(value) {
            Some(list) if list.elems.is_empty() => {
                let words = format!("`{key} = []` trusts nobody; leave the key out, or name a key");
                return Err(syn::Error::new_spanned(value, words));
            }
            Some(list) => {
                for element in &list.elems {
                    check(element).unwrap_or_else(|error| combine(&mut all, error));
                }
            }
            None => all = check(value),
        }
        all.map(|()| Self(value.clone()))
    }
}

fn list(value: &Expr) -> Option<&ExprArray> {
    match peel(value) {
        Expr::Reference(reference) => list(&reference.expr),
        Expr::Array(list) => Some(list),
        _ => None,
    }
}

fn check(value: &Expr) -> syn::Result<()> {
    let mistake = match (string(value), literal(value)) {
        (Some(text), _) => grammar::parse(&text.value()).err(),
        (None, Some(_)) => {
            Some("a minisign public key is a string: the last line of the .pub file".to_owned())
        }
        (None, None) => None,
    };
    refuse(value, mistake)
}

impl ToTokens for PublicKeys {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    const KEY: &str = "\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\"";

    #[test]
    fn public_keys() {
        let file = KEY.replacen('"', "\"untrusted comment: minisign public key\\n", 1);
        let expected = "56 base64 characters, the last line of the .pub file";
        for (value, expected) in [
            (KEY.to_owned(), "ok".to_owned()),
            (file, "ok".to_owned()),
            (format!("[{KEY}, NEXT]"), "ok".to_owned()),
            (format!("&[{KEY}]"), "ok".to_owned()),
            ("include_str!(\"app.pub\")".to_owned(), "ok".to_owned()),
            (
                "[]".to_owned(),
                "`key = []` trusts nobody; leave the key out, or name a key".to_owned(),
            ),
            (
                format!("[\"abc\", {KEY}, 7]"),
                format!(
                    "\"abc\" is not a minisign public key: expected {expected} | a minisign \
                     public key is a string: the last line of the .pub file"
                ),
            ),
        ] {
            assert_eq!(verdict::<PublicKeys>(&value), expected, "{value}");
        }
        let secret = verdict::<PublicKeys>("\"RWRTY0Iyswordfish\"");
        assert!(secret.starts_with("a minisign secret key belongs") && !secret.contains("sword"));
    }
}
