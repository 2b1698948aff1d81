//! A client of another house, which says when it has to ask again.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use selfup_tests::ServiceBuilder;

use super::service;
use super::tested::Tested;

/// Asks for ever so many answers on as few connections as it may.
fn curl(service: &Tested, version: &str, number: usize) -> JoinHandle<(Vec<String>, String)> {
    let scheme = if service.to().tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/sleep?10#[1-{number}]", service.address());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail-early", "--fail", "--verbose", version]);
    curl.arg("--cacert").arg(service.directory().join("cert.pem")).arg(url);
    curl.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    let mut curl = curl.spawn().unwrap();
    let mut stdout = BufReader::new(curl.stdout.take().unwrap());
    let mut first = String::new();
    // It has begun.
    stdout.read_line(&mut first).unwrap();
    std::thread::spawn(move || {
        let stdout = std::thread::spawn(|| stdout.lines().collect::<Result<Vec<_>, _>>().unwrap());
        let output = curl.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("retrying"), "{said}");
        let mut answers = vec![first.trim_end().to_owned()];
        answers.extend(stdout.join().unwrap());
        assert!(answers.iter().all(|answer| answer.starts_with("hello ")), "{answers:?}");
        (answers, said)
    })
}

fn loses_nothing_to_restarts(start: fn(ServiceBuilder) -> Tested) {
    let mut service = start(service());
    // They take twenty seconds at the least, and the restarts a few.
    let curl = curl(&service, "--http1.1", 2000);
    for next in 2..=6 {
        service.restart(next);
    }
    let (answers, said) = curl.join().unwrap();
    assert_eq!(answers.len(), 2000);
    assert!(answers[1999].ends_with(" 6"), "the restarts took longer: {}", answers[1999]);
    // Each generation kept it, and sent it on.
    let connections = said.matches("* Connected to ").count();
    assert!((2..=6).contains(&connections), "{said}");
    assert!(service.stop().success());
}

#[test]
fn it_loses_nothing_to_restarts_in_the_clear() {
    loses_nothing_to_restarts(Tested::in_the_clear);
}

#[test]
fn it_loses_nothing_to_restarts_over_tls() {
    loses_nothing_to_restarts(Tested::over_tls);
}

/// Between restarts only: a curl that hears GOAWAY while it waits for an answer may call that an
/// error of its own, although the answer came (curl's issue 4267). By prior knowledge, 7.88 cannot
/// use a connection twice, whatever the server does.
fn speaks_http_2(start: fn(ServiceBuilder) -> Tested, version: &str, on_each: usize) {
    let mut service = start(service());
    for generation in 1..=3 {
        let (answers, said) = curl(&service, version, on_each).join().unwrap();
        assert_eq!(answers.len(), on_each);
        assert!(answers.iter().all(|answer| answer.ends_with(&format!(" {generation}"))));
        assert!(said.contains("< HTTP/2 200") && !said.contains("< HTTP/1"), "{said}");
        assert_eq!(said.matches("* Connected to ").count(), 1, "{said}");
        service.restart(generation + 1);
    }
    assert!(service.stop().success());
}

#[test]
fn it_speaks_http_2_by_prior_knowledge() {
    speaks_http_2(Tested::in_the_clear, "--http2-prior-knowledge", 1);
}

#[test]
fn it_speaks_http_2_as_agreed_on_over_tls() {
    speaks_http_2(Tested::over_tls, "--http2", 20);
}

#[test]
fn one_that_asks_for_http_2_by_an_upgrade_is_answered_in_http_1_on_a_connection_that_stays() {
    let mut service = Tested::in_the_clear(service());
    let (answers, said) = curl(&service, "--http2", 5).join().unwrap();
    assert_eq!(answers.len(), 5);
    assert!(said.contains("> Upgrade: h2c") && said.contains("< HTTP/1.1 200"), "{said}");
    assert_eq!(said.matches("* Connected to ").count(), 1, "{said}");
    assert!(service.stop().success());
}
