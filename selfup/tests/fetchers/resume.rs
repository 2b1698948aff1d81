//! Downloads that break off, and what becomes of their rest.

use selfup::fetcher::http;

use crate::server::{Client, Reply, Server};

/// The first four of ten bytes, and the end of the connection.
fn cut(facts: &str) -> Reply {
    Reply::start(format!("{facts}\nContent-Length: 10").trim_start(), "0123").close()
}

fn rest(headers: &str, body: &str) -> Reply {
    Reply::body("206 Partial Content", headers, body)
}

const TAG: &str = "ETag: \"1\"";

#[test]
fn a_download_that_is_cut_is_gone_on_with_where_it_was_cut() {
    let again = "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: bytes 4-9/10\r\n\
                 Content-Length: 6\r\n\r\n456";
    let server = Server::script([
        cut(TAG),
        Reply::raw(again).reset(),
        rest(&format!("{TAG}\nContent-Range: bytes 7-9/10"), "789"),
    ]);
    let mut fetcher = http(server.url_of("me:swordfish", "/app")).header("x-key", "1");
    assert_eq!(Client::new().takes(&mut fetcher), "0123456789");
    let requests = server.requests();
    for (request, range) in requests.iter().zip([None, Some("bytes=4-"), Some("bytes=7-")]) {
        assert_eq!(request.headers("range"), range.into_iter().collect::<Vec<_>>());
        assert_eq!(request.headers("if-range").len(), usize::from(range.is_some()));
        assert!(request.headers("if-range").iter().all(|tag| *tag == "\"1\""));
        assert!(request.headers("if-none-match").is_empty(), "{request:?}");
        assert_eq!(request.headers("x-key"), ["1"]);
        assert_eq!(request.headers("authorization"), ["Basic bWU6c3dvcmRmaXNo"]);
    }
    assert_eq!(requests.len(), 3);
}

#[test]
fn a_date_that_was_old_enough_will_do_and_need_not_be_repeated() {
    const OLD: &str = "Last-Modified: Wed, 21 Oct 2015 07:27:59 GMT\n\
                       Date: Wed, 21 Oct 2015 07:28:59 GMT";
    let server = Server::script([cut(OLD), rest("Content-Range: bytes 4-9/10", "456789")]);
    assert_eq!(Client::new().takes(&mut http(server.url("/app"))), "0123456789");
    let if_range = server.requests()[1].headers("if-range").join("");
    assert_eq!(if_range, "Wed, 21 Oct 2015 07:27:59 GMT");
}

#[test]
fn a_server_that_falls_silent_is_asked_for_the_rest() {
    let server = Server::script([
        Reply::start(&format!("{TAG}\nContent-Length: 10"), "0123"),
        rest(&format!("{TAG}\nContent-Range: bytes 4-9/10"), "456789"),
    ]);
    let mut fetcher = http(server.url("/app")).timeout("500ms");
    assert_eq!(Client::new().takes(&mut fetcher), "0123456789");
}

#[test]
fn a_server_that_is_overloaded_is_asked_again() {
    let server = Server::script([
        cut(TAG),
        Reply::body("503 Service Unavailable", "", ""),
        Reply::raw("").reset(),
        Reply::body("429 Too Many Requests", "", ""),
        rest(&format!("{TAG}\nContent-Range: bytes 4-9/10"), "456789"),
    ]);
    assert_eq!(Client::new().takes(&mut http(server.url("/app"))), "0123456789");
}

/// One that counts requests says until when, as it does where the first one is one too many.
#[test]
fn a_server_whose_quota_is_used_up_is_left_alone() {
    for status in ["403 Forbidden", "429 Too Many Requests"] {
        let counted = "Date: Mon, 12 Jan 1970 13:46:40 GMT\nX-RateLimit-Remaining: 0\n\
                       X-RateLimit-Reset: 1000060";
        let server = Server::script([cut(TAG), Reply::body(status, counted, "")]);
        let (mut fetcher, client) = (http(server.url("/app")), Client::new());
        let error = client.read(&mut client.finds(&mut fetcher)).unwrap_err();
        let words = format!("{status}, and is to be left alone for 1m");
        assert!(error.contains(&words), "{error}");
    }
}

#[test]
fn without_a_strong_validator_the_rest_is_not_asked_for() {
    for facts in ["", "ETag: W/\"1\"", "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"] {
        let server = Server::script([cut(facts)]);
        let (mut fetcher, client) = (http(server.url("/app")), Client::new());
        let error = client.read(&mut client.finds(&mut fetcher)).unwrap_err();
        assert!(error.contains("the download broke off: "), "{error}");
    }
}

/// What is not the rest of the same file ends the download: the next poll begins a new one.
#[test]
fn what_is_not_exactly_the_rest_is_refused() {
    let range = "Content-Range: bytes 4-9/10";
    for (reply, words) in [
        (Reply::body("200 OK", TAG, "0123456789"), "the server sends the whole of what it has now"),
        (Reply::body("404 Not Found", "", ""), "the server answers with status 404 Not Found"),
        (Reply::body("416 Range Not Satisfiable", "", ""), "the server answers with status 416"),
        (rest(&format!("ETag: \"2\"\n{range}"), "456789"), "the rest has another `etag`"),
        (rest(range, "456789"), "the rest has another `etag`"),
        (rest(TAG, "456789"), "the rest has the `Content-Range` \"none\""),
        (rest(&format!("{TAG}\n{range}\nContent-Encoding: gzip"), "456789"), "the rest is encoded"),
        (rest(&format!("{TAG}\n{range}"), "45678"), "the rest is not as long as its"),
        (rest(&format!("{TAG}\n{range}"), "4567890"), "the rest is not as long as its"),
    ] {
        refused([cut(TAG), reply], words);
    }
    for range in ["0-9/10", "5-9/10", "3-9/10", "4-8/10", "4-9/*", "4-10/11", "4-8/9"] {
        let range = format!("bytes {range}");
        let reply = rest(&format!("{TAG}\nContent-Range: {range}"), "456789");
        refused([cut(TAG), reply], &format!("the rest has the `Content-Range` {range:?}"));
    }
}

/// Two places may have two files with the same validator.
#[test]
fn the_rest_at_another_place_is_refused() {
    let rest = rest(&format!("{TAG}\nContent-Range: bytes 4-9/10"), "456789");
    let replies = [Reply::redirect("/1"), cut(TAG), Reply::redirect("/2"), rest];
    refused(replies, "the rest is offered at another place");
}

fn refused(replies: impl IntoIterator<Item = Reply>, words: &str) {
    let server = Server::script(replies);
    let (mut fetcher, client) = (http(server.url("/app?key=swordfish")), Client::new());
    let mut download = client.finds(&mut fetcher);
    let error = client.read(&mut download).unwrap_err();
    let url = server.url("/app?key=***");
    let broke = format!("{url}: the download broke off after 4 bytes, and cannot be resumed, for ");
    assert!(error.starts_with(&broke) && error.contains(words), "{error}");
    assert!(!error.contains("swordfish"), "{error}");
    client.read(&mut download).unwrap_err();
}

/// A server that does not know the length of what it sends knows where it was cut.
#[test]
fn a_body_of_chunks_is_gone_on_with_to_the_length_that_its_rest_tells() {
    let chunks =
        || Reply::start(&format!("{TAG}\nTransfer-Encoding: chunked"), "4\r\n0123\r\n").close();
    let head = "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\nContent-Range: bytes 4-9/10\r\n";
    let chunked =
        |body: &str| Reply::raw(format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n"));
    let server = Server::script([chunks(), chunked("6\r\n456789\r\n")]);
    assert_eq!(Client::new().takes(&mut http(server.url("/app"))), "0123456789");
    let tail = rest(&format!("{TAG}\nContent-Range: bytes 7-9/10"), "789");
    let server = Server::script([chunks(), chunked("3\r\n456\r\n"), tail]);
    assert_eq!(Client::new().takes(&mut http(server.url("/app"))), "0123456789");
}

/// The tenth time is the last, whatever each of them has brought.
#[test]
fn a_download_is_gone_on_with_ten_times() {
    let body = "0123456789abcdef";
    let part = |at: usize, end: usize| {
        let range = format!("Content-Range: bytes {at}-15/16\r\nContent-Length: {}", 16 - at);
        let head = format!("HTTP/1.1 206 Partial Content\r\n{TAG}\r\n{range}\r\n\r\n");
        Reply::raw(head + &body[at..end]).close()
    };
    for is_whole in [true, false] {
        let rests = (1..=10).map(|at| part(at, if at == 10 && is_whole { 16 } else { at + 1 }));
        let begun = Reply::start(&format!("{TAG}\nContent-Length: 16"), "0").close();
        let server = Server::script([begun].into_iter().chain(rests).collect::<Vec<_>>());
        let (mut fetcher, client) = (http(server.url("/app")), Client::new());
        let read = client.read(&mut client.finds(&mut fetcher));
        assert_eq!(server.requests().len(), 11);
        match read {
            Ok(content) => assert_eq!((content.as_str(), is_whole), (body, true)),
            Err(error) => {
                let words =
                    "broke off after 11 bytes, and cannot be resumed, for it was cut too often";
                assert!(!is_whole && error.contains(words), "{error}");
            }
        }
    }
}
