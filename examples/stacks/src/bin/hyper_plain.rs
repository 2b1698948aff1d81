//! hyper by hand: one connection a task, and hyper-util's graceful shutdown.
//!
//! Any loop around `Listener::accept` pauses and resumes with its generation. This one ends at the
//! drain, and then waits for the connections that are left. What hyper's graceful shutdown does to
//! connections that are idle, or have said nothing yet, is told in `axum_serve`: this is the same.
//! The loop has to bear an `accept` that fails: a process that is out of descriptors is not over.
//!
//! `POST /` answers `GENERATION: ` and what was posted. It listens at `ADDR`, with a probation of
//! `PROBATION`; `kill -USR2` restarts it.

use std::env;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use selfup::{Generation, State};

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> selfup::Result<()> {
    let (listener, generation) = (state.listener()?, state.generation());
    let mut shutdown = state.graceful_shutdown();
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, which others will give back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = service_fn(move |request| echo(generation, request));
        let mut http = http1::Builder::new();
        let http = http.timer(TokioTimer::new());
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(connection);
    }
    connections.shutdown().await;
    Ok(())
}

async fn echo(
    generation: Generation,
    request: Request<Incoming>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let body = request.collect().await?.to_bytes();
    let answer = [format!("{generation}: ").as_bytes(), &body].concat();
    Ok(Response::new(Full::from(answer)))
}
