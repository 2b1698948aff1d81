//! What only stores have: signatures, keys beside keys, and rests that are signed for.

use selfup_tests::Release;
use selfup_tests::faults::{Fault, Source as _, Way};
use selfup_tests::stores::{Azurite, Bucket, FakeGcs, KEY, S3Server, Stored};

/// The service goes on, and nobody is told the secret.
fn is_refused<B: Bucket>(mut source: Stored<B>, to_wrong: fn(B) -> B, words: &str)
where
    selfup::fetcher::Store<B::Kind>: selfup::Fetcher,
{
    let first = Release::good();
    source.publish(&first);
    source.bucket = to_wrong(source.bucket);
    let mut service = source.service(&first).start();
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains("status 403 Forbidden") && line.contains(words), "{line}");
    let variables = source.variables();
    let credentials = variables.iter().find(|(name, _)| name == "CREDENTIALS");
    let (_, secret) = credentials.and_then(|(_, both)| both.split_once(' ')).expect("two words");
    assert_eq!(service.lines(secret), [""; 0]);
    assert!(service.get("/").contains(" 1 "));
    assert!(service.stop().success());
}

#[test]
fn a_wrong_secret_for_s3_is_refused_and_not_told() {
    let source = Stored::start(Way::Plain);
    is_refused(source, S3Server::with_wrong_secret, "SignatureDoesNotMatch");
}

#[test]
fn a_wrong_key_for_azure_is_refused_and_not_told() {
    if Azurite::is_there() {
        is_refused(Stored::start(Way::Plain), Azurite::with_wrong_key, "AuthorizationFailure");
    }
}

/// The rest is asked for with a signature of its own.
fn goes_on<B: Bucket>()
where
    selfup::fetcher::Store<B::Kind>: selfup::Fetcher,
{
    let source = Stored::<B>::start(Way::Plain);
    let (first, second) = (Release::good(), Release::good());
    source.publish(&first);
    let mut service = source.service(&first).start();
    source.front().wait_for(2);
    source.front().fail(Fault::Cut);
    source.publish(&second);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);
    let asked = source.front().asked().into_iter();
    let parts: Vec<_> = asked.filter(|asked| asked.status == 206).collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
    assert_eq!(parts[0].body, second.bytes().len().div_ceil(2));
    assert!(parts[0].request.header("if-match").is_some(), "{parts:?}");
    assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_download_from_s3_that_is_cut_is_gone_on_with() {
    goes_on::<S3Server>();
}

#[test]
fn a_download_from_azure_that_is_cut_is_gone_on_with() {
    if Azurite::is_there() {
        goes_on::<Azurite>();
    }
}

#[test]
fn a_download_from_gcs_that_is_cut_is_gone_on_with() {
    if FakeGcs::is_there() {
        goes_on::<FakeGcs>();
    }
}

#[test]
fn a_digest_beside_the_binary_has_to_be_its_own() {
    let source = Stored::<S3Server>::start(Way::Plain);
    let (first, second) = (Release::good(), Release::good());
    let sums = |release: &Release| format!("{}  app\n", release.id());
    source.bucket.put("dir/SHA256SUMS", b"nothing yet");
    source.publish(&first);
    let mut service = source.service(&first).set("SHA256", "SHA256SUMS").start();
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains("s3://releases/dir/SHA256SUMS: it has no SHA-256 of \"app\""), "{line}");
    source.bucket.put("dir/SHA256SUMS", sums(&Release::good()).as_bytes());
    source.publish(&second);
    let line = service.wait_for("event candidate_refused: ");
    assert!(line.contains("SHA-256"), "{line}");
    source.bucket.put("dir/SHA256SUMS", sums(&second).as_bytes());
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);
    assert!(service.stop().success());
}

#[test]
fn a_key_that_is_not_there_is_an_error_that_passes() {
    let source = Stored::<S3Server>::start(Way::Plain);
    let (first, second) = (Release::good(), Release::good());
    let mut service = source.service(&first).start();
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains(&format!("s3://releases/{KEY}: status 404 Not Found")), "{line}");
    assert!(line.contains("; the server says NoSuchKey"), "{line}");
    source.publish(&second);
    service.wait_for("event committed: generation 2 ");
    assert!(service.stop().success());
}
