//! What goes wrong between a service and its store: the program does not notice, and the next good
//! release is taken.

use selfup_tests::stores::{Azurite, Bucket, FakeGcs, Flaw, KEY, S3Server, Stored};
use selfup_tests::{Load, Release};

/// Each flaw, and what is said of it.
fn flaws() -> [(Flaw, &'static str); 12] {
    [
        (Flaw::ResetAtOnce, "the request to 127.0.0.1 failed"),
        (Flaw::ResetInHead, "the request to 127.0.0.1 failed"),
        (Flaw::Truncated(100_000), "the download broke off"),
        (Flaw::Truncated(0), "the download broke off"),
        (Flaw::Stalled(100_000), "sent nothing for 2s in the middle of the download"),
        (Flaw::Head("500 X"), "status 500 Internal Server Error"),
        (Flaw::Head("503 X"), "status 503 Service Unavailable"),
        (Flaw::Head("429 X\r\nRetry-After: 1"), "it is to be left alone for 1s"),
        (Flaw::Head("403 X"), "status 403 Forbidden"),
        (Flaw::Head("404 X"), "status 404 Not Found"),
        // None is followed: it would carry what was signed for one server to another.
        (Flaw::Head("302 X\r\nLocation: /releases/dir/app"), "status 302 Found"),
        (Flaw::Body("<html>Log in</html>"), ""),
    ]
}

fn is_borne<B: Bucket>(bucket: B, name: &str) {
    let mut stored = Stored::start(bucket, &[]);
    let load = Load::start(stored.service.address(), "/", 2);
    for (flaw, words) in flaws() {
        println!("{name}: {flaw:?}");
        let failed = stored.service.lines("event fetch_failed: ").len();
        let refused = stored.service.lines("event candidate_refused: ").len();
        let committed = stored.service.lines("event committed: ").len();
        let release = Release::good();
        let is_refused = matches!(flaw, Flaw::Body(_));
        stored.relay.spoil(Some(flaw));
        stored.bucket.put(KEY, release.bytes());
        if is_refused {
            stored.service.wait_for_nth("event candidate_refused: ", refused + 1);
        } else {
            let line = stored.service.wait_for_nth("event fetch_failed: ", failed + 1);
            assert!(line.contains(words), "{line}");
        }
        stored.relay.spoil(None);
        stored.service.wait_for_nth("event committed: ", committed + 1);
        stored.service.assert_runs(&release);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(stored.service.stop().success());
}

#[test]
fn whatever_goes_wrong_with_s3_the_next_good_release_is_taken() {
    is_borne(S3Server::start(), "s3");
}

#[test]
fn whatever_goes_wrong_with_azure_the_next_good_release_is_taken() {
    let Some(bucket) = Azurite::start() else { return };
    is_borne(bucket, "azure");
}

#[test]
fn whatever_goes_wrong_with_gcs_the_next_good_release_is_taken() {
    let Some(bucket) = FakeGcs::start() else { return };
    is_borne(bucket, "gcs");
}
