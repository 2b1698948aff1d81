//! `#[selfup::main]`, in stages that each have a file.
//!
//! ```text
//! arguments --syntax--> [Argument] --args--> Args --.
//!                                                    >--entry--> Entry --expand--> tokens
//! function  --------------item------------> Item ---'
//! ```
//!
//! The two halves of the input are read independently of each other, and every stage goes on after
//! a mistake: what it could read goes to the next stage, what it could not goes to [`Errors`]. Only
//! the step from [`Entry`] to tokens needs a use without mistakes, and so the expansion never has
//! to think of any.
//!
//! With mistakes, the user's function is emitted all the same, beside an empty `main` and one
//! `compile_error!` a mistake: an editor goes on completing inside the function, and no error
//! appears that is only a consequence of another one. The function's body is passed on as the token
//! group that came in. Nothing here parses it, so what it can hold is the business of the compiler
//! alone.

use proc_macro2::TokenStream;

use self::args::Args;
use self::entry::Entry;
use self::item::Item;
use crate::errors::Errors;

mod args;
mod entry;
mod expand;
mod item;
mod syntax;
mod value;

#[cfg(test)]
mod random_input;
#[cfg(test)]
mod snapshots;

/// What replaces the attribute and the function below it.
pub(crate) fn rewrite(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let item = Item::parse(item, &mut errors);
    let entry = Entry::check(args, &item, &mut errors);
    match (entry, errors.is_empty()) {
        (Some(entry), true) => expand::entry(&entry),
        _ => expand::mistakes(&item, errors),
    }
}
