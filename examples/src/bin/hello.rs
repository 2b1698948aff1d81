//! The program of the README: says hello, and upgrades itself from a URL.

use axum::{Router, routing::get};
use selfup::State;

#[selfup::main(
    address = ":3000",
    fetcher = http("http://localhost:4000/binaries/myapp", interval = "1s")
)]
async fn prog(state: State) -> Result<(), Box<dyn std::error::Error>> {
    let hello = format!("hello from generation {}\n", state.generation());
    let app = Router::new().route("/", get(|| async { hello }));
    axum::serve(state.listener()?, app).with_graceful_shutdown(state.graceful_shutdown()).await?;
    Ok(())
}
