//! The item below the attribute: the user's function, as far as the expansion needs to know it.
//!
//! The signature is parsed, to check it and to find the spans at which type errors should appear.
//! It is not printed again: the function is passed on as the tokens that came in, so that a syntax
//! newer than this crate's parser is refused at most, never damaged.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, FnArg, GenericParam, Ident, PatType, Path, ReturnType, Safety, Signature, Token,
    Type, Visibility, token,
};

use crate::errors::{Errors, Place};

/// What stands below the attribute.
#[derive(Debug)]
pub(crate) enum Item {
    Program(Box<Program>),
    /// Something that is no function, or a function that cannot be read.
    Other(TokenStream),
}

/// The user's function.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// Signature and body as they came in.
    pub(crate) function: TokenStream,
}

impl Item {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        match Program::parse.parse2(tokens.clone()) {
            Ok(Reading::Function(program)) => {
                program.check(errors);
                Self::Program(program)
            }
            Ok(Reading::WithoutBody(program)) => {
                errors
                    .push(Place::Item, syn::Error::new_spanned(&program.signature, NOT_A_FUNCTION));
                Self::Program(program)
            }
            Err(error) => {
                errors.push(Place::Item, error);
                Self::Other(tokens)
            }
        }
    }
}

/// Whether the item has a body.
enum Reading {
    Function(Box<Program>),
    WithoutBody(Box<Program>),
}

impl Program {
    fn parse(input: ParseStream<'_>) -> syn::Result<Reading> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let function = input.fork().parse()?;
        let not_a_function = input.error(NOT_A_FUNCTION);
        let signature: Signature = input.parse().map_err(|_| not_a_function)?;
        let mut program = Box::new(Self { attributes, visibility, signature, function });
        if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            // The compiler refuses a function without a body once more; one that never returns fits
            // every signature.
            let signature = &program.signature;
            program.function = quote::quote!(#signature { loop {} });
            return Ok(Reading::WithoutBody(program));
        }
        if !input.peek(token::Brace) {
            return Err(input.error(NOT_A_FUNCTION));
        }
        // A group, or the invisible group around one that a `$body:block` makes.
        input.parse::<TokenTree>()?;
        Ok(Reading::Function(program))
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.signature.ident
    }

    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    /// Whether the generated `main` would collide with it.
    pub(crate) fn is_named_main(&self) -> bool {
        self.name().unraw() == "main"
    }

    /// `-> !`
    pub(crate) fn diverges(&self) -> bool {
        match &self.signature.output {
            ReturnType::Type(_, output) => matches!(peel(output), Type::Never(_)),
            ReturnType::Default => false,
        }
    }

    /// Whether the compiler refuses the signature too, wherever it is emitted.
    pub(crate) fn is_refused_everywhere(&self) -> bool {
        self.signature.receiver().is_some() || self.signature.variadic.is_some()
    }

    pub(crate) fn argument(&self) -> Option<&PatType> {
        self.signature.inputs.iter().find_map(|input| match input {
            FnArg::Typed(argument) => Some(argument),
            FnArg::Receiver(_) => None,
        })
    }

    /// The attributes that decide whether the function exists at all: without it, there must be no
    /// `main` that calls it.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"))
    }

    /// The attributes that do not generate another `main`.
    pub(crate) fn harmless_attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| Rival::of(attribute.path()).is_none())
    }

    fn check(&self, errors: &mut Errors) {
        for attribute in &self.attributes {
            if let Some(rival) = Rival::of(attribute.path()) {
                errors.push(
                    Place::Item,
                    syn::Error::new_spanned(attribute, rival.message(attribute.path())),
                );
            }
        }
        self.check_qualifiers(errors);
        self.check_generics(errors);
        self.check_arguments(errors);
    }

    fn check_qualifiers(&self, errors: &mut Errors) {
        let name = self.name();
        let mut refuse = |tokens: &dyn quote::ToTokens, message: &str| {
            errors.push(
                Place::Item,
                syn::Error::new_spanned(tokens, format!("program `{name}` {message}")),
            );
        };
        if let Some(constness) = &self.signature.constness {
            refuse(constness, "must not be `const`; it runs when the process starts");
        }
        if let Safety::Unsafe(unsafety) = &self.signature.safety {
            refuse(unsafety, "must not be `unsafe`; nothing could promise what it asks for");
        }
        if let Some(abi) = &self.signature.abi {
            refuse(abi, "must not have an ABI; only Rust calls it");
        }
    }

    fn check_generics(&self, errors: &mut Errors) {
        let by_type = self
            .signature
            .generics
            .params
            .iter()
            .find(|parameter| !matches!(parameter, GenericParam::Lifetime(_)));
        if let Some(parameter) = by_type {
            let message = format!(
                "program `{}` must not be generic; nothing calls it with type arguments",
                self.name()
            );
            errors.push(Place::Item, syn::Error::new_spanned(parameter, message));
        }
    }

    fn check_arguments(&self, errors: &mut Errors) {
        let name = self.name();
        let inputs = &self.signature.inputs;
        if let Some(receiver) = self.signature.receiver() {
            let message =
                format!("program `{name}` must be a free function; `self` has no value here");
            errors.push(Place::Item, syn::Error::new_spanned(receiver, message));
            return;
        }
        let found = inputs.len() + usize::from(self.signature.variadic.is_some());
        if found > 1 {
            let message =
                format!("program `{name}` takes one argument, the `selfup::State`; found {found}");
            errors.push(Place::Item, syn::Error::new_spanned(inputs, message));
            return;
        }
        match self.argument().map(|argument| peel(&argument.ty)) {
            Some(by_reference @ Type::Reference(_)) => {
                errors.push(
                    Place::Item,
                    syn::Error::new_spanned(
                        by_reference,
                        "take the state by value: `state: selfup::State`",
                    ),
                );
            }
            Some(unnamed @ Type::ImplTrait(_)) => {
                errors.push(
                    Place::Item,
                    syn::Error::new_spanned(unnamed, "name the type: `state: selfup::State`"),
                );
            }
            _ => {}
        }
    }
}

/// The type without the invisible group that `macro_rules!` puts around a `$type:ty`.
fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        other => other,
    }
}

/// Another attribute that wants to decide how the function is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rival {
    SelfupMain,
    RuntimeMain,
    Test,
}

impl Rival {
    fn of(attribute: &Path) -> Option<Self> {
        let name = &attribute.segments.last()?.ident;
        let of_a_crate = attribute.segments.len() > 1;
        if name == "main" && of_a_crate {
            let first = &attribute.segments.first()?.ident;
            Some(if first == "selfup" { Self::SelfupMain } else { Self::RuntimeMain })
        } else if name == "test" || name == "bench" {
            Some(Self::Test)
        } else {
            None
        }
    }

    fn message(self, attribute: &Path) -> String {
        let name = attribute
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect::<Vec<_>>()
            .join("::");
        match self {
            Self::SelfupMain => "`#[selfup::main]` is given twice; keep one of them".to_owned(),
            Self::RuntimeMain => {
                let options = if name == "tokio::main" { TOKIO_OPTIONS } else { "" };
                format!("`#[selfup::main]` starts the runtime itself; remove `#[{name}]`{options}")
            }
            Self::Test => format!(
                "`#[selfup::main]` cannot be combined with `#[{name}]`; a test can call the \
                 function as it is"
            ),
        }
    }
}

const TOKIO_OPTIONS: &str = " (its options `flavor` and `worker_threads` are accepted here)";

const NOT_A_FUNCTION: &str = "`#[selfup::main]` can only be applied to a function with a body";
