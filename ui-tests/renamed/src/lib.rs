//! `selfup` under another name, through `package = ` in Cargo.toml.
//!
//! A case of trybuild has the dependencies of the package that holds it, where selfup keeps its
//! own name; so this is a package, and a library that the tests depend on and call.

#![deny(warnings)]

/// The generated `main` takes the place of this one.
#[up::main(
    crate = ::up,
    address = "127.0.0.1:0",
    fetcher = http("http://127.0.0.1:9/app", interval = "1h"),
    terminate_timeout = "1s"
)]
pub async fn main(_: up::State) {
    std::future::ready(()).await;
}
