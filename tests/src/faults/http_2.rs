//! The front over HTTP/2, by hyper.

use std::cell::Cell;
use std::io;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use hyper::http::request::Parts;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request as Question, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsAcceptor;

use super::front::Shared;
use super::{Fault, Request};
use crate::PATIENCE;

/// Answers one client, for as long as it stays.
pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, converse(Arc::clone(shared), stream)).await?
    })
}

async fn converse(shared: Arc<Shared>, stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let held = Arc::clone(&shared.fault).read_owned().await;
    let fault = *held;
    if fault == Some(Fault::Refused) {
        // It came just before the door was closed.
        return Ok(());
    }
    let stream = TlsAcceptor::from(shared.certificate(fault)).accept(stream).await?;
    let held = Cell::new(Some(held));
    let service = service_fn(move |question: Question<hyper::body::Incoming>| {
        let answer = answer(&shared, &question.into_parts().0, fault);
        drop(held.take());
        std::future::ready(answer)
    });
    let connection = http2::Builder::new(TokioExecutor::new());
    connection.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

/// The answer; an error resets the stream before it has a head.
fn answer(shared: &Shared, head: &Parts, fault: Option<Fault>) -> io::Result<Response<Body>> {
    if fault == Some(Fault::ResetInHead) {
        return Err(io::Error::other("it is reset, as the fault has it"));
    }
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let request = Request {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
    };
    let (reply, sent) = shared.reply(request, fault);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if reply.status != 304 {
        response = response.header("content-length", reply.body.len());
    }
    let bytes = (sent > 0).then(|| Bytes::copy_from_slice(&reply.body[..sent]));
    let end = match fault {
        Some(Fault::Stalled) if sent > 0 => End::Silent,
        // One that is shorter than its length breaks off (RFC 9113, section 8.1.1).
        _ => End::OfStream,
    };
    response.body(Body { bytes, end }).map_err(io::Error::other)
}

/// Some bytes, and how they end.
struct Body {
    bytes: Option<Bytes>,
    end: End,
}

enum End {
    OfStream,
    /// Nothing comes any more.
    Silent,
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match (self.bytes.take(), &self.end) {
            (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (None, End::OfStream) => Poll::Ready(None),
            (None, End::Silent) => Poll::Pending,
        }
    }
}
