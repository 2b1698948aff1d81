//! What is published beside the binary: its signature and its digest.

use selfup::fetcher::{Fetcher as _, http};

use crate::server::{Client, Reply, Request, Server};

/// The SHA-256 of `one`.
const DIGEST: &str = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";

/// A server that publishes `one` with a tag, and this beside it.
fn server(beside: impl Fn(&Request) -> Reply + Send + 'static) -> Server {
    Server::start(move |request| match (request.line(), &request.headers("if-none-match")[..]) {
        ("GET /x/app" | "GET /x/app?key=swordfish", ["\"1\""]) => {
            Reply::head("304 Not Modified", "ETag: \"1\"")
        }
        ("GET /x/app" | "GET /x/app?key=swordfish", _) => {
            Reply::body("200 OK", "ETag: \"1\"", "one")
        }
        _ => beside(request),
    })
}

fn text(text: &str) -> Reply {
    Reply::body("200 OK", "", text)
}

#[test]
fn they_are_asked_for_when_the_binary_is_new_and_never_else() {
    let server = server(|request| match request.line() {
        "GET /x/app.minisig" => text("signed"),
        "GET /x/app.sha256" => text(DIGEST),
        other => panic!("{other}"),
    });
    let mut fetcher = http(server.url("/x/app")).sha256(".sha256");
    let mut client = Client::that_verifies();
    let download = client.finds(&mut fetcher);
    assert_eq!(download.get_signature(), Some("signed"));
    assert_eq!(download.get_sha256().unwrap().to_string(), DIGEST);
    drop(download);
    assert_eq!(client.takes(&mut fetcher), "one");
    client.finds_nothing(&mut fetcher);
    let cycle = ["GET /x/app", "GET /x/app.sha256", "GET /x/app.minisig"];
    assert_eq!(server.asked(), [&cycle[..], &cycle, &["GET /x/app"]].concat());
}

#[test]
fn no_signature_is_asked_for_where_nobody_verifies_it() {
    let server = server(|request| panic!("{request:?}"));
    let download = Client::new().finds(&mut http(server.url("/x/app")).signature(".sig"));
    assert_eq!((download.get_signature(), download.get_sha256()), (None, None));
}

#[test]
fn they_lie_where_they_are_said_to_lie() {
    for (place, path) in [
        (".sig", "/x/app.sig"),
        ("app.asc", "/x/app.asc"),
        ("../signatures/{os}.sig", "/signatures/linux.sig"),
        ("/app.sig?v=1", "/app.sig?v=1"),
    ] {
        let server = server(|_| text("signed"));
        let place = place.replace("{os}", std::env::consts::OS);
        let path = path.replace("linux", std::env::consts::OS);
        Client::that_verifies().finds(&mut http(server.url("/x/app")).signature(&place));
        assert_eq!(server.asked()[1], format!("GET {path}"));
    }
}

#[test]
fn a_list_of_digests_is_searched_for_the_name_of_the_binary() {
    let other = DIGEST.replace('7', "8");
    let sums = format!("{other}  app-arm\n{DIGEST} *app\n");
    let server = server(move |_| text(&sums));
    let download = Client::new().finds(&mut http(server.url("/x/app")).sha256("SHA256SUMS"));
    assert_eq!(download.get_sha256().unwrap().to_string(), DIGEST);
    assert_eq!(server.asked()[1], "GET /x/SHA256SUMS");
}

#[test]
fn without_the_digest_that_is_asked_for_nothing_is_taken() {
    for (reply, words) in [
        (
            || Reply::head("404 Not Found", "Content-Length: 0"),
            "status 404 Not Found; expected the SHA",
        ),
        (|| text("soon"), "it has no SHA-256 of \"app\"; expected what `sha256sum app` prints"),
        (|| Reply::start("", "").flood(), "longer than 65536 bytes; expected SHA-256 digests"),
        (|| Reply::start("Content-Length: 64", "76").close(), "it could not be read: "),
    ] as [(fn() -> Reply, &str); 4]
    {
        let server = server(move |_| reply());
        let mut fetcher = http(server.url("/x/app")).sha256(".sha256");
        let error = Client::new().fails(&mut fetcher);
        assert!(error.starts_with(&format!("{}: {words}", server.url("/x/app.sha256"))), "{error}");
    }
}

#[test]
fn a_signature_that_is_not_there_is_none_and_a_server_that_fails_is_an_error() {
    for status in ["404 Not Found", "403 Forbidden", "410 Gone"] {
        let server = server(move |_| Reply::head(status, "Content-Length: 0"));
        let download = Client::that_verifies().finds(&mut http(server.url("/x/app")));
        assert_eq!(download.get_signature(), None);
    }
    for status in ["500 Internal Server Error", "429 Too Many Requests", "204 No Content"] {
        let server = server(move |_| Reply::head(status, "Content-Length: 0"));
        let error = Client::that_verifies().fails(&mut http(server.url("/x/app")));
        let url = server.url("/x/app.minisig");
        assert_eq!(error, format!("{url}: status {status}; expected the signature of the binary"));
    }
}

#[test]
fn a_signature_without_an_end_is_read_so_far_and_no_farther() {
    let server = server(|_| Reply::start("", "").flood());
    let download = Client::that_verifies().finds(&mut http(server.url("/x/app")));
    assert_eq!(download.get_signature().unwrap().len(), 8 * 1024 + 1);
    server.await_close();
}

fn has_secrets(request: &Request) -> bool {
    let sent = ["x-key", "authorization"].map(|name| request.headers(name).len());
    assert!(sent == [0; 2] || sent == [1; 2], "all or none: {request:?}");
    sent == [1; 2]
}

#[test]
fn what_is_the_users_goes_to_the_host_of_the_binary_and_to_no_other() {
    let other = Server::start(|request| match request.line() {
        "GET /app.sha256" => text(DIGEST),
        "GET /there.sig" => text("signed"),
        other => panic!("{other}"),
    });
    let there = other.url("/there.sig");
    let home = server(move |_| Reply::redirect(&there));
    let url = home.url_of("me:swordfish", "/x/app?key=swordfish");
    let mut fetcher = http(url).header("x-key", "swordfish").sha256(other.url("/app.sha256"));
    let download = Client::that_verifies().finds(&mut fetcher);
    assert_eq!(download.get_signature(), Some("signed"));
    let asked = ["GET /x/app?key=swordfish", "GET /x/app.minisig?key=swordfish"];
    assert_eq!(home.asked(), asked);
    assert!(home.requests().iter().all(has_secrets));
    assert_eq!(other.asked(), ["GET /app.sha256", "GET /there.sig"]);
    assert!(!other.requests().iter().any(has_secrets));
}

#[test]
fn secrets_are_in_no_message() {
    let server = server(|_| Reply::head("500 Internal Server Error", "Content-Length: 0"));
    let url = server.url_of("me:swordfish", "/x/app?key=swordfish");
    let mut fetcher = http(url).header("authorization", "Bearer swordfish");
    let (debug, error) = (format!("{fetcher:?}"), Client::that_verifies().fails(&mut fetcher));
    assert!(error.starts_with(&server.url("/x/app.minisig?key=***: status 500")), "{error}");
    for text in [debug, error] {
        assert!(!text.contains("swordfish"), "{text}");
    }
}

#[test]
fn a_mistake_names_its_setting() {
    for (fetcher, message) in [
        (
            http("https://example.com/app").sha256("http://example.com/app.sha256"),
            "`sha256`: the binary comes by https, and this would not; write `https://`",
        ),
        (
            http("https://example.com/app").signature(""),
            "`signature`: expected \".suffix\", the name of a file, or a URL",
        ),
        (
            http("example.com/app").signature(""),
            "\"example.com/app\" is not an absolute URL; it must start with `https://` or `http://`",
        ),
    ] {
        assert_eq!(fetcher.check().unwrap_err().to_string(), message);
    }
}

/// Without anything to know the bytes by, no two of them are taken for the same.
#[test]
fn a_server_that_says_nothing_about_its_bytes_gives_no_validator() {
    let server = Server::start(|_| Reply::start("Transfer-Encoding: chunked", "0\r\n\r\n"));
    let download = Client::new().finds(&mut http(server.url("/app")));
    assert_eq!(download.get_validator(), None);
}
