//! What the user says of the servers: who we are, how they are reached, and what counts; and what servers
//! say of when to come again.

use std::time::Duration;

use selfup::fetcher::{Current, Fetcher, Http, RetryAfter, http};
use selfup::{BinaryId, BoxError};

use crate::server::{Client, Reply, Server};

fn error_of(fetcher: &mut Http, current: &Current) -> BoxError {
    Client::new().run(fetcher.fetch(current)).expect_err("it fails")
}

/// For how long the server of `fetcher` wants to be left alone.
fn pause_of(fetcher: &mut Http) -> Option<Duration> {
    let current = Current::new(BinaryId::from_bytes([0; 32]));
    error_of(fetcher, &current).downcast_ref().map(RetryAfter::after)
}

#[test]
fn who_we_are_is_told_at_home_in_place_of_what_the_url_says() {
    let mirror = Server::start(|_| Reply::body("200 OK", "", "one"));
    let to_mirror = mirror.url("/there");
    let server = Server::start(move |_| Reply::redirect(&to_mirror));
    let url = || server.url_of("them:theirs", "/app");
    for (mut fetcher, expected) in [
        (http(url()).basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (http(url()).basic("me", "").bearer("swordfish"), "Bearer swordfish"),
        (http(url()).headers([("authorization", "swordfish"), ("x-key", "1")]), "swordfish"),
    ] {
        assert_eq!(Client::new().takes(&mut fetcher), "one");
        let (asked, followed) = (server.requests(), mirror.requests());
        let last = asked.last().unwrap();
        assert_eq!(last.headers("authorization"), [expected]);
        let followed = followed.last().unwrap();
        assert!(followed.headers("authorization").is_empty(), "{followed:?}");
        assert!(followed.headers("x-key").is_empty(), "{followed:?}");
        let debug = format!("{fetcher:?}");
        assert!(!debug.contains("swordfish") && !debug.contains("QWxh"), "{debug}");
    }
}

#[test]
fn a_mistake_names_its_setting_and_no_secret() {
    for (fetcher, words) in [
        (
            http("http://a.example").bearer(""),
            "the token of `bearer` is empty; is its variable set?",
        ),
        (http("http://a.example").bearer("swordfish\n"), "the token of `bearer` has a control"),
        (http("http://a.example").basic("me:", "swordfish"), "the user of `basic` has a colon"),
        (http("http://a.example").proxy("me:swordfish@a.example:1"), "`proxy` is"),
        (http("http://a.example").ca(""), "`ca` is empty"),
        (
            http("http://a.example").check_headers(["a b"]),
            "`check_headers`: \"a b\" is not the name",
        ),
    ] {
        let message = fetcher.check().unwrap_err().to_string();
        assert!(message.starts_with(words) && !message.contains("swordfish"), "{message}");
    }
}

/// The rule is at `fetcher::web::clear`.
#[test]
fn over_http_secrets_take_a_word_unless_they_stay_on_this_machine() {
    let elsewhere = "http://releases.example/app";
    for fetcher in [
        http(elsewhere),
        http(elsewhere).sha256("SHA256SUMS").proxy("http://me:swordfish@proxy.example"),
        http("http://localhost:4000/app?k=swordfish").bearer("swordfish"),
        http("http://me:swordfish@[::1]/app").header("x-key", "swordfish"),
        http("https://me:swordfish@releases.example/app?k=swordfish").bearer("swordfish"),
        http("http://me:swordfish@releases.example/app").header("x-key", "1").allow_http(true),
    ] {
        fetcher.check().unwrap_or_else(|error| panic!("{error}: {fetcher:?}"));
    }
    for mut fetcher in [
        http(elsewhere).bearer("swordfish"),
        http(elsewhere).basic("me", "swordfish"),
        http(elsewhere).header("x-key", "swordfish").allow_http(false),
        http("http://me:swordfish@releases.example/app"),
        http("http://releases.example/app?k=swordfish"),
        http(elsewhere).sha256("http://me:swordfish@sums.example/app"),
        http("http://localhost:4000/app").sha256("http://sums.example/app?k=swordfish"),
    ] {
        let message = fetcher.check().unwrap_err().to_string();
        assert!(message.contains(".example/app"), "{message}");
        assert!(message.contains("would be asked over http, where anybody"), "{message}");
        assert!(!message.contains("swordfish"), "{message}");
        // Who does not check first is not served either.
        let current = Current::new(BinaryId::from_bytes([0; 32]));
        assert_eq!(error_of(&mut fetcher, &current).to_string(), message);
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is_an_error_with_a_time() {
    for (status, headers, seconds) in [
        ("429 Too Many Requests", "Retry-After: 90", Some(90)),
        ("503 Service Unavailable", "Retry-After: 0", Some(0)),
        ("403 Forbidden", "Retry-After: 3600", Some(3600)),
        (
            "503 Service Unavailable",
            "Date: Wed, 21 Oct 2015 07:28:00 GMT\nRetry-After: Wed, 21 Oct 2015 07:30:00 GMT",
            Some(120),
        ),
        ("429 Too Many Requests", "Retry-After: 31536000", Some(24 * 60 * 60)),
        ("429 Too Many Requests", "Retry-After: soon", None),
        ("429 Too Many Requests", "", None),
        ("204 No Content", "Retry-After: 90", None),
        ("403 Forbidden", COUNTED, Some(60)),
        ("429 Too Many Requests", COUNTED, Some(60)),
        ("404 Not Found", COUNTED, Some(0)),
    ] {
        let server = Server::start(move |_| Reply::body(status, headers, ""));
        let pause = pause_of(&mut http(server.url("/app")));
        assert_eq!(pause, seconds.map(Duration::from_secs), "{status} {headers}");
    }
    let server = Server::script([Reply::body("429 Too Many Requests", "Retry-After: 90", "")]);
    let error = Client::new().fails(&mut http(server.url("/app?key=swordfish")));
    let url = server.url("/app?key=***");
    let rest = "expected 200 and the binary; it is to be left alone for 1m 30s";
    assert_eq!(error, format!("{url}: status 429 Too Many Requests; {rest}"));
}

/// An answer of one who counts requests.
const COUNTED: &str = "Date: Mon, 12 Jan 1970 13:46:40 GMT\nRetry-After: 0\n\
                       X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1000060";

#[test]
fn so_is_one_that_wants_it_at_the_head_or_beside_the_binary() {
    let server = Server::script([
        Reply::body("200 OK", "", "one"),
        Reply::head("403 Forbidden", "Retry-After: 90\nContent-Length: 0"),
    ]);
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    assert_eq!(client.takes(&mut fetcher), "one");
    let error = client.fails(&mut fetcher);
    assert!(error.ends_with("left alone for 1m 30s"), "{error}");

    for sibling in ["/app.minisig", "/app.sha256"] {
        let server =
            Server::start(move |request| match request.line().split_once(' ').unwrap().1 {
                "/app" => Reply::body("200 OK", "", "one"),
                path if path == sibling => Reply::body("403 Forbidden", "Retry-After: 90", ""),
                _ => Reply::body("200 OK", "", &"1".repeat(64)),
            });
        let mut fetcher = http(server.url("/app")).sha256(".sha256");
        let current = Current::new(BinaryId::from_bytes([0; 32])).with_wanted_signature(true);
        let error = error_of(&mut fetcher, &current);
        let error = error.downcast_ref::<RetryAfter>().expect("an error with a time");
        assert_eq!(error.after(), Duration::from_secs(90));
        assert!(error.to_string().starts_with(&server.url(sibling)), "{error}");
    }
}

#[test]
fn the_headers_that_count_are_asked_for_by_head_and_nothing_else_counts() {
    let server = Server::script([
        Reply::body("200 OK", "X-Version: 1\nETag: \"a\"", "one"),
        Reply::head("200 OK", "X-Version: 1\nETag: \"b\"\nContent-Length: 7"),
        Reply::head("200 OK", "X-Version: 2\nETag: \"b\"\nContent-Length: 7"),
        Reply::body("200 OK", "X-Version: 2\nETag: \"b\"", "two"),
        // A server that does not do HEAD is asked with GET, whose body stays unread.
        Reply::head("405 Method Not Allowed", "Content-Length: 0"),
        Reply::start("X-Version: 2\nContent-Length: 5", ""),
    ]);
    let mut fetcher = http(server.url("/app")).check_headers(["x-other", "X-Version"]);
    let mut client = Client::new();
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    assert_eq!(client.takes(&mut fetcher), "two");
    client.finds_nothing(&mut fetcher);
    let asked = server.asked();
    assert_eq!(asked, ["GET /app", "HEAD /app", "HEAD /app", "GET /app", "HEAD /app", "GET /app"]);
    assert!(server.requests().iter().all(|request| request.headers("if-none-match").is_empty()));
}

#[test]
fn an_answer_without_a_header_that_counts_is_an_error_and_not_a_new_binary() {
    let server = Server::start(|_| Reply::body("200 OK", "ETag: \"a\"", "one"));
    let mut fetcher = http(server.url("/app")).check_headers(["x-version", "x-commit"]);
    let error = Client::new().fails(&mut fetcher);
    let words = "expected an answer with `x-commit` or `x-version`, which `check_headers` names";
    assert_eq!(error, format!("{}: {words}", server.url("/app")));
}

#[test]
fn other_headers_that_count_have_the_binary_delivered_once_more() {
    let server = Server::start(|request| match request.headers("if-none-match")[..] {
        [] => Reply::body("200 OK", "X-Version: 1\nETag: \"a\"", "one"),
        _ => Reply::head("304 Not Modified", ""),
    });
    let mut client = Client::new();
    assert_eq!(client.takes(&mut http(server.url("/app"))), "one");
    assert_eq!(client.takes(&mut http(server.url("/app")).check_headers(["x-version"])), "one");
    assert_eq!(client.takes(&mut http(server.url("/app"))), "one");
    client.finds_nothing(&mut http(server.url("/app")));
}

#[test]
fn what_a_server_encodes_unasked_is_taken_as_it_comes() {
    let server = Server::script([
        Reply::body("200 OK", "Content-Encoding: gzip\nETag: \"a\"", "no gzip at all"),
        Reply::body("200 OK", "Content-Encoding: identity\nETag: \"b\"", "two"),
    ]);
    let (mut fetcher, client) = (http(server.url("/app")), Client::new());
    let mut download = client.finds(&mut fetcher);
    assert_eq!(download.get_length(), None);
    assert_eq!(client.read(&mut download).unwrap(), "no gzip at all");
    assert_eq!(client.finds(&mut fetcher).get_length(), Some(3));
    assert_eq!(server.requests()[0].headers("accept-encoding"), ["identity"]);
}

#[test]
fn a_proxy_is_asked_for_everything_and_has_its_own_password() {
    let proxy = Server::start(|request| match request.line() {
        "GET http://releases.test/app" => Reply::redirect("http://mirror.test/there"),
        "GET http://mirror.test/there" => Reply::body("200 OK", "", "one"),
        _ => panic!("{request:?}"),
    });
    let fetcher = http("http://releases.test/app").bearer("swordfish").allow_http(true);
    let mut fetcher = fetcher.proxy(proxy.url_of("me:trout", ""));
    let debug = format!("{fetcher:?}");
    assert!(debug.contains(&proxy.url("/")) && !debug.contains("trout"), "{debug}");
    assert_eq!(Client::new().takes(&mut fetcher), "one");
    let requests = proxy.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.headers("proxy-authorization"), ["Basic bWU6dHJvdXQ="], "{request:?}");
    }
    assert_eq!(requests[0].headers("authorization"), ["Bearer swordfish"]);
    assert!(requests[1].headers("authorization").is_empty(), "{:?}", requests[1]);
}

#[test]
fn a_proxy_that_is_none_is_an_error_without_its_password() {
    // Nobody listens there: the port was the kernel's, and is free again.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut fetcher =
        http("http://releases.test/app").proxy(format!("http://me:swordfish@{address}"));
    let error = Client::new().fails(&mut fetcher);
    assert!(error.contains("Connection refused") && !error.contains("swordfish"), "{error}");

    // A name that no resolver is asked for (RFC 1035, section 2.3.4).
    let host = "a".repeat(64);
    let error = Client::new().fails(&mut http(format!("http://{host}.test/app")).proxy("none"));
    assert!(error.contains(&format!("the request to {host}.test failed")), "{error}");
    assert!(error.contains("dns error"), "{error}");
}

#[test]
fn an_authority_that_is_not_there_is_an_error_until_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let server = Server::script([Reply::body("200 OK", "", "one")]);
    let (mut fetcher, mut client) = (http(server.url("/app")).ca(&path), Client::new());
    let error = client.fails(&mut fetcher);
    assert!(error.starts_with(&format!("`ca`: {} cannot be read: No such", path.display())));
    std::fs::write(&path, CERTIFICATE).unwrap();
    assert_eq!(client.takes(&mut fetcher), "one");
}

/// That of nobody, made for this test.
const CERTIFICATE: &str = include_str!("authority.pem");
