//! actix-web, on the socket itself.
//!
//! actix accepts by its own means, so it is given the socket, and that makes a generation
//! *unpausable*: selfup cannot keep it from accepting beside the next one, until it drains. Its
//! clients would meet both generations on probation; if the next one failed, nobody would have to
//! resume; and what it accepts at the moment of its drain would be lost, for actix drops what its
//! workers have not begun. But actix can pause, and `follow` has it pause with its generation; with
//! `UNPAUSABLE` in the environment it does not.
//!
//! `shutdown_signal` has it end when `graceful_shutdown()` resolves, and leave signals alone, as
//! `disable_signals` would. Connections that are idle by then, or have said nothing yet, are closed.
//! Its `shutdown_timeout` has to be shorter than `terminate_timeout` (30 s).
//!
//! `POST /` answers `GENERATION: ` and what was posted. It listens at `ADDR`, with a probation of
//! `PROBATION`; `kill -USR2` restarts it.

use std::env;

use actix_web::dev::ServerHandle;
use actix_web::web::post;
use actix_web::{App, HttpServer};
use selfup::{Active, State};

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> Result<(), Box<dyn std::error::Error>> {
    let socket = state.listener()?.into_std_tcp()?;
    let generation = state.generation();
    let echo = move |body: String| async move { format!("{generation}: {body}") };
    let server = HttpServer::new(move || App::new().route("/", post().to(echo)))
        .shutdown_signal(state.graceful_shutdown())
        .shutdown_timeout(25)
        .listen(socket)?
        .run();
    if env::var_os("UNPAUSABLE").is_none() {
        tokio::spawn(follow(state.active(), server.handle()));
    }
    server.await?;
    Ok(())
}

/// Has actix accept only while its generation serves.
async fn follow(active: Active, server: ServerHandle) {
    loop {
        server.pause().await;
        if !active.wait().await {
            return;
        }
        server.resume().await;
        active.lost().await;
    }
}
