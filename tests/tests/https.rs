//! HTTP/2 over TLS, authorities that come later, and the proxies of the system.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use selfup::BinaryId;
use selfup::fetcher::{Current, Download, Fetched, Fetcher, http};
use selfup_tests::faults::{HttpSource, Source as _, Way};
use selfup_tests::{Certificate, PATIENCE, Release, ServiceBuilder};
use tokio::io::AsyncReadExt as _;
use tokio_rustls::TlsAcceptor;

/// A server under a certificate in `directory`, and the protocol of each request to it.
async fn secure(directory: &Path, protocols: &[&str]) -> (SocketAddr, Receiver<Version>) {
    let acceptor = TlsAcceptor::from(Certificate::made_in(directory).server(protocols));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let (tell, told) = channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, tell) = (acceptor.clone(), tell.clone());
            tokio::spawn(async move {
                // Who trusts nobody goes away in the middle.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer =
                    service_fn(|request| ready(Ok::<_, Infallible>(answer(&request, &tell))));
                let builder = Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    (address, told)
}

fn answer(request: &Request<Incoming>, tell: &Sender<Version>) -> Response<Body> {
    tell.send(request.version()).expect("the test listens");
    let mut response = Response::new(Body::empty());
    if request.headers().contains_key("if-none-match") {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert("etag", "\"1\"".parse().expect("a tag"));
        *response.body_mut() = Body::from("one");
    }
    response
}

async fn poll(fetcher: &mut impl Fetcher, current: &Current) -> Result<Option<Download>, String> {
    let polled = tokio::time::timeout(PATIENCE, fetcher.fetch(current)).await;
    match polled.expect("it answers").map_err(|error| format!("{error:?}"))? {
        Fetched::Binary(download) => Ok(Some(download)),
        _ => Ok(None),
    }
}

#[tokio::test]
async fn servers_that_speak_http_2_are_spoken_to_in_it_and_others_are_not() {
    for (protocols, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1"][..], Version::HTTP_11),
        (&[][..], Version::HTTP_11),
    ] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (address, told) = secure(directory.path(), protocols).await;
        let mut fetcher = http(format!("https://{address}/app"));
        fetcher = fetcher.ca(directory.path().join("cert.pem"));
        let current = Current::new(BinaryId::from_bytes([0; 32]));
        let mut download = poll(&mut fetcher, &current).await.expect("it is trusted").expect("new");
        let (mut text, validator) = (String::new(), download.get_validator().map(str::to_owned));
        download.read_to_string(&mut text).await.expect("it comes");
        assert_eq!(text, "one");
        let current = current.with_validator(validator);
        assert!(poll(&mut fetcher, &current).await.expect("it is trusted").is_none());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [version; 2]);
    }
}

#[tokio::test]
async fn an_authority_that_is_changed_on_disk_is_trusted_at_the_next_poll() {
    let (right, wrong) = (tempfile::tempdir(), tempfile::tempdir());
    let (right, wrong) = (right.expect("a directory"), wrong.expect("a directory"));
    let (address, told) = secure(right.path(), &["h2"]).await;
    let _ = Certificate::made_in(wrong.path());
    let ca = wrong.path().join("cert.pem");
    let mut fetcher = http(format!("https://{address}/app")).ca(&ca);
    let current = Current::new(BinaryId::from_bytes([0; 32]));
    let error = poll(&mut fetcher, &current).await.expect_err("nobody knows it");
    assert!(error.contains("InvalidCertificate"), "{error}");
    assert_eq!(told.try_iter().count(), 0);
    std::fs::copy(right.path().join("cert.pem"), &ca).expect("the directory is ours");
    assert!(poll(&mut fetcher, &current).await.expect("it is trusted").is_some());
}

#[test]
fn the_proxies_of_the_environment_are_asked_and_none_where_it_says_so() {
    let source = HttpSource::start(Way::Proxy);
    let first = Release::good();
    source.publish(&first);
    let proxy = source.front().proxy().expect("it is one");
    let variables = source.variables();
    let builder = |release| {
        let builder = ServiceBuilder::new(release).set("http_proxy", &proxy);
        variables.iter().fold(builder, |builder, (name, value)| builder.set(name, value))
    };
    let mut service = builder(&first).start();
    source.front().wait_for(2);
    let second = Release::good();
    source.publish(&second);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);
    assert!(service.stop().success());

    let asked = source.front().asked().len();
    // The name is one that nobody resolves, and nobody is asked for it.
    let mut service = builder(&second).set("PROXY", "none").set("FETCHER", NOWHERE).start();
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains("dns error"), "{line}");
    assert!(service.stop().success());
    // The end gives up a poll that is under way, and its answer may be noted behind it.
    assert!(source.front().asked().len() <= asked + 1);
}

/// A label has 63 characters at most (RFC 1035, section 2.3.4).
const NOWHERE: &str =
    "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test/app";
