//! The server that new versions come from: one URL, with an `ETag`, so that a poll that finds
//! nothing new is answered with 304 and no body.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Result;
use crate::release::Release;

/// Serves the version that was published last, until it is dropped.
#[derive(Debug)]
pub(crate) struct Publisher {
    address: SocketAddr,
    published: watch::Sender<Published>,
    _server: JoinSet<std::io::Result<()>>,
}

#[derive(Debug, Clone)]
struct Published {
    etag: String,
    bytes: Bytes,
}

impl Publisher {
    pub(crate) async fn start(release: &Release) -> Result<Self> {
        let (published, current) = watch::channel(Published::read(release)?);
        let answer = get(async move |headers: HeaderMap| current.borrow().answer(&headers));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, Router::new().route("/app", answer)).await });
        Ok(Self { address, published, _server: server })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/app", self.address)
    }

    pub(crate) fn publish(&self, release: &Release) -> Result<()> {
        self.published.send_replace(Published::read(release)?);
        Ok(())
    }
}

impl Published {
    fn read(release: &Release) -> Result<Self> {
        let bytes = std::fs::read(release.path())?.into();
        Ok(Self { etag: format!("\"{}\"", release.id()), bytes })
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let etag = [(ETAG, self.etag.clone())];
        if headers.get(IF_NONE_MATCH).is_some_and(|known| *known == self.etag) {
            return (StatusCode::NOT_MODIFIED, etag).into_response();
        }
        (etag, self.bytes.clone()).into_response()
    }
}
