//! A WebSocket a client, on axum and `selfup::serve`.
//!
//! An upgraded connection stays with the generation that accepted it. At the pause nothing happens
//! to it, for that generation may have to resume; when it drains, `graceful_shutdown()` resolves in
//! the handler, which says 1001, "going away" (RFC 6455, 7.4.1), and its client connects again, to the
//! next generation. `selfup::serve` waits for upgraded connections until shortly before
//! `terminate_timeout` (30 s) is over; `axum::serve` would not wait for them at all.
//!
//! `GET /` upgrades, and each text is answered by `GENERATION: ` and the text. It listens at `ADDR`,
//! with a probation of `PROBATION`; `kill -USR2` restarts it.

use std::env;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::routing::any;
use selfup::{Served, State};

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> selfup::Result<Served> {
    let of_handler = state.clone();
    let upgrade = async move |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(|socket| async { drop(converse(socket, of_handler).await) })
    };
    selfup::serve(&state, Router::new().route("/", any(upgrade))).await
}

async fn converse(mut socket: WebSocket, state: State) -> Result<(), axum::Error> {
    let generation = state.generation();
    let mut shutdown = state.graceful_shutdown();
    loop {
        tokio::select! {
            received = socket.recv() => match received.transpose()? {
                Some(Message::Text(text)) => socket.send(format!("{generation}: {text}").into()).await?,
                Some(_) => {}
                None => return Ok(()),
            },
            () = &mut shutdown => break,
        }
    }
    let reason = Utf8Bytes::from_static("restarting");
    let going_away = CloseFrame { code: close_code::AWAY, reason };
    socket.send(Message::Close(Some(going_away))).await?;
    // What the client sent before it heard of this, and then its own close.
    while let Some(Ok(_)) = socket.recv().await {}
    Ok(())
}
