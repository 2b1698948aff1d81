use std::net::TcpListener;

use super::*;
use crate::error::chain;
use crate::identity::BinaryId;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn fails(fetcher: &mut impl Fetcher) -> String {
    let current = Current::new(BinaryId::from_bytes([0; 32]));
    chain(&*runtime().block_on(fetcher.fetch(&current)).err().unwrap())
}

/// What `check` says.
fn told(fetcher: &impl Fetcher) -> String {
    fetcher.check().err().map(|error| chain(&*error)).unwrap_or_default()
}

/// A server that says this once to whoever comes, and what it was asked.
fn server(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 16 * 1024];
        let mut read = 0;
        while !request[..read].windows(4).any(|end| end == b"\r\n\r\n") {
            read += stream.read(&mut request[read..]).unwrap();
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (url, asked)
}

#[test]
fn a_variable_allows_http_only_by_a_yes() {
    for (value, expected) in
        [("true", true), ("1", true), ("Yes", true), ("", false), ("false", false), ("x", false)]
    {
        assert_eq!(backend::is_yes(value), expected, "{value}");
    }
}

#[cfg(feature = "s3")]
mod of_s3 {
    use super::*;

    fn store() -> Store<S3> {
        s3("releases", "dir/app").region("eu-central-1").access_key("myapp", "swordfish")
    }

    #[test]
    fn mistakes_are_told_without_the_secrets_in_them() {
        let name = "s3://releases/dir/app: ";
        for (store, words) in [
            (store(), String::new()),
            (store().endpoint("https://minio.example:9000"), String::new()),
            (store().endpoint("http://127.0.0.1:9000"), String::new()),
            (store().endpoint("http://minio.example").allow_http(true), String::new()),
            (
                store().endpoint("http://minio.example"),
                format!("{name}http://minio.example/ would be asked over http, where anybody"),
            ),
            (
                store().endpoint("https://me:swordfish@minio.example"),
                "`endpoint`: expected a URL without user".to_owned(),
            ),
            (store().endpoint("minio.example"), "`endpoint`: \"minio.example\" is not".to_owned()),
            (store().anonymous(true), format!("{name}`anonymous` sends no credentials")),
            (store().region("not one"), format!("{name}`region` is not the name of one")),
            (store().access_key("", "swordfish"), format!("{name}`access_key` is empty")),
            (
                s3("releases", "dir/app").session_token("swordfish"),
                format!("{name}`session_token` belongs to an `access_key`"),
            ),
            (
                store().endpoint("https://127.0.0.1").path_style(false),
                format!("{name}`path_style` is false"),
            ),
            (s3("a/b", "app"), "\"a/b\" is not the name of a bucket".to_owned()),
            (s3("..", "app"), "\"..\" is not the name of a bucket".to_owned()),
            (s3("a", "x//y"), "\"x//y\" is not the key of an object".to_owned()),
            (store().sha256("https://x/y"), "`sha256`: expected \".suffix\"".to_owned()),
            (store().interval("0s"), "`interval` is zero".to_owned()),
        ] {
            let message = told(&store);
            assert!(
                message.starts_with(&words) && words.is_empty() == message.is_empty(),
                "{message}"
            );
            assert!(!message.contains("swordfish"), "{message}");
            assert!(!format!("{store:?}").contains("swordfish"));
        }
    }

    #[test]
    fn a_server_that_asks_to_be_left_alone_is_and_says_why_in_a_word() {
        let (url, _) = server(
            "HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 48\r\n\r\n\
             <Error><Code>SlowDown</Code><Key>\nx</Key></Error>",
        );
        let current = Current::new(BinaryId::from_bytes([0; 32]));
        let mut store = store().endpoint(&url);
        let error = runtime().block_on(store.fetch(&current)).unwrap_err();
        let told = error.downcast_ref::<crate::fetcher::RetryAfter>().unwrap();
        assert_eq!(told.after(), Duration::from_secs(7));
        let words = told.to_string();
        assert!(words.starts_with("s3://releases/dir/app: status 503 Service Unavailable from"));
        assert!(words.ends_with("; the server says SlowDown"), "{words}");
    }

    #[test]
    fn who_lends_credentials_is_left_alone_for_as_long_as_it_asks() {
        use object_store::aws::AmazonS3Builder;
        let (url, asked) = server("HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
        let sender = sender::Sender::new(&Access::default(), false, Duration::from_secs(9));
        let connector = sender.connector();
        let builder =
            AmazonS3Builder::new().with_bucket_name("releases").with_metadata_endpoint(url);
        let builder = builder.with_retry(backend::once()).with_http_connector(connector.clone());
        let (key, patience) = (Path::from("app"), Duration::from_secs(9));
        let bucket = Url::parse("s3://releases/").unwrap();
        let store = Arc::new(builder.build().unwrap());
        let opened = Opened::new(store, connector, bucket, "", key, patience);
        let error = runtime().block_on(opened.ask(None)).err().unwrap();
        let told = error.downcast_ref::<crate::fetcher::RetryAfter>().unwrap();
        assert_eq!(told.after(), Duration::from_secs(7));
        let words = told.to_string();
        assert!(words.starts_with("s3://releases/app: no credentials could be had: "), "{words}");
        assert!(asked.join().unwrap().starts_with("PUT /latest/api/token HTTP/1.1\r\n"));
    }

    #[test]
    fn a_bucket_of_another_region_is_told_and_not_followed_there() {
        let (url, _) = server(
            "HTTP/1.1 301 X\r\nLocation: http://127.0.0.1:1/\r\nx-amz-bucket-region: eu-west-1\r\n\
             Content-Length: 0\r\n\r\n",
        );
        let words = fails(&mut store().endpoint(&url));
        assert!(words.contains("status 301 Moved Permanently"), "{words}");
        assert!(words.ends_with("the server says that the bucket is in the region eu-west-1"));
    }

    #[test]
    fn a_request_is_signed_and_conditional_on_the_last_answer_of_this_server_alone() {
        let answer = "HTTP/1.1 200 X\r\nETag: \"1\"\r\nContent-Length: 3\r\n\r\nabc";
        let (url, asked) = server(answer);
        let runtime = runtime();
        let first = Current::new(BinaryId::from_bytes([0; 32]));
        let mut asking = store().endpoint(&url).session_token("lent");
        let Fetched::Binary(download) = runtime.block_on(asking.fetch(&first)).unwrap() else {
            panic!("nothing is known yet");
        };
        assert_eq!(download.get_length(), Some(3));
        let validator = download.get_validator().map(ToOwned::to_owned);
        assert!(!validator.as_ref().unwrap().contains("releases"));
        let asked = asked.join().unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("get /releases/dir/app http/1.1\r\n"), "{asked}");
        assert!(asked.contains("\r\nauthorization: aws4-hmac-sha256 credential=myapp/"), "{asked}");
        assert!(asked.contains("\r\nx-amz-security-token: lent\r\n"), "{asked}");
        assert!(!asked.contains("if-none-match") && !asked.contains("swordfish"), "{asked}");

        let next = first.clone().with_validator(validator);
        // The same server, by another port.
        let (url, asked) = server(answer);
        let _ = runtime.block_on(store().endpoint(&url).fetch(&next)).unwrap();
        assert!(!asked.join().unwrap().to_ascii_lowercase().contains("if-none-match"));
    }

    #[test]
    fn what_ignores_the_condition_is_found_to_be_the_same() {
        let answer = "HTTP/1.1 200 X\r\nETag: \"1\"\r\nContent-Length: 3\r\n\r\nabc";
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let mut last = String::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let read = stream.read(&mut request).unwrap();
                last = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
                stream.write_all(answer.as_bytes()).unwrap();
            }
            last
        });
        let (runtime, mut store) = (runtime(), store().endpoint(&url));
        let first = Current::new(BinaryId::from_bytes([0; 32]));
        let Fetched::Binary(download) = runtime.block_on(store.fetch(&first)).unwrap() else {
            panic!("nothing is known yet");
        };
        let next = first.with_validator(download.get_validator().map(Into::into));
        let fetched = runtime.block_on(store.fetch(&next)).unwrap();
        assert!(matches!(fetched, Fetched::Unchanged));
        assert!(server.join().unwrap().contains("\r\nif-none-match: \"1\"\r\n"));
    }

    #[test]
    fn a_server_that_says_unchanged_unasked_is_not_believed() {
        let (url, _) = server("HTTP/1.1 304 X\r\n\r\n");
        let words = fails(&mut store().endpoint(&url));
        assert!(words.contains("status 304 Not Modified"), "{words}");
    }

    #[test]
    fn a_server_that_never_answers_is_an_error() {
        // The kernel accepts the connection, and nobody takes it from there.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut store = store().endpoint(&url);
        store.head = Duration::from_secs(1);
        let words = fails(&mut store);
        assert!(words.contains("127.0.0.1 did not answer in 1s"), "{words}");
    }
}

#[cfg(feature = "gcs")]
#[test]
fn mistakes_of_gcs_are_told_without_the_secrets_in_them() {
    let name = "gs://releases/app: ";
    for (store, words) in [
        (gcs("releases", "app").token("swordfish"), String::new()),
        (gcs("releases", "app").token(""), format!("{name}`token` is empty")),
        (
            gcs("releases", "app").token("swordfish").service_account("/x"),
            format!("{name}`token` and `service_account` are both given"),
        ),
        (gcs("releases", "app").token("swordfish").anonymous(true), format!("{name}`anonymous`")),
    ] {
        let message = told(&store);
        assert!(message.starts_with(&words) && words.is_empty() == message.is_empty(), "{message}");
        assert!(!message.contains("swordfish") && !format!("{store:?}").contains("swordfish"));
    }
}

#[cfg(feature = "gcs")]
#[test]
fn who_is_anonymous_sends_nothing_and_reads_no_file_of_the_users() {
    let (url, asked) = server("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
    let words = fails(&mut gcs("releases", "dir/my app").endpoint(&url).anonymous(true));
    assert!(words.contains("status 404 Not Found"), "{words}");
    let asked = asked.join().unwrap().to_ascii_lowercase();
    assert!(asked.starts_with("get /releases/dir%2fmy%20app http/1.1\r\n"), "{asked}");
    assert!(!asked.contains("authorization"), "{asked}");
}

#[cfg(feature = "azure")]
#[test]
fn mistakes_of_azure_are_told_without_the_secrets_in_them() {
    let azure = || azure("releases", "app").account("example");
    let name = "az://releases/app: ";
    for (store, words) in [
        (azure().sas("?sv=1&sig=swordfish"), String::new()),
        (azure().account_key("c3dvcmRmaXNo"), String::new()),
        (azure().sas("swordfish"), format!("{name}`sas` is not a query")),
        (azure().account_key("swordfish!"), format!("{name}`account_key` is not in Base64")),
        (azure().account_key(""), format!("{name}`account_key` is not in Base64")),
        (azure().token(""), format!("{name}`token` is empty")),
        (azure().token("swordfish").sas("a=b"), format!("{name}more than one of")),
        (azure().account("a/b"), format!("{name}`account` is not the name of one")),
    ] {
        let message = told(&store);
        assert!(message.starts_with(&words) && words.is_empty() == message.is_empty(), "{message}");
        assert!(!message.contains("swordfish") && !format!("{store:?}").contains("swordfish"));
    }
}

#[cfg(feature = "azure")]
#[test]
fn a_shared_access_signature_is_sent_and_never_shown() {
    let (url, asked) =
        server("HTTP/1.1 403 X\r\nx-ms-error-code: AuthFailed\r\nContent-Length: 0\r\n\r\n");
    let store = azure("releases", "app").account("example").sas("sv=1&sig=swordfish");
    let words = fails(&mut store.endpoint(&url));
    assert!(words.contains("status 403 Forbidden"), "{words}");
    assert!(words.ends_with("; the server says AuthFailed"), "{words}");
    assert!(!words.contains("swordfish"), "{words}");
    assert!(asked.join().unwrap().contains("sig=swordfish"));
}
