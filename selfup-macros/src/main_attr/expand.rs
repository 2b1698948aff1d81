//! The tokens that replace the attribute and the function.
//!
//! The rules that they obey, each for a program that would not compile otherwise:
//!
//! - No name of ours is visible to the user's code or the other way round: no `let`, no `use`,
//!   absolute paths, and the one parameter of a closure is hygienic. So programs may be called
//!   `state` or `config`, and may shadow every name of std.
//! - What a mistake of the user's would make the compiler point at, stands at the place of that
//!   mistake: the parameter's type, the return type, the literal.
//! - What is shown at a place of the user's also belongs to the user's code there, so that the
//!   compiler does not add that the error comes from a macro. All other tokens belong to the
//!   expansion, where lints about code that the user cannot change stay silent.
//!
//! Where the function is named `main`, it moves into the generated one.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, ReturnType};

use super::entry::{Entry, Runtime, Setting};
use super::item::{Item, Program};
use super::value::CratePath;
use crate::errors::Errors;

/// The user's function, the `main` that starts it, and the note.
pub(crate) fn entry(entry: &Entry<'_>) -> TokenStream {
    let call = run(entry);
    let exit_code = private(&entry.krate, &quote!(ExitCode));
    let main = Main { returns: quote!(-> #exit_code), body: call }
        .around(entry.program, entry.program.attributes.iter());
    let note = note(entry);
    quote!(#main #note)
}

/// The user's function and an empty `main`, so that there are no consequences beside the mistakes
/// themselves.
pub(crate) fn mistakes(item: &Item, errors: Errors) -> TokenStream {
    let item = match item {
        Item::Program(program) if program.is_refused_everywhere() => quote!(
            fn main() {}
        ),
        Item::Program(program) => {
            let unused = syn::parse_quote!(#[allow(dead_code)]);
            let attributes = program.harmless_attributes().chain(std::iter::once(&unused));
            Main { returns: TokenStream::new(), body: TokenStream::new() }
                .around(program, attributes)
        }
        Item::Other(tokens) => quote!(#tokens fn main() {}),
    };
    let errors = errors.into_compile_errors();
    quote!(#item #errors)
}

/// The generated `main`.
struct Main {
    returns: TokenStream,
    body: TokenStream,
}

impl Main {
    fn around<'a>(
        self,
        program: &Program,
        attributes: impl Iterator<Item = &'a Attribute>,
    ) -> TokenStream {
        let Self { returns, body } = self;
        let Program { visibility, function, .. } = program;
        let conditions = program.conditions();
        if program.is_named_main() {
            let docs =
                program.attributes.iter().filter(|attribute| attribute.path().is_ident("doc"));
            let nested = quote!(#(#attributes)* #function);
            let main = quote!(#visibility fn main() #returns { #nested #body });
            return quote!(#(#conditions)* #(#docs)* #main);
        }
        quote!(#(#attributes)* #visibility #function #(#conditions)* fn main() #returns { #body })
    }
}

/// `run(|| Config::builder()..build(), Program::..)`
fn run(entry: &Entry<'_>) -> TokenStream {
    let Entry { krate, settings, configure, .. } = entry;
    let run = private(krate, &quote!(run));
    let settings = settings.iter().chain(configure);
    let program = program(entry);
    quote!(#run(|| #krate::Config::builder() #(#settings)* .build(), #program))
}

impl ToTokens for Setting {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { key, value, .. } = self;
        tokens.extend(quote!(.#key(#value)));
    }
}

/// `Program::on(Runtime::.., |state| prog(argument(state))).init(..)`
fn program(entry: &Entry<'_>) -> TokenStream {
    let Entry { krate, program, runtime, hooks, .. } = entry;
    let output = Stretch::of_output(program);
    let start = closure(entry, &output);
    let made = match runtime {
        Runtime::Blocking => output.call(krate, &quote!(Program::blocking), start),
        Runtime::Async { flavor, worker_threads } => {
            let flavor = flavor.constructor(Span::call_site());
            let runtime = private(krate, &quote!(Runtime::#flavor));
            let worker_threads = worker_threads.iter();
            output.call(krate, &quote!(Program::on), quote!(#runtime() #(#worker_threads)*, #start))
        }
    };
    quote!(#made #(#hooks)*)
}

/// `|state| prog(argument(state))`; for a program that never returns, a closure that says what it
/// would return, since `!` implements no trait.
fn closure(entry: &Entry<'_>, output: &Stretch) -> TokenStream {
    let Entry { krate, program, .. } = entry;
    let name = program.name();
    let (parameter, argument) = match program.argument() {
        Some(argument) => {
            let shown = Stretch::of(&argument.ty);
            let state = Ident::new("state", Span::mixed_site().located_at(shown.first));
            (quote!(#state), shown.call(krate, &quote!(argument), quote!(#state)))
        }
        None => (quote!(_), TokenStream::new()),
    };
    if !program.diverges() {
        return quote!(|#parameter| #name(#argument));
    }
    let exit_code = output.path(krate, &quote!(ExitCode));
    if program.is_async() {
        quote!(async |#parameter| -> #exit_code { #name(#argument).await })
    } else {
        quote!(|#parameter| -> #exit_code { #name(#argument) })
    }
}

fn note(entry: &Entry<'_>) -> TokenStream {
    let note = private(&entry.krate, &quote!(note));
    let fields = entry.note.iter().map(|Setting { key, value, .. }| quote!(#key = #value));
    let conditions = entry.program.conditions();
    quote!(#(#conditions)* #note!(#(#fields),*);)
}

/// A stretch of the user's source.
struct Stretch {
    first: Span,
    last: Span,
}

impl Stretch {
    fn of(tokens: &impl ToTokens) -> Self {
        let mut spans = tokens.to_token_stream().into_iter().map(|token| token.span());
        let first = spans.next().unwrap_or_else(Span::call_site);
        Self { first, last: spans.last().unwrap_or(first) }
    }

    fn of_output(program: &Program) -> Self {
        match &program.signature.output {
            ReturnType::Type(_, output) => Self::of(output),
            ReturnType::Default => Self::of(program.name()),
        }
    }

    /// A call into `__private` that covers the whole stretch: the compiler shows a call from the
    /// first token of its path to its closing parenthesis.
    fn call(&self, krate: &CratePath, path: &TokenStream, arguments: TokenStream) -> TokenStream {
        let path = self.path(krate, path);
        let mut arguments = Group::new(Delimiter::Parenthesis, arguments);
        arguments.set_span(self.last);
        quote!(#path #arguments)
    }

    fn path(&self, krate: &CratePath, path: &TokenStream) -> TokenStream {
        let krate = krate.at(self.first);
        let last = self.last;
        // Interpolation would not move the tokens of `path`.
        let path = path.clone().into_iter().map(|mut token| {
            token.set_span(last);
            token
        });
        quote_spanned!(last=> #krate::__private::#(#path)*)
    }
}

fn private(krate: &CratePath, path: &TokenStream) -> TokenStream {
    quote!(#krate::__private::#path)
}
