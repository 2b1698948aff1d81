//! Credentials that the environment lends: those of an instance, by its metadata.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use selfup_tests::Release;
use selfup_tests::faults::{Source as _, Way};
use selfup_tests::stores::{S3Server, Stored};

/// `IMDSv2`, as Amazon documents it, with a role that has the key of the tests.
struct Metadata {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noting = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &noting);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let headers: Result<Vec<_>, _> =
        lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).collect();
    let has_token = headers?
        .iter()
        .any(|line| line.eq_ignore_ascii_case("x-aws-ec2-metadata-token: a token of the session"));
    let target = request.trim_end_matches(" HTTP/1.1");
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
    let (status, body) = match target {
        "PUT /latest/api/token" => (200, "a token of the session"),
        "GET /latest/meta-data/iam/security-credentials/" if has_token => (200, "reader"),
        "GET /latest/meta-data/iam/security-credentials/reader" if has_token => (
            200,
            r#"{"Code":"Success","AccessKeyId":"myapp","SecretAccessKey":"swordfish","Token":"lent","Expiration":"2099-01-01T00:00:00Z"}"#,
        ),
        _ => (401, ""),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn the_role_of_an_instance_is_asked_for_once_and_its_requests_are_signed() {
    let (source, metadata) = (Stored::<S3Server>::start(Way::Plain), Metadata::start());
    let (first, second) = (Release::good(), Release::good());
    source.publish(&first);
    let builder = source.service(&first).set("FETCHER", "s3 lent");
    let mut service = builder.set("AWS_METADATA_ENDPOINT", &metadata.url).start();
    source.front().wait_for(5);
    let asked = source.front().asked();
    let statuses: Vec<_> = asked.iter().map(|asked| asked.status).take(5).collect();
    assert_eq!(statuses, [200, 304, 304, 304, 304]);
    assert_eq!(asked[0].request.header("x-amz-security-token"), Some("lent"));
    assert_eq!(
        metadata.asked(),
        [
            "PUT /latest/api/token",
            "GET /latest/meta-data/iam/security-credentials/",
            "GET /latest/meta-data/iam/security-credentials/reader",
        ]
    );
    source.publish(&second);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);
    assert_eq!(service.lines("swordfish"), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn without_credentials_no_object_is_asked_for_and_the_reason_is_told() {
    let source = Stored::<S3Server>::start(Way::Plain);
    // Nobody is there any more.
    let metadata = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let metadata = format!("http://{}", metadata.expect("a port"));
    let builder = source.service(&Release::good()).set("FETCHER", "s3 lent");
    let mut service = builder.set("AWS_METADATA_ENDPOINT", metadata).start();
    let line = service.wait_for_nth("event fetch_failed: ", 2);
    assert!(line.contains("s3://releases/dir/app: no credentials could be had: "), "{line}");
    assert!(source.front().asked().is_empty());
    assert!(service.stop().success());
}
