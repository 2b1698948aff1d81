//! Mistakes, collected so that one compile shows them all.
//!
//! The stages find them in an order of their own (words first, then values, then what does not go
//! together), but a reader works from the top of the attribute to the bottom of the signature. So
//! each mistake is kept with its place, and sorted once at the end; mistakes of one place stay in
//! the order of their discovery.

use proc_macro2::TokenStream;

/// Where in the source a mistake was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the n-th argument of the attribute.
    Argument(usize),
    /// In the function.
    Item,
}

/// All the mistakes of one use of the attribute.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<(Place, syn::Error)>);

impl Errors {
    pub(crate) fn push(&mut self, place: Place, error: syn::Error) {
        self.0.push((place, error));
    }

    /// The value, or nothing and one mistake more.
    pub(crate) fn take<T>(&mut self, place: Place, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(place, error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn messages(mut self) -> Vec<String> {
        self.0.sort_by_key(|(place, _)| *place);
        self.0.into_iter().flat_map(|(_, error)| error).map(|error| error.to_string()).collect()
    }

    /// One `compile_error!` a mistake, in the order of the source.
    pub(crate) fn into_compile_errors(mut self) -> TokenStream {
        self.0.sort_by_key(|(place, _)| *place);
        self.0.iter().map(|(_, error)| error.to_compile_error()).collect()
    }
}

/// Adds `error` to those that `all` holds already.
pub(crate) fn combine(all: &mut syn::Result<()>, error: syn::Error) {
    match all {
        Ok(()) => *all = Err(error),
        Err(first) => first.combine(error),
    }
}
