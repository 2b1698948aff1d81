//! When a service polls, and what ten thousand polls leave behind.
//!
//! `POLLS` says how many. Each test prints its figures.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::time::{Duration, Instant};

use selfup_tests::faults::Way;
use selfup_tests::forge::{FakeForge, ForgeKind, ForgeRelease};
use selfup_tests::idle::{leave_nothing, polls};
use selfup_tests::{Answer, Published, Publisher, Release, ServiceBuilder};

#[test]
fn ten_thousand_polls_over_http_leave_memory_and_descriptors_where_they_were() {
    let release = Release::good();
    let source = Publisher::start(Answer::Whole(release.clone()));
    let mut service = leave_nothing(ServiceBuilder::new(&release), &source.url());
    assert_eq!(service.lines("event candidate_"), [""; 0]);
    let answered = source.answered();
    assert_eq!(answered[0], "GET 200");
    assert!(answered.len() > polls() && answered[1..].iter().all(|line| line == "GET 304"));
    assert!(service.stop().success());
}

#[test]
fn ten_thousand_polls_of_a_file_leave_memory_and_descriptors_where_they_were() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (path, release) = (directory.path().join("published"), Release::good());
    release.install(&path);
    let path = path.to_str().expect("a temporary directory has a name");
    let mut service = leave_nothing(ServiceBuilder::new(&release), path);
    assert_eq!(service.lines("event candidate_"), [""; 0]);
    assert!(service.stop().success());
}

/// `settings` are of the fetcher; each answer to a poll has this status and no body.
fn leave_nothing_of_a_forge(kind: ForgeKind, settings: &[(&str, &str)], status: u16) {
    let (forge, release) = (FakeForge::start(kind, Way::Plain), Release::good());
    forge.publish(ForgeRelease::new("v1.0.0").with("app", &release));
    let variables = forge.variables();
    let mut builder = ServiceBuilder::new(&release).set("ASSET", "app");
    for (name, value) in settings.iter().copied() {
        builder = builder.set(name, value);
    }
    for (name, value) in &variables {
        builder = builder.set(name, value);
    }
    let (_, source) = variables.iter().find(|(name, _)| name == "FETCHER").expect("it has a name");
    let mut service = leave_nothing(builder, source);
    assert_eq!(service.lines("event candidate_"), [""; 0]);
    let asked = forge.asked();
    let unchanged = asked.iter().filter(|asked| asked.status == status && asked.body == 0).count();
    assert!(unchanged > polls(), "{unchanged} of {}", asked.len());
    assert!(service.stop().success());
}

/// With a token, so that the API is asked.
#[test]
fn ten_thousand_polls_of_github_leave_memory_and_descriptors_where_they_were() {
    leave_nothing_of_a_forge(ForgeKind::GitHub, &[("TOKEN", "swordfish")], 304);
}

#[test]
fn ten_thousand_polls_of_gitlab_leave_memory_and_descriptors_where_they_were() {
    leave_nothing_of_a_forge(ForgeKind::GitLab, &[], 302);
}

#[test]
fn ten_thousand_polls_of_gitea_leave_memory_and_descriptors_where_they_were() {
    leave_nothing_of_a_forge(ForgeKind::Gitea, &[], 302);
}

/// By the `ETag` of the file, so that the body of an answer is what a poll could leave unread.
#[test]
fn ten_thousand_polls_of_a_file_at_gitea_leave_memory_and_descriptors_where_they_were() {
    leave_nothing_of_a_forge(ForgeKind::Gitea, &[("TAG", "v1.0.0")], 304);
}

/// Also after SIGKILL, which nobody can prepare for.
#[test]
fn the_first_poll_of_a_service_that_is_started_again_is_conditional_and_answered_without_a_body() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let state = directory.path().to_str().expect("a temporary directory has a name");
    for (settings, is_killed) in [(vec![], false), (vec![("STATE_DIR", state)], true)] {
        let mut published = Published::start(&settings);
        published.upgrade(&Release::good());
        published.publisher.wait_for("GET 304", 2);
        if is_killed {
            published.service.signal(nix::sys::signal::Signal::SIGKILL);
            published.service.wait();
            published.service.processes().wait_until_gone();
        } else {
            assert!(published.service.stop().success());
        }
        let before = published.publisher.answered().len();
        let mut again = published.start_next(&settings);
        published.publisher.wait_for("GET 304", 1);
        let (answered, requests) = (published.publisher.answered(), published.publisher.requests());
        assert_eq!(answered[before], "GET 304");
        assert!(requests[before].to_ascii_lowercase().contains("if-none-match: "), "{requests:?}");
        assert_eq!(answered.iter().filter(|line| *line == "GET 200").count(), 2);
        assert!(again.stop().success());
    }
}

#[test]
fn a_mirror_is_taken_from_while_the_source_is_down_and_the_source_again_when_it_is_up() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mirror = directory.path().join("published");
    let source = Publisher::closed();
    let sources = format!("counted:{}|{}", source.url(), mirror.display());
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", sources);
    let mut service = builder.start();
    let second = Release::good();
    second.install(&mirror);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);
    assert_eq!(service.lines("event fetch_failed: "), [""; 0], "one of both answered each time");

    let third = Release::good();
    source.open(Answer::Whole(third.clone()));
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&third);
    source.wait_for("GET 304", 2);
    assert_eq!(source.answered().iter().filter(|line| *line == "GET 200").count(), 1);
    service.assert_runs(&third);

    // What the mirror has is older, and known: it is not read again.
    source.publish(Answer::Status(500));
    source.wait_for("GET 500", 5);
    assert_eq!(service.lines("event candidate_staged: ").len(), 2);
    service.assert_runs(&third);
    assert!(service.stop().success());
}

#[test]
fn a_source_that_wants_to_be_left_alone_is_not_asked_before_even_if_somebody_asks_for_it() {
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", "rests");
    let began = Instant::now();
    let mut service = builder.start();
    service.wait_for("polled");
    let line = service.wait_for("event fetch_failed: ");
    assert!(line.contains("asked again in 3s at the soonest, as it says: "), "{line}");
    for count in 2..=3 {
        assert_eq!(service.get("/check"), "Ok(())\n");
        service.wait_for_nth("polled", count);
    }
    assert!(began.elapsed() >= Duration::from_secs(6), "two more polls need six seconds");
    assert!(service.stop().success());
}
