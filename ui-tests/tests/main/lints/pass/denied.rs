#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    unnameable_types,
    elided_lifetimes_in_paths,
    missing_debug_implementations,
    single_use_lifetimes,
    trivial_casts,
    clippy::all,
    clippy::pedantic
)]

//! Documentation.

use selfup::{Config, State, fetcher};

#[selfup::main(
    address = "127.0.0.1:0",
    fetcher = http("http://127.0.0.1:9/app", interval = "1h"),
    pre_upgrade = |_| Ok::<(), String>(()),
    terminate_timeout = "1s",
    init = drop,
    health = async |_| Ok::<(), String>(()),
    overlap = false,
    name = "company/app",
    no_warn
)]
async fn prog(state: State) -> Result<(), String> {
    std::future::ready(()).await;
    let _ = (state.addresses(), Config::builder(), fetcher::file("/app"));
    Ok(())
}
