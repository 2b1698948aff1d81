//! An axum app on `selfup::serve`, which loses no request to a restart.
//!
//! `GET /` answers `hello <pid>\n`, `GET /sleep?ms=N` the same N milliseconds later. It takes its
//! address from the environment variable `ADDR`, and its probation from `PROBATION`.

use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;

#[selfup::main(
    address = variable("ADDR").unwrap_or_else(|| ":3000".into()),
    probation = variable("PROBATION").unwrap_or_else(|| "10s".into()),
)]
async fn prog(state: selfup::State) -> selfup::Result<selfup::Served> {
    let app = Router::new().route("/", get(hello)).route("/sleep", get(sleep));
    selfup::serve(&state, app).await
}

async fn hello() -> String {
    format!("hello {}\n", std::process::id())
}

async fn sleep(RawQuery(query): RawQuery) -> String {
    let millis = query.as_deref().and_then(|query| query.strip_prefix("ms=")?.parse().ok());
    tokio::time::sleep(Duration::from_millis(millis.unwrap_or(0))).await;
    hello().await
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
