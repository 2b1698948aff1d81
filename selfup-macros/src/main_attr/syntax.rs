//! The attribute's text, cut into arguments.
//!
//! Each argument is read on its own, and a mistake in one skips to the comma that ends it: what
//! stands behind is still checked. Words are known one stage later, in `args`; here `key = value`,
//! `key` and `key(..)` are told from everything else.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprLit, Ident, Lit, Token, token};

use crate::errors::{Errors, Place};

/// One argument, whatever its key.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) place: Place,
    pub(crate) key: Ident,
    pub(crate) form: Form,
}

/// How an argument is written.
#[derive(Debug)]
pub(crate) enum Form {
    /// `key`
    Word,
    /// `key(..)`
    List(token::Paren, TokenStream),
    /// `key = value`
    Value(Token![=], Expr),
}

/// All arguments that can be made out.
pub(crate) fn arguments(tokens: TokenStream, errors: &mut Errors) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let all = |input: ParseStream<'_>| {
        let mut position = 0;
        while !input.is_empty() {
            let place = Place::Argument(position);
            let read = argument(input, place);
            let complete = read.is_ok();
            arguments.extend(errors.take(place, read));
            if complete {
                errors.take(place, separator(input));
            } else {
                skip_to_next(input);
            }
            position += 1;
        }
        Ok(())
    };
    // The loop above consumes everything and never fails.
    let finished = all.parse2(tokens);
    errors.take(Place::Argument(0), finished);
    arguments
}

fn argument(input: ParseStream<'_>, place: Place) -> syn::Result<Argument> {
    if input.peek(Ident::peek_any) && !input.peek(syn::LitBool) {
        let key = input.call(Ident::parse_any)?;
        let form = form(input, &key)?;
        return Ok(Argument { place, key, form });
    }
    Err(without_key(input))
}

fn form(input: ParseStream<'_>, key: &Ident) -> syn::Result<Form> {
    let is_misspelled_equals =
        input.peek(Token![==]) || (input.peek(Token![:]) && !input.peek(Token![::]));
    if is_misspelled_equals {
        Err(input.error(format!("`{key}` takes its value after `=`: `{key} = ...`")))
    } else if input.peek(Token![=]) {
        let equals: Token![=] = input.parse()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new_spanned(
                quote!(#key #equals),
                format!("`{key}` needs a value: `{key} = ...`"),
            ));
        }
        Ok(Form::Value(equals, input.parse()?))
    } else if input.peek(token::Paren) {
        let content;
        let parentheses = syn::parenthesized!(content in input);
        Ok(Form::List(parentheses, content.parse()?))
    } else {
        Ok(Form::Word)
    }
}

/// Where a comma is missing, the next argument begins all the same.
fn separator(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    let error = input.error("expected `,`");
    if !input.peek(Ident::peek_any) {
        skip_to_next(input);
    }
    Err(error)
}

fn without_key(input: ParseStream<'_>) -> syn::Error {
    let ahead = input.fork();
    let Ok(expr) = ahead.parse::<Expr>() else {
        return input.error("arguments are `key = value`, such as `address = \":3000\"`");
    };
    let hint = match super::value::peel(&expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value().contains("://") => {
            format!("; did you mean `fetcher = http({})`?", text.token())
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            format!("; did you mean `address = {}`?", text.token())
        }
        _ => ", such as `address = \":3000\"`".to_owned(),
    };
    syn::Error::new_spanned(expr, format!("arguments are `key = value`{hint}"))
}

fn skip_to_next(input: ParseStream<'_>) {
    while let Ok(token) = input.parse::<TokenTree>() {
        if matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ',') {
            return;
        }
    }
}
