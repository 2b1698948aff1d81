//! Signatures and digests of what is published: who is believed, and what it costs to be lied to.
//!
//! Each attack leaves the service as it was, is told once and with its reason, and keeps nothing good
//! out: the next thing that is signed is taken, were it the same bytes.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;

use selfup_tests::{Answer, Beside, Load, Published, Publisher, Release, ServiceBuilder, Signer};

/// A service that trusts a signer.
struct Trusting {
    published: Published,
    signer: Signer,
    first: Release,
}

impl Trusting {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(variables: &[(&str, &str)]) -> Self {
        Self::with_keys("", variables)
    }

    /// It trusts these keys, too.
    fn with_keys(others: &str, variables: &[(&str, &str)]) -> Self {
        let (signer, first) = (Signer::new(), Release::good());
        let source = Publisher::start(Answer::Whole(first.clone()));
        source.put("/signatures/linux.sig", Beside::Text(signer.sign(&first)));
        source.publish_signed(&first, signer.sign(&first));
        let key = signer.key() + others;
        let variables = [&[("VERIFY", key.as_str())], variables].concat();
        let published = Published::of(ServiceBuilder::new(&first), source, &variables);
        published.publisher.wait_for("GET 304", 1);
        published.publisher.put("/app.minisig", Beside::Status(404));
        Self { published, signer, first }
    }

    /// Has `bad` refused that `offer` publishes: told once, with these words, and to no harm.
    fn refuses(&self, bad: &Release, words: &[&str], offer: impl FnOnce(&Publisher)) {
        let Published { service, publisher, .. } = &self.published;
        let load = Load::start(service.address(), "/", 2);
        let before = service.lines(REFUSED).len();
        offer(publisher);
        let line = service.wait_for_nth(REFUSED, before + 1);
        for words in words {
            assert!(line.contains(words), "{words:?} is not in {line}");
        }
        // The next polls look for a signature, and find the same.
        let polls = publisher.answered().iter().filter(|line| line.contains(".minisig")).count();
        selfup_tests::eventually("it is asked for again", || {
            let asked = publisher.answered();
            let asked = asked.iter().filter(|line| line.contains(".minisig")).count();
            (asked >= polls + 3).then_some(())
        });
        load.wait_for(20);
        assert_eq!(service.lines(REFUSED).len(), before + 1, "it is told once");
        service.assert_runs(&self.first);
        service.assert_files(&[]);
        let history = service.history().unwrap_or_default();
        assert!(!history.contains(&bad.id().to_string()), "{history}");
        assert_eq!(self.published.starts("Probe"), 0);
        assert_eq!(load.stop(), [""; 0]);
    }

    /// Takes `good` once it is signed.
    fn takes(&self, good: &Release) {
        let Published { service, publisher, .. } = &self.published;
        publisher.publish_signed(good, self.signer.sign(good));
        self.wait_until_taken(good);
        service.assert_previous(&self.first);
    }

    fn wait_until_taken(&self, good: &Release) {
        let service = &self.published.service;
        service.wait_for(&format!("candidate {} is signed by key ", good.id().short()));
        service.wait_for("event committed: generation 2 ");
        service.assert_runs(good);
    }

    fn stop(mut self) {
        assert!(self.published.service.stop().success());
    }
}

const REFUSED: &str = "event candidate_refused: ";

#[test]
fn a_signed_release_is_taken_and_a_poll_that_finds_nothing_new_asks_for_no_signature() {
    let service = Trusting::start();
    let good = Release::good();
    service.takes(&good);
    let line = service.published.service.wait_for("event candidate_verified: ");
    assert!(line.ends_with(&format!(": release {}", good.id().short())), "{line}");
    let publisher = &service.published.publisher;
    publisher.wait_for("GET 304", 1);
    let before = publisher.requests().len();
    publisher.wait_for("GET 304", 3);
    let since = publisher.requests().split_off(before);
    assert!(since.iter().all(|request| request.starts_with("GET /app HTTP")), "{since:#?}");
    service.stop();
}

#[test]
fn arbitrary_bytes_signed_by_another_key_are_refused() {
    let service = Trusting::start();
    let (stranger, bad) = (Signer::new(), Release::of("#!/bin/sh\nsleep 60\n"));
    let words = ["it is signed by key ", "which is not trusted here; expected a signature by "];
    service.refuses(&bad, &words, |publisher| {
        publisher.publish_signed(&bad, stranger.sign(&bad));
    });
    service.takes(&Release::good());
    service.stop();
}

#[test]
fn a_release_signed_by_another_key_is_refused_and_the_same_bytes_are_taken_once_signed() {
    let service = Trusting::start();
    let (stranger, release) = (Signer::new(), Release::good());
    service.refuses(&release, &["it is signed by key "], |publisher| {
        publisher.publish_signed(&release, stranger.sign(&release));
    });
    service.takes(&release);
    service.stop();
}

#[test]
fn an_unsigned_release_is_refused_until_its_signature_is_there() {
    let service = Trusting::start();
    let release = Release::good();
    let words = ["there is no signature: http://", "/app.minisig answered 404", "`minisign -Sm"];
    service.refuses(&release, &words, |publisher| {
        publisher.publish(Answer::Whole(release.clone()));
    });
    // Its bytes are known by their tag, and nothing but the signature is new.
    let signature = service.signer.sign(&release);
    service.published.publisher.put("/app.minisig", Beside::Text(signature));
    service.wait_until_taken(&release);
    service.stop();
}

#[test]
fn a_signature_of_another_file_is_refused() {
    let service = Trusting::start();
    let (release, other) = (Release::good(), Release::good());
    let words = ["its signature is by key ", "and not of these bytes: it is of another file"];
    service.refuses(&release, &words, |publisher| {
        publisher.publish_signed(&release, service.signer.sign(&other));
    });
    service.takes(&release);
    service.stop();
}

#[test]
fn a_garbled_signature_is_refused() {
    let service = Trusting::start();
    let release = Release::good();
    let good = service.signer.sign(&release);
    let words = ["its signature is garbled: it is not in the form of minisign"];
    service.refuses(&release, &words, |publisher| {
        publisher.publish_signed(&release, &good[..good.len() / 2]);
    });
    service.refuses(&release, &["begins with \"<html>"], |publisher| {
        publisher.put("/app.minisig", Beside::Text("<html>not found".into()));
    });
    let words = ["it is longer than 8192 bytes, and begins with \"xxx"];
    service.refuses(&release, &words, |publisher| {
        publisher.put("/app.minisig", Beside::Endless);
    });
    service.takes(&release);
    service.stop();
}

/// Minisign's own example; no newer version signs like this.
#[test]
fn a_legacy_signature_is_refused_with_the_remedy() {
    let key = ",RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let service = Trusting::with_keys(key, &[]);
    let release = Release::good();
    let legacy = "untrusted comment: signature from minisign secret key\n\
                  RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
                  trusted comment: timestamp:1555779966\tfile:test\n\
                  QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n";
    let words = ["its signature is a legacy one", "sign again with `minisign -SHm FILE`"];
    service.refuses(&release, &words, |publisher| publisher.publish_signed(&release, legacy));
    service.takes(&release);
    service.stop();
}

#[test]
fn a_replay_of_an_old_signed_version_is_refused() {
    let service = Trusting::start();
    let old = Release::good().of_version("0.0.9");
    service.published.publisher.publish_signed(&old, service.signer.sign(&old));
    let line = service.published.service.wait_for(REFUSED);
    assert!(line.contains("0.0.9") && line.contains(&old.id().short()), "{line}");
    assert_eq!(service.published.service.lines("event candidate_verified: ").len(), 1);
    service.published.service.assert_runs(&service.first);
    service.takes(&Release::good());
    service.stop();
}

#[test]
fn the_signed_binary_of_another_program_is_refused_by_its_note() {
    let service = Trusting::start();
    let other = Release::of_fixture("stateless");
    service.published.publisher.publish_signed(&other, service.signer.sign(&other));
    let line = service.published.service.wait_for(REFUSED);
    assert!(line.contains("it is the program \"selfup-tests/stateless\""), "{line}");
    assert_eq!(service.published.starts("Probe"), 0);
    service.published.service.assert_runs(&service.first);
    service.takes(&Release::good());
    service.stop();
}

#[test]
fn redirects_to_another_host_carry_no_credentials_for_the_binary_nor_its_signature() {
    let (signer, first) = (Signer::new(), Release::good());
    let elsewhere = Publisher::start(Answer::Whole(first.clone()));
    let home = Publisher::start(Answer::Redirect(elsewhere.url()));
    elsewhere.publish_signed(&first, signer.sign(&first));
    home.put("/app.minisig", Beside::Redirect(format!("{}.minisig", elsewhere.url())));
    let url = home.url().replace("http://", "http://me:swordfish@");
    let variables = [("VERIFY", signer.key()), ("FETCHER", url)];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let published = Published::of(ServiceBuilder::new(&first), home, &variables);
    elsewhere.wait_for("GET 304", 1);

    let (stranger, release) = (Signer::new(), Release::good());
    elsewhere.publish_signed(&release, stranger.sign(&release));
    let line = published.service.wait_for(REFUSED);
    assert!(line.contains("it is signed by key "), "{line}");
    published.service.assert_runs(&first);
    elsewhere.publish_signed(&release, signer.sign(&release));
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&release);

    let has_credentials = |request: &String| request.to_lowercase().contains("authorization: ");
    let (home, elsewhere) = (published.publisher.requests(), elsewhere.requests());
    for path in ["GET /app HTTP", "GET /app.minisig HTTP"] {
        assert!(home.iter().any(|request| request.starts_with(path)), "{home:#?}");
        assert!(elsewhere.iter().any(|request| request.starts_with(path)), "{elsewhere:#?}");
    }
    assert!(home.iter().all(has_credentials), "{home:#?}");
    assert!(!elsewhere.iter().any(has_credentials), "{elsewhere:#?}");
    assert_eq!(published.service.lines("swordfish"), [""; 0]);
    let mut published = published;
    assert!(published.service.stop().success());
}

#[test]
fn keys_are_rotated_by_trusting_both_for_a_while() {
    let (old, new, first) = (Signer::new(), Signer::new(), Release::good());
    let source = Publisher::start(Answer::Whole(first.clone()));
    source.publish_signed(&first, old.sign(&first));
    let variables = [("VERIFY", old.key())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut published = Published::of(ServiceBuilder::new(&first), source, &variables);
    published.publisher.wait_for("GET 304", 1);

    let both = Release::configured(&format!("VERIFY={},{}", old.key(), new.key()));
    published.publisher.publish_signed(&both, old.sign(&both));
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&both);
    let last = Release::configured(&format!("VERIFY={}", new.key()));
    // By this time the master is the one that trusts both.
    published.service.wait_for("event master_replaced: ");
    published.publisher.publish_signed(&last, new.sign(&last));
    published.service.wait_for("event committed: generation 3 ");
    published.service.wait_for_nth("event master_replaced: ", 2);
    published.service.assert_runs(&last);

    let release = Release::good();
    published.publisher.publish_signed(&release, old.sign(&release));
    let line = published.service.wait_for(REFUSED);
    assert!(line.contains("which is not trusted here; expected a signature by "), "{line}");
    published.service.assert_runs(&last);
    assert!(published.service.stop().success());
}

#[test]
fn a_signature_that_the_server_fails_to_give_is_asked_for_again() {
    let service = Trusting::start();
    let release = Release::good();
    let publisher = &service.published.publisher;
    publisher.put("/app.minisig", Beside::Status(500));
    publisher.publish(Answer::Whole(release.clone()));
    let line = service.published.service.wait_for_nth("event fetch_failed: ", 2);
    assert!(line.contains("/app.minisig: status 500") && line.contains("the signature"), "{line}");
    service.published.service.assert_runs(&service.first);
    service.takes(&release);
    service.stop();
}

#[test]
fn a_signature_may_lie_elsewhere() {
    let service = Trusting::with(&[("SIGNATURE", "signatures/{os}.sig")]);
    let release = Release::good();
    let signature = Beside::Text(service.signer.sign(&release));
    service.published.publisher.put("/signatures/linux.sig", signature);
    service.published.publisher.publish(Answer::Whole(release.clone()));
    service.wait_until_taken(&release);
    service.stop();
}

#[test]
fn a_file_is_signed_by_the_file_beside_it() {
    let (signer, first) = (Signer::new(), Release::good());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("published");
    let signature = directory.path().join("published.minisig");
    let builder = ServiceBuilder::new(&first).set("FETCHER", path.clone());
    let mut service = builder.set("VERIFY", signer.key()).start();
    let second = Release::good();
    second.install(&path);
    let line = service.wait_for(REFUSED);
    assert!(line.contains("published.minisig is not there; sign what is published"), "{line}");
    service.assert_runs(&first);
    fs::write(&signature, signer.sign(&second)).expect("it can be written");
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);

    // The signature first: the file is looked at for nothing until it changes.
    let third = Release::good();
    let before = service.lines(REFUSED).len();
    fs::write(&signature, signer.sign(&third)).expect("it can be written");
    third.install(&path);
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&third);
    assert_eq!(service.lines(REFUSED).len(), before);
    assert!(service.stop().success());
}

/// A wrong digest, none, and the right one, as each form of publishing has it.
fn is_taken_by_its_digest(place: &str, path: &str, text: impl Fn(&Release) -> String) {
    let mut published = Published::start(&[]);
    let first = fs::read(published.service.binary()).expect("the binary is there");
    assert!(published.service.stop().success());
    published.publisher.put(path, Beside::Text(text(&Release::of(first.as_slice()))));
    let mut service = published.start_next(&[("SHA256", place)]);
    published.publisher.wait_for("GET 304", 1);
    let load = Load::start(service.address(), "/", 2);

    let release = Release::good();
    published.publisher.put(path, Beside::Text(text(&Release::good())));
    published.publisher.publish(Answer::Whole(release.clone()));
    let line = service.wait_for(REFUSED);
    assert!(line.contains(&format!("the bytes have SHA-256 {}, and ", release.id())), "{line}");
    published.publisher.put(path, Beside::Text("# nothing yet".into()));
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains("it has no SHA-256 of \"app\"; expected what `sha256sum app`"), "{line}");
    published.publisher.put(path, Beside::Status(404));
    published.publisher.wait_for(&format!("GET {path} 404"), 2);
    service.assert_on_disk(&Release::of(first.as_slice()));

    published.publisher.put(path, Beside::Text(text(&release)));
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&release);
    assert_eq!(service.lines(REFUSED).len(), 1);
    load.wait_for(20);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_digest_behind_the_url_is_compared() {
    is_taken_by_its_digest(".sha256", "/app.sha256", |release| release.id().to_string());
}

#[test]
fn a_digest_in_a_list_is_compared() {
    is_taken_by_its_digest("SHA256SUMS", "/SHA256SUMS", |release| {
        let other = Release::of("another file").id();
        format!("{other}  app-arm\n{} *app\n{other} *app.exe\n", release.id())
    });
}
