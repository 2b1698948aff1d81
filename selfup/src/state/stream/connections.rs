use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::drain::GracefulShutdown;
use super::super::listener::Listener;
use super::Stream;

/// The connections of a listener, as a stream of streams; made by [`Listener::connections`].
///
/// It ends when the program is to end, and yields no error: when the process is out of descriptors,
/// it tries again a second later.
pub struct Connections {
    listener: Listener,
    shutdown: GracefulShutdown,
    next: Option<Pin<Box<dyn Future<Output = Stream> + Send>>>,
}

impl Connections {
    pub(in crate::state) fn new(listener: Listener, shutdown: GracefulShutdown) -> Self {
        Self { listener, shutdown, next: None }
    }
}

impl futures_core::Stream for Connections {
    type Item = io::Result<Stream>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Stream>>> {
        let Self { listener, shutdown, next } = &mut *self;
        let accepting = next.get_or_insert_with(|| {
            let listener = listener.clone();
            Box::pin(async move { listener.accept_patiently().await.0 })
        });
        if let Poll::Ready(stream) = accepting.as_mut().poll(context) {
            *next = None;
            return Poll::Ready(Some(Ok(stream)));
        }
        Pin::new(shutdown).poll(context).map(|()| None)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("listener", &self.listener).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::TcpStream;
    use std::sync::Arc;
    use std::time::Duration;

    use futures_core::Stream as _;

    use super::super::super::gate::{Gate, Phase};
    use super::super::super::link::Link;
    use super::*;
    use crate::config::Address;
    use crate::listeners::{Given, bind_all};

    #[tokio::test]
    async fn connections_come_one_after_another_until_the_program_is_to_end() {
        let address = Address::parse("127.0.0.1:0").unwrap();
        let bound =
            bind_all(&[address], &[], &Given::default(), 16, Duration::ZERO).unwrap().remove(0);
        let local = bound.local.as_tcp().unwrap();
        let gate = Arc::new(Gate::new(Phase::Serving).unwrap());
        let listener = Listener::new(bound, &gate, &Arc::new(Link::none())).unwrap();
        let mut connections = listener.connections();
        for _ in 0..3 {
            let client = TcpStream::connect(local).unwrap();
            let next = poll_fn(|context| Pin::new(&mut connections).poll_next(context)).await;
            let peer = next.unwrap().unwrap().as_tcp().unwrap().peer_addr().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
        let ending = std::thread::spawn(move || gate.set(Phase::Draining));
        let next = poll_fn(|context| Pin::new(&mut connections).poll_next(context)).await;
        assert!(next.is_none());
        ending.join().unwrap();
    }
}
