//! From the publishing of a release to the generation that serves, and what a poll costs meanwhile.

use selfup_tests::stores::{Azurite, Bucket, Exchange, FakeGcs, Flaw, KEY, S3Server, Stored};
use selfup_tests::{Load, Release};

/// Upgrades twice under load, and gives what the polls before cost.
fn upgrades<B: Bucket>(bucket: B, name: &str) -> Vec<Exchange> {
    let mut stored = Stored::start(bucket, &[]);
    let idle = stored.relay.wait_for(5);
    let load = Load::start(stored.service.address(), "/", 2);
    for _ in 0..2 {
        let took = stored.upgrade(&Release::good());
        println!("{name}: serving {took:.1?} after the publishing, polled every 100 ms");
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(stored.service.lines("event fetch_failed: "), [""; 0]);
    assert!(stored.service.stop().success());
    idle
}

fn assert_costs_nothing(idle: &[Exchange]) {
    for exchange in idle {
        assert!(exchange.request.starts_with("GET "), "{exchange:?}");
        assert!(exchange.request.to_ascii_lowercase().contains("\r\nif-none-match: \""));
        assert_eq!((exchange.status, exchange.body), (304, 0), "{exchange:?}");
    }
}

#[test]
fn a_release_in_s3_is_taken_and_an_idle_poll_is_one_request_without_a_body() {
    assert_costs_nothing(&upgrades(S3Server::start(), "s3"));
}

#[test]
fn a_release_in_azure_is_taken_and_an_idle_poll_is_one_request_without_a_body() {
    let Some(bucket) = Azurite::start() else { return };
    assert_costs_nothing(&upgrades(bucket, "azure"));
}

/// The emulator sends bodies whatever the condition: they are left unread.
#[test]
fn a_release_in_gcs_is_taken_and_an_idle_poll_is_one_request() {
    let Some(bucket) = FakeGcs::start() else { return };
    for exchange in upgrades(bucket, "gcs") {
        assert!(exchange.request.to_ascii_lowercase().contains("\r\nif-none-match: \""));
    }
}

/// The service goes on, and nobody is told the secret.
fn is_refused<B: Bucket>(bucket: B, words: &str) {
    let first = Release::good();
    bucket.put(KEY, first.bytes());
    let mut builder = selfup_tests::ServiceBuilder::new(&first);
    let endpoint = format!("http://{}", bucket.address());
    let variables = bucket.variables(&endpoint);
    for (name, value) in &variables {
        builder = builder.set(name, value);
    }
    let mut service = builder.start();
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains("status 403 Forbidden") && line.contains(words), "{line}");
    let credentials = variables.iter().find(|(name, _)| *name == "CREDENTIALS");
    let (_, secret) = credentials.and_then(|(_, both)| both.split_once(' ')).expect("two words");
    assert_eq!(service.lines(secret), [""; 0]);
    assert!(service.get("/").contains(" 1 "));
    assert!(service.stop().success());
}

#[test]
fn a_wrong_secret_for_s3_is_refused_and_not_told() {
    is_refused(S3Server::start().with_wrong_secret(), "SignatureDoesNotMatch");
}

#[test]
fn a_wrong_key_for_azure_is_refused_and_not_told() {
    let Some(bucket) = Azurite::start() else { return };
    is_refused(bucket.with_wrong_key(), "AuthorizationFailure");
}

/// The rest is asked for with a signature of its own.
fn goes_on<B: Bucket>(bucket: B) {
    let mut stored = Stored::start(bucket, &[]);
    stored.relay.spoil(Some(Flaw::Cut(100_000)));
    let release = Release::good();
    stored.upgrade(&release);
    let exchanges = stored.relay.exchanges();
    let parts: Vec<_> = exchanges.iter().filter(|exchange| exchange.status == 206).collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
    let asked = parts[0].request.to_ascii_lowercase();
    assert!(asked.contains("\r\nrange: bytes=100000-\r\n"), "{asked}");
    assert!(asked.contains("\r\nif-match: \""), "{asked}");
    assert_eq!(stored.service.lines("event fetch_failed: "), [""; 0]);
    assert!(stored.service.stop().success());
}

#[test]
fn a_download_from_s3_that_is_cut_is_gone_on_with() {
    goes_on(S3Server::start());
}

#[test]
fn a_download_from_azure_that_is_cut_is_gone_on_with() {
    let Some(bucket) = Azurite::start() else { return };
    goes_on(bucket);
}

#[test]
fn a_download_from_gcs_that_is_cut_is_gone_on_with() {
    let Some(bucket) = FakeGcs::start() else { return };
    goes_on(bucket);
}

#[test]
fn a_digest_beside_the_binary_in_s3_has_to_be_its_own() {
    let bucket = S3Server::start();
    bucket.put("dir/SHA256SUMS", b"nothing yet");
    let mut stored = Stored::start(bucket, &[("SHA256", "SHA256SUMS")]);
    let line = stored.service.wait_for("event fetch_failed: ");
    assert!(line.contains("s3://releases/dir/SHA256SUMS: it has no SHA-256 of \"app\""), "{line}");
    let release = Release::good();
    stored.bucket.put("dir/SHA256SUMS", format!("{}  app\n", Release::good().id()).as_bytes());
    stored.bucket.put(KEY, release.bytes());
    let line = stored.service.wait_for("event candidate_refused: ");
    assert!(line.contains("SHA-256"), "{line}");
    stored.bucket.put("dir/SHA256SUMS", format!("{}  app\n", release.id()).as_bytes());
    stored.service.wait_for("event committed: generation 2 ");
    stored.service.assert_runs(&release);
    assert!(stored.service.stop().success());
}
