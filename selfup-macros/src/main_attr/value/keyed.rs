//! A value together with its key.

use darling::FromMeta;
use syn::{Ident, Meta};

use super::Value;

/// What one argument came to: its key, and a value or the mistakes in it.
///
/// This is where `darling` hands over. It maps keys to fields; its own errors know one token of a
/// place and call a key a field, so none of ours go through them.
#[derive(Debug)]
pub(crate) struct Keyed<T> {
    pub(crate) key: Ident,
    pub(crate) value: syn::Result<T>,
}

impl<T> Keyed<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Keyed<U> {
        Keyed { key: self.key, value: self.value.map(f) }
    }
}

impl<T: Value> FromMeta for Keyed<T> {
    fn from_meta(argument: &Meta) -> darling::Result<Self> {
        let key = argument.path().require_ident()?;
        let value = match argument {
            Meta::Path(_) => T::from_word(key),
            Meta::NameValue(argument) => T::from_expr(key, &argument.value),
            Meta::List(_) => Err(syn::Error::new_spanned(
                argument,
                format!("`{key}` takes its value after `=`: `{key} = ...`"),
            )),
        };
        Ok(Self { key: key.clone(), value })
    }
}
