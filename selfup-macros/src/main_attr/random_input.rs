//! Random input: a panic in a macro is a defect, whatever the macro was given.
//!
//! The tokens are mostly ones that the stages know, so that the input gets past the first of them.
//! `SELFUP_FUZZ_SECONDS=60 cargo test -p selfup-macros random` goes on for that long.

use std::env;
use std::time::{Duration, Instant};

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use super::rewrite;

#[test]
fn no_input_makes_the_attribute_panic() {
    let input = (tokens(ARGUMENT_WORDS), tokens(ITEM_WORDS));
    run(&input, |(args, item)| {
        rewrite(args, item);
        Ok(())
    });
}

#[test]
fn a_valid_function_comes_out_whatever_the_arguments() {
    let input = (arguments(), select(FUNCTIONS));
    run(&input, |(args, function)| {
        let function: TokenStream =
            function.parse().map_err(|_| TestCaseError::fail("the function is no Rust"))?;
        let expansion = rewrite(args, function);
        prop_assert!(syn::parse2::<syn::File>(expansion.clone()).is_ok(), "{expansion}");
        Ok(())
    });
}

fn run<S: Strategy>(input: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let budget = env::var("SELFUP_FUZZ_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .map_or(Duration::ZERO, Duration::from_secs);
    let started = Instant::now();
    loop {
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        runner.run(input, &test).unwrap();
        if started.elapsed() >= budget {
            return;
        }
    }
}

/// Arguments that are often right, in any number and order.
fn arguments() -> impl Strategy<Value = TokenStream> {
    let key = select(ARGUMENT_WORDS).prop_map(ident);
    let value = prop_oneof![
        6 => select(VALUES).prop_filter_map("every value is Rust", |text| text.parse::<TokenStream>().ok()),
        1 => tokens(ARGUMENT_WORDS),
    ];
    let argument = (key, value).prop_map(|(key, value)| quote::quote!(#key = #value,));
    vec(argument, 0..8).prop_map(|arguments| arguments.into_iter().collect())
}

fn tokens(words: &'static [&'static str]) -> impl Strategy<Value = TokenStream> {
    let leaf = prop_oneof![
        4 => select(words).prop_map(|word| TokenTree::from(ident(word))),
        2 => select(&[',', '=', ':', '|', '-', '>', '#', '!', '&', ';', '.', '?', '<', '\''][..]).prop_map(|c| Punct::new(c, Spacing::Alone).into()),
        1 => select(&[':', '=', '-', '|', '.'][..]).prop_map(|c| Punct::new(c, Spacing::Joint).into()),
        2 => select(STRINGS).prop_map(|text| Literal::string(text).into()),
        1 => any::<String>().prop_map(|text| Literal::string(&text).into()),
        1 => any::<u32>().prop_map(|number| Literal::u32_unsuffixed(number).into()),
        1 => any::<char>().prop_map(|c| Literal::character(c).into()),
        1 => any::<Vec<u8>>().prop_map(|bytes| Literal::byte_string(&bytes).into()),
    ];
    let tree = leaf.prop_recursive(4, 64, 8, |inner| {
        let delimiter = select(
            &[Delimiter::Parenthesis, Delimiter::Brace, Delimiter::Bracket, Delimiter::None][..],
        );
        (delimiter, vec(inner, 0..8)).prop_map(|(delimiter, content)| {
            Group::new(delimiter, content.into_iter().collect()).into()
        })
    });
    vec(tree, 0..16).prop_map(|trees| trees.into_iter().collect())
}

fn ident(word: &str) -> Ident {
    match word.strip_prefix("r#") {
        Some(raw) => Ident::new_raw(raw, Span::call_site()),
        None => Ident::new(word, Span::call_site()),
    }
}

const ARGUMENT_WORDS: &[&str] = &[
    "address",
    "addresses",
    "fetcher",
    "min_fetch_interval",
    "verify",
    "pre_upgrade",
    "allow_downgrade",
    "allow_unmarked",
    "bin",
    "max_size",
    "state_dir",
    "no_restart",
    "no_restart_after_fetch",
    "required",
    "debug",
    "no_warn",
    "restart_signal",
    "terminate_timeout",
    "ready_timeout",
    "probation",
    "ready",
    "health",
    "max_draining",
    "overlap",
    "upgrade_master",
    "control",
    "backlog",
    "name",
    "version",
    "init",
    "on_event",
    "flavor",
    "worker_threads",
    "configure",
    "crate",
    "http",
    "fallback",
    "file",
    "from_fn",
    "interval",
    "header",
    "timeout",
    "true",
    "self",
    "super",
    "async",
    "r#fn",
    "_",
    "adress",
];

const ITEM_WORDS: &[&str] = &[
    "fn", "fn", "async", "const", "unsafe", "extern", "pub", "crate", "struct", "impl", "self",
    "mut", "main", "prog", "state", "State", "test", "tokio", "cfg", "where", "r#async", "default",
];

const STRINGS: &[&str] = &[
    ":3000",
    "3000",
    "127.0.0.1",
    "[::1]:1",
    "[",
    "]:1",
    "::1:3",
    "unix:",
    "unix:@",
    "udp:",
    "fd:",
    "http://x/y",
    "https://",
    "http://x/{os",
    "30s",
    "30",
    "0s",
    "SIGUSR2",
    "SIGSIG",
    "multi_thread",
    "::up",
    "::",
    "1.2.3",
    "auto",
    "",
];

const VALUES: &[&str] = &[
    "\":3000\"",
    "\"3000\"",
    "[\":1\", \":1\"]",
    "[]",
    "\"30s\"",
    "\"0s\"",
    "30",
    "true",
    "-1",
    "\"SIGUSR2\"",
    "\"SIGKILL\"",
    "\"multi_thread\"",
    "\"current_thread\"",
    "\"auto\"",
    "\"1.2.3\"",
    "|x| x",
    "async |x| x",
    "path::to",
    "http(\"http://x/y\", interval = \"1s\")",
    "fallback(http(\"http://x/y\", interval = \"1s\"), file(\"/x\"))",
    "http(\"x\", header = (\"a\", \"b\")).y()",
    "http(\"http://x/y\", sha256 = \"SHA256SUMS\", signature = 3)",
    "[\"RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\", \"abc\"]",
    "file(3)",
    "::up",
    "crate::up",
    "super::up",
    "\"\u{e9}\u{df}\"",
    "async { 1 }",
    "a = b",
    "return",
    "(..)",
    "{ let x = 3; x }",
    "if a { b } else { c }",
];

const FUNCTIONS: &[&str] = &[
    "fn prog() {}",
    "async fn prog(state: State) -> Result<(), E> { work().await }",
    "pub(crate) async fn main(_: State) -> ! { loop {} }",
    "fn main() -> ! { loop {} }",
    "const unsafe extern \"C\" fn prog<T>(self, a: T) where T: Copy {}",
    "#[tokio::main] #[cfg(test)] async fn r#async(mut s: impl Into<State>) {}",
    "fn prog(state: &State);",
    "fn r#main() {}",
];
