//! The services around the user's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::traffic::{self, Traffic};
use crate::error::BoxError;

/// What [`serve`](crate::serve) takes, in one word.
pub(super) trait Answers:
    Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    type Body: Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> Answers for S
where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// The user's service, on one connection.
#[derive(Debug)]
pub(super) struct Counted<S> {
    service: TowerToHyperService<S>,
    traffic: Arc<Traffic>,
}

impl<S> Counted<S> {
    pub(super) fn new(service: S, traffic: Arc<Traffic>) -> Self {
        Self { service: TowerToHyperService::new(service), traffic }
    }
}

impl<S, R, B> hyper::service::Service<Request<R>> for Counted<S>
where
    S: Service<Request<R>, Response = Response<B>> + Clone,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = Answer<<TowerToHyperService<S> as hyper::service::Service<Request<R>>>::Future>;

    fn call(&self, request: Request<R>) -> Self::Future {
        // HTTP/2 forbids the header (RFC 9113, 8.2.2), and what follows CONNECT is no request.
        let may_close = request.version() < Version::HTTP_2 && request.method() != Method::CONNECT;
        let counted = Some(self.traffic.begin());
        Answer { future: self.service.call(request), may_close, counted }
    }
}

pin_project! {
    /// The answer to one request, which says `Connection: close` while connections are shed.
    pub(super) struct Answer<F> {
        #[pin]
        future: F,
        may_close: bool,
        counted: Option<traffic::Request>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(context))?;
        let counted = this.counted.take();
        let is_last = counted.as_ref().is_some_and(traffic::Request::is_last);
        // An upgraded connection is the program's, and says what it becomes in the same header.
        if is_last && *this.may_close && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| CountedBody { body, _counted: counted })))
    }
}

pin_project! {
    /// The body of an answer, by whose end the request is answered.
    pub(super) struct CountedBody<B> {
        #[pin]
        body: B,
        _counted: Option<traffic::Request>,
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A service for hyper as one for tower; see [`from_hyper`].
#[derive(Debug, Clone, Copy)]
pub struct FromHyper<S>(S);

/// Has [`serve`](crate::serve) take a service that is written for hyper, such as one of
/// [`hyper::service::service_fn`].
#[must_use]
pub fn from_hyper<S>(service: S) -> FromHyper<S> {
    FromHyper(service)
}

impl<R, S: hyper::service::Service<R>> Service<R> for FromHyper<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}
