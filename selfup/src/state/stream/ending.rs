//! The end of a connection on which its client may still be sending.
//!
//! A TCP socket that is closed before everything was read, or that is sent more afterwards, resets
//! the connection, and what its client has not received by then is lost. A client of HTTP/2 sends for
//! as long as it reads, for it has to say that there is room for more. So the last word is followed
//! by listening until the client has closed its side, too (RFC 9112, 9.6).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Ends it. There is none before the last word.
    silence: Option<Pin<Box<Sleep>>>,
    /// When it ends whatever comes.
    latest: Option<Instant>,
}

impl Ending {
    /// Shuts `stream` down, and discards what its client still says.
    pub(super) fn poll<S>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.silence.is_none() {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        }
        let latest = *self.latest.get_or_insert_with(|| Instant::now() + LONGEST);
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        let mut discarded = [0; 4096];
        loop {
            let mut discarded = ReadBuf::new(&mut discarded);
            match Pin::new(&mut *stream).poll_read(context, &mut discarded) {
                Poll::Ready(Ok(())) if !discarded.filled().is_empty() => {
                    let now = Instant::now();
                    if latest <= now {
                        return Poll::Ready(Ok(()));
                    }
                    silence.as_mut().reset(latest.min(now + PATIENCE));
                }
                // Closed, or broken: nothing can be lost any more.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return silence.as_mut().poll(context).map(Ok),
            }
        }
    }
}

/// So long a client may be silent that does not close its side. nginx's `lingering_timeout`.
const PATIENCE: Duration = Duration::from_secs(5);

/// So long a client is listened to that goes on speaking. nginx's `lingering_time`.
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    async fn end(stream: &mut DuplexStream) -> io::Result<()> {
        let mut ending = Ending::default();
        poll_fn(|context| ending.poll(stream, context)).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_word_is_said_and_what_comes_is_discarded_until_the_client_closes() {
        let (mut server, mut client) = duplex(8);
        server.write_all(b"last").await.unwrap();
        let ending = tokio::spawn(async move { end(&mut server).await });
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "last");
        // More than there is room for.
        client.write_all(&vec![b'x'; 100_000]).await.unwrap();
        assert!(!ending.is_finished());
        drop(client);
        ending.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_neither_speaks_nor_closes_is_not_waited_for() {
        let (mut server, mut client) = duplex(8);
        let (start, before_that) = (Instant::now(), Duration::from_secs(4));
        let ending = tokio::spawn(async move { end(&mut server).await });
        sleep(before_that).await;
        client.write_all(b"x").await.unwrap();
        ending.await.unwrap().unwrap();
        assert_eq!(start.elapsed(), before_that + PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_stops_speaking_is_left_after_a_while() {
        let (mut server, mut client) = duplex(8);
        let start = Instant::now();
        let ending = tokio::spawn(async move { end(&mut server).await });
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(4)).await;
        }
        ending.await.unwrap().unwrap();
        // It is found out by the next thing that it says.
        assert!(start.elapsed() <= LONGEST + Duration::from_secs(4), "{:?}", start.elapsed());
    }
}
