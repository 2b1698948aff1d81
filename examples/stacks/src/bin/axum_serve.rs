//! axum, by its own `axum::serve`.
//!
//! `Listener` is an `axum::serve::Listener` (feature `axum`), so a paused generation accepts nothing
//! and can be resumed. When it drains, axum finishes the requests that it has begun to read, and
//! returns. Connections that are idle by then, or have said nothing yet, are closed at once: that is
//! hyper's graceful shutdown, and a client that sends at this very moment has to ask again. Upgraded
//! connections are not waited for. `selfup::serve` does neither: see `http` and `websocket`.
//!
//! `POST /` answers `GENERATION: ` and what was posted. It listens at `ADDR`, with a probation of
//! `PROBATION`; `kill -USR2` restarts it.

use std::env;

use axum::Router;
use axum::routing::post;
use selfup::State;

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> Result<(), Box<dyn std::error::Error>> {
    let generation = state.generation();
    let echo = move |body: String| async move { format!("{generation}: {body}") };
    let app = Router::new().route("/", post(echo));
    axum::serve(state.listener()?, app).with_graceful_shutdown(state.graceful_shutdown()).await?;
    Ok(())
}
