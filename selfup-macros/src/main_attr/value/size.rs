//! How many bytes: `"1GiB"`, `"64MB"`, or a whole number of bytes.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident, Lit};

use super::{Value, literal, refuse, string};

/// The most bytes that something may have.
#[derive(Debug)]
pub(crate) struct Size(Expr);

impl Value for Size {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value).map(syn::LitStr::value), literal(value)) {
            (Some(text), _) if !is_size(&text) => Some(format!(
                "\"{text}\" is not a size; expected a whole number and a unit (`B`, `kB`, `KiB`, \
                 `MB`, `MiB`, `GB` or `GiB`), such as \"1GiB\""
            )),
            (Some(text), _) if !text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) => {
                Some(format!("`{key}` must not be zero"))
            }
            (None, Some(Lit::Int(number))) if number.base10_digits() == "0" => {
                Some(format!("`{key}` must not be zero"))
            }
            (Some(_), _) | (None, None | Some(Lit::Int(_))) => None,
            (None, Some(_)) => Some(format!("`{key}` is a size such as \"1GiB\"")),
        };
        refuse(value, mistake)?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for Size {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

fn is_size(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    number.parse::<u64>().is_ok() && UNITS.contains(&unit.trim_start())
}

const UNITS: [&str; 7] = ["B", "kB", "KiB", "MB", "MiB", "GB", "GiB"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn sizes() {
        for value in ["\"1GiB\"", "\"64 MB\"", "1024", "1 << 30", "LIMIT"] {
            assert_eq!(verdict::<Size>(value), "ok", "{value}");
        }
        for value in ["\"1\"", "\"GiB\"", "\"1.5GiB\"", "\"1 parsec\"", "\"\""] {
            assert!(verdict::<Size>(value).contains("is not a size; expected"), "{value}");
        }
        for (value, expected) in [
            ("0", "`key` must not be zero"),
            ("\"0MB\"", "`key` must not be zero"),
            ("true", "`key` is a size such as \"1GiB\""),
        ] {
            assert_eq!(verdict::<Size>(value), expected, "{value}");
        }
    }
}
