//! `http()` against the nginx of Debian.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use selfup::BinaryId;
use selfup::fetcher::{Current, Fetched, Fetcher as _, http};
use selfup_tests::{Load, Nginx, Release, ServiceBuilder, eventually};
use tokio::io::AsyncReadExt as _;

#[test]
fn releases_come_from_nginx_and_an_idle_poll_is_one_answer_without_a_body() {
    let Some(mut nginx) = Nginx::try_start() else { return };
    let first = Release::good();
    nginx.publish(&first);
    let mut service = ServiceBuilder::new(&first).set("FETCHER", nginx.url()).start();
    let load = Load::start(service.address(), "/", 2);
    nginx.wait_for("GET /app 304 0", 2);
    for generation in 2..=3 {
        let release = Release::good();
        nginx.publish(&release);
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
        let before = nginx.answered().len();
        nginx.wait_for("GET /app 304 0", 2);
        let answered = nginx.answered().split_off(before);
        assert!(answered.iter().all(|line| line == "GET /app 304 0"), "{answered:?}");
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
    let length = first.bytes().len();
    let delivered = nginx.answered();
    let delivered = delivered.iter().filter(|line| *line != "GET /app 304 0");
    assert_eq!(delivered.collect::<Vec<_>>(), [&format!("GET /app 200 {length}"); 3]);
}

#[test]
fn a_download_that_nginx_breaks_off_is_gone_on_with_by_a_range() {
    let Some(mut nginx) = Nginx::try_start() else { return };
    // What is under way then fits in no buffer.
    let release = Release::of((0..32_u32 << 20).map(|at| at.to_le_bytes()[2]).collect::<Vec<_>>());
    nginx.publish(&release);
    let mut fetcher = http(nginx.url());
    let current = Current::new(BinaryId::from_bytes([0; 32]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let found = fetcher.fetch(&current).await.expect("it is published");
        let Fetched::Binary(mut download) = found else { panic!("{found:?}") };
        let mut bytes = vec![0; 100_000];
        download.read_exact(&mut bytes).await.expect("it is there");
        nginx.crash();
        download.read_to_end(&mut bytes).await.expect("the rest of it comes");
        assert!(bytes == release.bytes(), "not what is published");
    });
    // nginx notes an answer once all of it is sent.
    eventually("the rest was asked for", || {
        nginx.answered().iter().any(|line| line.starts_with("GET /app 206 ")).then_some(())
    });
}
