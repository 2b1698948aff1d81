//! gRPC, by tonic.
//!
//! tonic takes connections as a stream, which is `Listener::connections` (feature `tonic`): a paused
//! generation accepts nothing and can be resumed. When it drains, `serve_with_incoming_shutdown` says
//! GOAWAY, by which clients know that their next call belongs on another connection, and waits for the
//! calls that have begun. A stream that has an end is brought to it by the generation that began it,
//! while the next one serves; `terminate_timeout` (30 s) bounds that. One without an end has to hear
//! of the drain: this one ends with UNAVAILABLE, at which gRPC clients call again. A call that crosses
//! with GOAWAY has not begun, and is called again by most clients themselves; tonic's leaves it to its
//! caller. A connection of which nothing has come yet is waited for, too, and gRPC clients speak at
//! once; one that never does holds the end up until `terminate_timeout`.
//!
//! `echo.proto` is what it speaks: `Repeat` answers `GENERATION: ` and the text, as often as asked
//! for, and 0 is without end. `echo.rs` is what tonic-prost-build makes of it, kept here so that
//! nobody needs `protoc`. It listens at `ADDR`, with a probation of `PROBATION`; `kill -USR2`
//! restarts it.

#[allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated")]
#[allow(clippy::pedantic, clippy::exhaustive_structs, reason = "generated")]
#[allow(clippy::allow_attributes_without_reason, reason = "generated")]
mod echo;

use std::env;
use std::time::Duration;

use selfup::State;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use self::echo::Text;
use self::echo::echo_server::{Echo, EchoServer};

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> Result<(), Box<dyn std::error::Error>> {
    let connections = state.listener()?.connections();
    Server::builder()
        .add_service(EchoServer::new(Program(state.clone())))
        .serve_with_incoming_shutdown(connections, state.graceful_shutdown())
        .await?;
    Ok(())
}

struct Program(State);

#[tonic::async_trait]
impl Echo for Program {
    type RepeatStream = ReceiverStream<Result<Text, Status>>;

    async fn repeat(&self, asked: Request<Text>) -> Result<Response<Self::RepeatStream>, Status> {
        let mut said = asked.into_inner();
        said.text = format!("{}: {}", self.0.generation(), said.text);
        let shutdown = self.0.graceful_shutdown();
        let (answers, receiver) = channel(1);
        tokio::spawn(async move {
            tokio::select! {
                () = repeat(&answers, &said) => return,
                () = shutdown, if said.times == 0 => {}
            }
            // A client that is gone needs no answer.
            let _ = answers.send(Err(Status::unavailable("restarting: call again"))).await;
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Says it so often, as fast as the client reads, or at a pace of its own until the client is gone.
async fn repeat(answers: &Sender<Result<Text, Status>>, said: &Text) {
    let mut count = 0;
    while said.times == 0 || count < said.times {
        if answers.send(Ok(said.clone())).await.is_err() {
            return;
        }
        if said.times == 0 {
            tokio::time::sleep(PACE).await;
        }
        count = count.wrapping_add(1);
    }
}

/// Clients hang up on who floods them with small messages.
const PACE: Duration = Duration::from_millis(10);
