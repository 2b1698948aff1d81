//! A protocol of one's own on TCP: lines that are echoed.
//!
//! HTTP has `Connection: close`; a protocol of your own may have no word for "not here any more". So
//! this one keeps a conversation going in the generation that accepted it, through the pause and
//! into the drain, until its client ends it or has been silent for `LINGER`. `terminate_timeout`
//! (30 s) bounds that: a client that never falls silent is cut by the end of the process. If yours
//! can tell its clients to connect again, tell them when `graceful_shutdown()` resolves.
//!
//! Each line is answered by `GENERATION: ` and the line. It listens at `ADDR`, with a probation of
//! `PROBATION`; `kill -USR2` restarts it.

use std::time::Duration;
use std::{env, io};

use selfup::{Generation, GracefulShutdown, State, Stream};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::task::JoinSet;
use tokio::time::sleep;

#[selfup::main(
    address = env::var("ADDR").unwrap_or(":3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> selfup::Result<()> {
    let (listener, generation) = (state.listener()?, state.generation());
    let mut shutdown = state.graceful_shutdown();
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    conversations.spawn(converse(stream, generation, shutdown.clone()));
                }
                // Out of descriptors, which others will give back.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = conversations.join_next() => {}
            () = &mut shutdown => break,
        }
    }
    while conversations.join_next().await.is_some() {}
    Ok(())
}

async fn converse(
    stream: Stream,
    generation: Generation,
    mut shutdown: GracefulShutdown,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let silence = async {
            (&mut shutdown).await;
            sleep(LINGER).await;
        };
        tokio::select! {
            read = stream.read_until(b'\n', &mut line) => if read? == 0 { return Ok(()) },
            () = silence => return Ok(()),
        }
        let answer = [format!("{generation}: ").as_bytes(), &line].concat();
        stream.write_all(&answer).await?;
        line.clear();
    }
}

/// So long a client of a program that is to end may be silent.
const LINGER: Duration = Duration::from_secs(5);
