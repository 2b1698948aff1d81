//! A server for measurements, on the stack of your choice.
//!
//! `GET /` answers `hello <pid>\n`, `GET /sleep?ms=N` the same N milliseconds later. It takes its
//! address from the environment variable `ADDR`, its probation from `PROBATION`, and with
//! `FETCH=<url or path>` polls there every second for a new binary. `STACK` chooses what serves:
//!
//! - `serve`, the default: axum's router on [`selfup::serve`];
//! - `raw`: raw `accept`, a few lines of HTTP/1.1, and a drain by hand;
//! - `axum`: the same router on axum's own server, with its graceful shutdown.

mod raw;

use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use selfup::{Builder, State, fetcher};

#[selfup::main(
    address = variable("ADDR").unwrap_or_else(|| ":3000".into()),
    probation = variable("PROBATION").unwrap_or_else(|| "10s".into()),
    configure = with_fetcher
)]
async fn prog(state: State) -> Result<(), Box<dyn std::error::Error>> {
    match variable("STACK").as_deref().unwrap_or("serve") {
        "serve" => drop(selfup::serve(&state, app()).await?),
        "raw" => raw::serve(&state).await?,
        "axum" => {
            let (listener, shutdown) = (state.listener()?, state.graceful_shutdown());
            axum::serve(listener, app()).with_graceful_shutdown(shutdown).await?;
        }
        other => return Err(format!("STACK is {other:?}; set it to serve, raw or axum").into()),
    }
    Ok(())
}

fn app() -> Router {
    Router::new().route("/", get(hello)).route("/sleep", get(sleep))
}

async fn hello() -> String {
    format!("hello {}\n", std::process::id())
}

async fn sleep(RawQuery(query): RawQuery) -> String {
    let millis = query.as_deref().and_then(|query| query.strip_prefix("ms=")?.parse().ok());
    tokio::time::sleep(Duration::from_millis(millis.unwrap_or(0))).await;
    hello().await
}

fn with_fetcher(builder: Builder) -> Builder {
    match variable("FETCH") {
        Some(url) if url.starts_with("http") => builder.fetcher(fetcher::http(url).interval("1s")),
        Some(path) => builder.fetcher(fetcher::file(path).interval("1s")),
        None => builder,
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
