//! Where redirects lead, and what is not carried along.

use selfup::fetcher::http;

use crate::server::{Client, Reply, Request, Server};

/// A server that answers `one`, with a tag.
fn mirror() -> Server {
    Server::start(|request| match request.headers("if-none-match")[..] {
        ["\"1\""] => Reply::head("304 Not Modified", ""),
        _ => Reply::body("200 OK", "ETag: \"1\"", "one"),
    })
}

fn has_secrets(request: &Request) -> bool {
    let secrets = ["x-key", "authorization", "cookie"];
    let sent = secrets.map(|name| request.headers(name).len());
    assert!(sent == [0; 3] || sent == [1; 3], "all or none: {request:?}");
    sent == [1; 3]
}

#[test]
fn nothing_of_the_users_is_carried_to_another_host() {
    let mirror = mirror();
    let to_mirror = mirror.url("/there?signature=1");
    let server = Server::start(move |request| match request.line() {
        "GET /app" => Reply::redirect("/moved"),
        "GET /moved" => Reply::redirect(&to_mirror),
        _ => panic!("{request:?}"),
    });
    let mut client = Client::new();
    let mut fetcher = http(server.url_of("me:swordfish", "/app"))
        .header("x-key", "swordfish")
        .header("cookie", "swordfish");
    assert_eq!(client.takes(&mut fetcher), "one");
    // One question, wherever the answer is: the condition goes with it.
    client.finds_nothing(&mut fetcher);
    assert_eq!(server.asked(), ["GET /app", "GET /moved", "GET /app", "GET /moved"]);
    assert!(server.requests().iter().all(has_secrets));
    assert_eq!(mirror.asked(), ["GET /there?signature=1"; 2]);
    assert!(!mirror.requests().iter().any(has_secrets));
}

#[test]
fn nor_is_it_handed_out_again_when_the_way_leads_back() {
    let back = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let to_home = std::sync::Arc::clone(&back);
    let other = Server::start(move |request| match request.line() {
        "GET /" => Reply::redirect("/at-home-here"),
        _ => Reply::redirect(to_home.get().unwrap()),
    });
    let to_other = other.url("/");
    let home = Server::start(move |request| match request.line() {
        "GET /app" => Reply::redirect(&to_other),
        _ => Reply::body("200 OK", "", "one"),
    });
    back.set(home.url_of("them:trout", "/chosen-by-another")).unwrap();
    let mut fetcher = http(home.url_of("me:swordfish", "/app"))
        .header("x-key", "swordfish")
        .header("cookie", "swordfish");
    assert_eq!(Client::new().takes(&mut fetcher), "one");
    let requests = home.requests();
    assert_eq!(requests.len(), 2);
    assert!(has_secrets(&requests[0]));
    assert!(!has_secrets(&requests[1]));
    assert_eq!(other.asked(), ["GET /", "GET /at-home-here"]);
    assert!(!other.requests().iter().any(has_secrets));
}

#[test]
fn ten_redirects_are_followed_and_an_eleventh_is_not() {
    for (redirects, followed) in [(10, true), (11, false)] {
        let server = Server::start(move |request| {
            let path = request.line().trim_start_matches("GET /");
            match path.parse::<u32>().unwrap() {
                n if n == redirects => Reply::body("200 OK", "", "one"),
                n => Reply::redirect(format!("{}", n + 1)),
            }
        });
        let (mut fetcher, mut client) = (http(server.url("/0")), Client::new());
        if followed {
            assert_eq!(client.takes(&mut fetcher), "one");
        } else {
            let error = client.fails(&mut fetcher);
            assert!(error.contains("more than 10 redirects"), "{error}");
        }
        assert_eq!(server.asked().len(), 11);
    }
}

#[test]
fn a_loop_ends() {
    let server = Server::start(|_| Reply::redirect("/app?token=swordfish"));
    let error = Client::new().fails(&mut http(server.url("/app")));
    let url = server.url("/app");
    let expected = format!("{url}: more than 10 redirects; give the URL where they should end");
    assert_eq!(error, expected);
}

#[test]
fn a_redirect_to_what_cannot_be_fetched_is_an_error() {
    for (location, what) in [
        ("file:///etc/passwd", "redirected to a file URL; expected https or http"),
        ("http://", "127.0.0.1 redirects to what is no URL"),
        ("http://[", "127.0.0.1 redirects to what is no URL"),
    ] {
        let server = Server::script([Reply::redirect(location)]);
        let error = Client::new().fails(&mut http(server.url("/app")));
        assert_eq!(error, format!("{}: {what}", server.url("/app")));
    }
}

#[test]
fn a_status_at_the_end_of_the_way_names_both_ends() {
    let mirror = Server::script([Reply::body("403 Forbidden", "", "expired")]);
    let server = Server::script([Reply::redirect(mirror.url("/there?signature=swordfish"))]);
    let error = Client::new().fails(&mut http(server.url("/app")));
    let (asked, answered) = (server.url("/app"), mirror.url("/there?signature=***"));
    let expected =
        format!("{asked}: status 403 Forbidden from {answered}; expected 200 and the binary");
    assert_eq!(error, expected);
}

#[test]
fn a_length_is_compared_with_that_of_the_same_place_only() {
    let mirror = Server::start(|request| match request.line() {
        "GET /1" => Reply::body("200 OK", "", "one"),
        "HEAD /1" | "HEAD /2" => Reply::head("200 OK", "Content-Length: 3"),
        _ => Reply::body("200 OK", "", "two"),
    });
    let (one, two) = (mirror.url("/1"), mirror.url("/2"));
    let server = Server::script([one.clone(), one, two.clone(), two].map(Reply::redirect));
    let (mut fetcher, mut client) = (http(server.url("/app")), Client::new());
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    assert_eq!(client.takes(&mut fetcher), "two");
    assert_eq!(mirror.asked(), ["GET /1", "HEAD /1", "HEAD /2", "GET /2"]);
}
