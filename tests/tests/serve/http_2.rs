//! HTTP/2, by hyper's client.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, HttpBody as _};
use axum::http::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use selfup_tests::{ServiceBuilder, eventually};
use tokio::sync::watch;

use super::release;

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn connect(address: SocketAddr) -> Result<SendRequest<Body>, Failure> {
    let stream = TokioIo::new(tokio::net::TcpStream::connect(address).await?);
    let (requests, connection) = handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    Ok(requests)
}

/// The body of the answer; `None` if the connection takes no more requests, and did not take this.
async fn get(requests: &mut SendRequest<Body>, target: &str) -> Result<Option<String>, Failure> {
    let request = Request::get(format!("http://h{target}")).body(Body::empty())?;
    if requests.ready().await.is_err() {
        return Ok(None);
    }
    let mut response = match requests.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            let was_taken = error.take_message().is_none() && !was_sent_away(error.error());
            return if was_taken { Err(error.into_error().into()) } else { Ok(None) };
        }
    };
    let mut body = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| std::pin::Pin::new(response.body_mut()).poll_frame(context))
            .await
    {
        body.extend_from_slice(frame?.data_ref().map_or(&[], |data| data));
    }
    Ok(Some(String::from_utf8(body)?))
}

/// Whether the server had said GOAWAY, and has processed nothing of the request, which its client
/// may therefore send again (RFC 9113, 6.8). hyper's client begins requests that cross with it.
fn was_sent_away(error: &hyper::Error) -> bool {
    let error = error.source().and_then(|error| error.downcast_ref::<h2::Error>());
    error.is_some_and(|error| {
        error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_restarts_lose_no_stream_of_http_2() {
    let service = ServiceBuilder::new(&release()).start();
    let address = service.address();
    let (stop, (count, mut answered)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let client = |number: usize| {
        let (stop, count) = (stop.clone(), count.clone());
        tokio::spawn(async move {
            let mut requests = connect(address).await?;
            let target = if number.is_multiple_of(2) { "/" } else { "/sleep?50" };
            while !stop.load(Ordering::SeqCst) {
                match get(&mut requests, target).await? {
                    Some(_) => count.send_modify(|count| *count += 1),
                    None => requests = connect(address).await?,
                }
            }
            Ok::<_, Failure>(())
        })
    };
    let clients: Vec<_> = (0..8).map(client).collect();
    let service = tokio::task::spawn_blocking(move || {
        for next in 2..=21 {
            service.restart(next);
        }
        eventually("every earlier generation has ended", || {
            (service.lines("served ").len() == 20).then_some(())
        });
        service
    });
    let mut service = service.await.unwrap();
    let before = *answered.borrow();
    answered.wait_for(|count| *count >= before + 100).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap().unwrap();
    }
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
    assert!(tokio::task::spawn_blocking(move || service.stop()).await.unwrap().success());
}

#[tokio::test]
async fn an_idle_connection_of_http_2_is_told_to_go_and_holds_nothing_up() {
    let service = ServiceBuilder::new(&release()).set("LINGER", "1h").start();
    let mut requests = connect(service.address()).await.unwrap();
    get(&mut requests, "/").await.unwrap().unwrap();
    let service = tokio::task::spawn_blocking(move || {
        service.restart(2);
        service.wait_for("served 1: 1, 0 cut");
        service
    });
    let mut service = service.await.unwrap();
    assert_eq!(get(&mut requests, "/").await.unwrap(), None);
    assert!(tokio::task::spawn_blocking(move || service.stop()).await.unwrap().success());
}
