//! The attribute of [selfup](https://docs.rs/selfup), which is where it is documented and where to
//! take it from: `#[selfup::main]`.
//!
//! A procedural macro has to live in a crate of its own. This one has no other purpose, and its
//! version always equals that of `selfup`.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

mod errors;
mod main_attr;
mod neighbour;

#[expect(missing_docs, reason = "documented at its re-export, where rustdoc would show both texts")]
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    main_attr::rewrite(args.into(), item.into()).into()
}
