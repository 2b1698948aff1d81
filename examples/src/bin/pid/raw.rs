//! HTTP/1.1 by hand, on raw `accept`.

use std::io;
use std::time::Duration;

use selfup::{GracefulShutdown, State, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

pub(crate) async fn serve(state: &State) -> selfup::Result<()> {
    let listener = state.listener()?;
    let mut shutdown = state.graceful_shutdown();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, shutdown.clone()));
                }
                // Out of descriptors: wait until connections have ended.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            () = &mut shutdown => break,
        }
    }
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Once the program is to end, a client may still send one request on an open connection.
const LINGER: Duration = Duration::from_secs(1);

async fn converse(mut stream: Stream, mut shutdown: GracefulShutdown) -> io::Result<()> {
    let mut received = Vec::new();
    loop {
        let length = tokio::select! {
            head = read_head(&mut stream, &mut received) => head?,
            () = async { (&mut shutdown).await; tokio::time::sleep(LINGER).await } => return Ok(()),
        };
        let Some(length) = length else { return Ok(()) };
        let pause = pause_of(&received[..length]);
        received.drain(..length);
        tokio::time::sleep(pause).await;
        let is_last = shutdown.is_requested();
        let body = format!("hello {}\n", std::process::id());
        let close = if is_last { "Connection: close\r\n" } else { "" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{close}\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await?;
        if is_last {
            return stream.shutdown().await;
        }
    }
}

/// The length of the next request's head, or `None` if the client has closed the connection.
async fn read_head(stream: &mut Stream, received: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if received.len() > 16 * 1024 || stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

/// The sleep that a request asks for.
fn pause_of(head: &[u8]) -> Duration {
    let head = String::from_utf8_lossy(head);
    let asked = head.strip_prefix("GET /sleep?ms=").and_then(|rest| rest.split(' ').next());
    Duration::from_millis(asked.and_then(|millis| millis.parse().ok()).unwrap_or(0))
}
