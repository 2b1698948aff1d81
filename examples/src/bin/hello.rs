//! The program of the README: says hello, and upgrades itself from a URL.

use axum::{Router, routing::get};
use selfup::State;

#[selfup::main(
    address = ":3000",
    fetcher = http("http://localhost:4000/binaries/myapp", interval = "1s")
)]
async fn prog(state: State) -> selfup::Result<selfup::Served> {
    let hello = format!("hello from generation {}\n", state.generation());
    let app = Router::new().route("/", get(|| async { hello }));
    selfup::serve(&state, app).await
}
