//! What one poll asks, and what becomes of every answer.

use selfup::fetcher::{Fetcher as _, http};
use tokio::io::AsyncReadExt as _;

use crate::server::{Client, Reply, Server};

#[test]
fn a_tag_makes_the_next_poll_conditional() {
    let server = Server::start(|request| match request.headers("if-none-match")[..] {
        [] => Reply::body("200 OK", "ETag: \"1\"\nLast-Modified: yesterday", "one"),
        ["\"1\""] => Reply::head("304 Not Modified", "ETag: \"1\""),
        _ => Reply::head("400 Bad Request", ""),
    });
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    let download = client.finds(&mut fetcher);
    assert_eq!(download.get_length(), Some(3));
    drop(download);

    // A cycle that did not end leaves no trace.
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    client.finds_nothing(&mut fetcher);
    assert_eq!(server.asked(), ["GET /app"; 4]);
    let conditional = &server.requests()[3];
    assert!(conditional.headers("if-modified-since").is_empty(), "{conditional:?}");

    // A new URL knows nothing of the old one's tag.
    assert_eq!(client.takes(&mut http(server.url("/other"))), "one");
}

#[test]
fn a_date_makes_the_next_poll_conditional() {
    const DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    let server = Server::start(|request| match request.headers("if-modified-since")[..] {
        [DATE] => Reply::head("304 Not Modified", ""),
        _ => Reply::body("200 OK", &format!("Last-Modified: {DATE}"), "one"),
    });
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    assert_eq!(server.asked(), ["GET /app"; 2]);
}

#[test]
fn a_server_that_ignores_conditions_is_not_read_when_nothing_changed() {
    for facts in ["ETag: \"1\"", "Last-Modified: yesterday"] {
        let server = Server::script([
            Reply::body("200 OK", facts, "one"),
            // The body would be waited for in vain.
            Reply::start(&format!("{facts}\nContent-Length: 3"), ""),
            Reply::start("ETag: \"2\"\nLast-Modified: today\nContent-Length: 3", "two"),
        ]);
        let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
        assert_eq!(client.takes(&mut fetcher), "one");
        client.finds_nothing(&mut fetcher);
        assert_eq!(client.takes(&mut fetcher), "two");
    }
}

#[test]
fn a_server_with_nothing_but_a_length_is_asked_for_its_head() {
    let server = Server::script([
        Reply::body("200 OK", "", "one"),
        Reply::head("200 OK", "Content-Length: 3"),
        Reply::head("200 OK", "Content-Length: 5"),
        Reply::body("200 OK", "", "three"),
        Reply::head("200 OK", "Content-Length: 5"),
    ]);
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    assert_eq!(client.takes(&mut fetcher), "three");
    client.finds_nothing(&mut fetcher);
    assert_eq!(server.asked(), ["GET /app", "HEAD /app", "HEAD /app", "GET /app", "HEAD /app"]);
}

#[test]
fn a_server_that_does_not_do_head_is_asked_with_get_unless_it_has_too_much_to_do() {
    let server = Server::script([
        Reply::body("200 OK", "", "one"),
        Reply::head("405 Method Not Allowed", "Content-Length: 9"),
        Reply::body("200 OK", "", "one"),
        Reply::raw("").reset(),
        Reply::body("200 OK", "", "one"),
        Reply::head("501 Not Implemented", "Content-Length: 0"),
        Reply::body("200 OK", "", "three"),
        Reply::head("503 Service Unavailable", "Content-Length: 0"),
    ]);
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    client.finds_nothing(&mut fetcher);
    assert_eq!(client.takes(&mut fetcher), "three");
    let error = client.fails(&mut fetcher);
    assert!(error.contains("status 503 Service Unavailable"), "{error}");
}

#[test]
fn a_body_without_a_length_is_delivered_whole() {
    let server = Server::script([
        Reply::start("Transfer-Encoding: chunked", "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        Reply::start("Connection: close", "three").close(),
    ]);
    let (mut fetcher, client) = (http(server.url("/app")), Client::new());
    for content in ["onetwo", "three"] {
        let mut download = client.finds(&mut fetcher);
        assert_eq!(download.get_length(), None);
        assert_eq!(client.read(&mut download).unwrap(), content);
    }
}

#[test]
fn a_body_that_breaks_off_is_an_error_and_the_next_poll_starts_anew() {
    let half = || Reply::start("ETag: W/\"1\"\nContent-Length: 6", "one");
    let chunk = Reply::start("ETag: W/\"1\"\nTransfer-Encoding: chunked", "3\r\none\r\n");
    let server = Server::script([
        half().close(),
        half().reset(),
        chunk.close(),
        Reply::body("200 OK", "ETag: W/\"1\"", "onetwo"),
    ]);
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    for _ in 0..3 {
        let mut download = client.finds(&mut fetcher);
        let error = client.read(&mut download).unwrap_err();
        let url = server.url("/app");
        assert!(error.starts_with(&format!("{url}: the download broke off: ")), "{error}");
        // Asked once more, it does not pretend that this was the end.
        client.read(&mut download).unwrap_err();
    }
    assert_eq!(client.takes(&mut fetcher), "onetwo");
    for request in server.requests() {
        assert!(request.headers("if-none-match").is_empty(), "{request:?}");
    }
}

#[test]
fn a_body_that_stalls_is_an_error() {
    let stall = Reply::start("Content-Length: 6", "one");
    let server = Server::script([stall, Reply::body("200 OK", "", "onetwo")]);
    let (mut fetcher, mut client) = (http(server.url("/app")).timeout("50ms"), Client::new());
    let mut download = client.finds(&mut fetcher);
    let error = client.read(&mut download).unwrap_err();
    assert!(error.contains("the server sent nothing for 50ms in the middle"), "{error}");
    drop(download);
    let mut patient = fetcher.timeout("60s");
    assert_eq!(client.takes(&mut patient), "onetwo");
}

#[test]
fn a_reset_before_the_answer_is_an_error_and_the_next_poll_works() {
    let server = Server::script([
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Le").reset(),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Le").close(),
        Reply::raw("SSH-2.0-OpenSSH_9.7\r\n").close(),
        Reply::body("200 OK", "", "one"),
    ]);
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    for _ in 0..3 {
        let error = client.fails(&mut fetcher);
        assert!(error.contains(": the request to 127.0.0.1 failed: "), "{error}");
    }
    assert_eq!(client.takes(&mut fetcher), "one");
}

#[test]
fn a_connection_that_the_server_closed_between_polls_is_no_error() {
    let server = Server::start(|request| match request.headers("if-none-match")[..] {
        [] => Reply::body("200 OK", "ETag: \"1\"", "one").close(),
        _ => Reply::head("304 Not Modified", "").close(),
    });
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    assert_eq!(client.takes(&mut fetcher), "one");
    for _ in 0..20 {
        server.await_close();
        client.finds_nothing(&mut fetcher);
    }
}

#[test]
fn a_fetcher_outlives_the_runtime_that_it_was_first_polled_on() {
    let server = Server::start(|_| Reply::body("200 OK", "", "one"));
    let mut fetcher = http(server.url("/app"));
    assert_eq!(Client::new().takes(&mut fetcher), "one");
    assert_eq!(Client::new().takes(&mut fetcher), "one");
}

#[test]
fn a_status_that_is_no_answer_is_an_error_with_the_status_and_the_url() {
    for status in ["500 Internal Server Error", "404 Not Found", "204 No Content", "302 Found"] {
        let server = Server::script([Reply::body(status, "ETag: \"1\"", "")]);
        let mut fetcher = http(server.url_of("me:swordfish", "/app?token=swordfish&v=2"));
        let url = server.url("/app?token=***&v=***");
        let expected = format!("{url}: status {status}; expected 200 and the binary");
        assert_eq!(Client::new().fails(&mut fetcher), expected);
    }
}

#[test]
fn not_modified_is_no_answer_to_who_knows_nothing() {
    let server = Server::script([Reply::head("304 Not Modified", "")]);
    let error = Client::new().fails(&mut http(server.url("/app")));
    assert!(error.contains("status 304 Not Modified; expected 200"), "{error}");
}

#[test]
fn headers_and_the_user_of_the_url_are_sent() {
    let server = Server::script([Reply::body("200 OK", "", "one")]);
    let mut fetcher = http(server.url_of("me:swordfish", "/app"))
        .header("x-key", "1")
        .header("X-Key", "2")
        .header("user-agent", "mine");
    Client::new().takes(&mut fetcher);
    let request = &server.requests()[0];
    assert_eq!(request.headers("x-key"), ["1", "2"]);
    assert_eq!(request.headers("user-agent"), ["mine"]);
    assert_eq!(request.headers("accept-encoding"), ["identity"]);
    assert_eq!(request.headers("authorization"), ["Basic bWU6c3dvcmRmaXNo"]);
}

#[test]
fn secrets_are_in_no_message() {
    // Nobody listens there: the port was the kernel's, and is free again.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://me:swordfish@{address}/app?key=swordfish");
    let mut fetcher = http(url).header("authorization", "Bearer swordfish");
    let debug = format!("{fetcher:?}");
    assert!(debug.contains("/app?key=***") && debug.contains("authorization"), "{debug}");
    let error = Client::new().fails(&mut fetcher);
    assert!(error.starts_with(&format!("http://{address}/app?key=***: ")), "{error}");
    assert!(error.contains("Connection refused"), "{error}");
    for text in [debug, error] {
        assert!(!text.contains("swordfish"), "{text}");
    }
}

#[test]
fn a_mistake_is_told_by_the_check_and_by_the_fetch() {
    for (mut fetcher, message) in [
        (
            http("ssh://example.com/app").interval("1s"),
            "\"ssh://example.com/app\" is not an absolute URL; it must start with `https://` or \
             `http://`",
        ),
        (
            http("http://example.com").header("a b", "c"),
            "\"a b\" is not the name of an HTTP header",
        ),
        (
            http("http://example.com").header("x-key", "swordfish\n"),
            "the value of header \"x-key\" has a control character in it; is it a line break at \
             its end?",
        ),
        (
            http("http://example.com").timeout("0s").interval("1"),
            "`timeout` is zero; write a positive duration such as \"1s\"",
        ),
        (
            http("http://example.com").timeout("301s"),
            "`timeout` is 5m 1s, and a download that is silent for 5m is ended; write that or less",
        ),
    ] {
        assert_eq!(fetcher.check().unwrap_err().to_string(), message);
        assert_eq!(Client::new().fails(&mut fetcher), message);
    }
    http("https://example.com/{os}/{arch}/{target}").timeout("5m").check().unwrap();
}

#[test]
fn a_body_that_has_no_end_stays_with_its_server() {
    let server = Server::script([Reply::start("", "").flood()]);
    let (mut fetcher, client) = (http(server.url("/app")), Client::new());
    let mut download = client.finds(&mut fetcher);
    let mut piece = vec![1; 16 * MEGABYTE];
    client.run(download.read_exact(&mut piece)).unwrap();
    drop((download, client));
    server.await_close();
    // What is under way is in the buffers of the kernel, and a few more.
    let ahead = server.flooded() - piece.len();
    assert!(ahead < 32 * MEGABYTE, "{ahead} bytes were taken from the server and not read");
}

const MEGABYTE: usize = 1024 * 1024;
