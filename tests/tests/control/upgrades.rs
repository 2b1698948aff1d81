use selfup_tests::{Answer, Load, Release};
use serde_json::json;

use super::{polling, publish, published, service};

#[test]
fn a_check_says_what_came_of_it() {
    let (mut published, operator) = published(&[]);
    operator.post("/check").assert_good("unchanged");
    publish(&published, Release::good().of_version("0.0.9"));
    operator.post("/check").assert_bad("refused", "0.0.9");
    // It stays so for as long as that is published.
    operator.post("/check").assert_bad("refused", "0.0.9");
    published.publisher.publish(Answer::Status(503));
    operator.post("/check").assert_bad("failed", "503");
    let second = publish(&published, Release::good());
    let said = operator.post("/check");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 2);
    published.service.assert_runs(&second);
    published.service.wait_for("event master_replaced: ");
    operator.post("/check").assert_good("unchanged");
    assert!(published.service.stop().success());
}

#[test]
fn a_check_tells_of_a_release_that_fails_and_of_one_that_waits() {
    let (mut published, operator) = published(&[("READY_TIMEOUT", "3s")]);
    publish(&published, Release::flawed("never-ready"));
    operator.post("/check").assert_bad("abandoned", "it was not ready within");
    assert!(published.service.stop().success());

    let (mut published, operator) = self::published(&[("NO_RESTART_AFTER_FETCH", "1")]);
    let second = publish(&published, Release::good());
    operator.post("/check").assert_bad("waits", "for the next restart");
    published.service.assert_on_disk(&second);
    let said = operator.post("/restart");
    said.assert_good("committed");
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn without_a_fetcher_there_is_nothing_to_check_or_to_pause() {
    let (mut service, operator) = service(&[]);
    assert_eq!(operator.status()["upgrades"]["state"], "none");
    for target in ["/check", "/rollback", "/pause-upgrades", "/resume-upgrades"] {
        operator.post(target).assert_bad("disabled", "no fetcher");
    }
    assert!(service.stop().success());
}

#[test]
fn a_rollback_is_answered_when_the_previous_binary_serves_or_cannot() {
    let (mut published, operator) = published(&[]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    operator.post("/rollback").assert_bad("failed", "there is no previous binary");
    let second = publish(&published, Release::good());
    operator.post("/check").assert_good("committed");
    published.service.wait_for("event master_replaced: ");
    let said = operator.post("/rollback");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 3);
    published.service.assert_runs(&first);
    published.service.wait_for_nth("event master_replaced: ", 2);
    operator.post("/check").assert_bad("refused", "it was rolled back by request");
    let status = operator.status();
    assert_eq!(status["last_refusal"]["digest"], second.id().to_string());
    assert_eq!(status["last_upgrade"]["to"]["digest"], first.id().to_string());
    operator.post("/rollback").assert_bad("failed", "turned down itself");
    assert!(published.service.stop().success());
}

#[test]
fn a_rollback_waits_for_no_other_restart() {
    let (mut published, operator) = published(&[("NO_RESTART_AFTER_FETCH", "1")]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    publish(&published, Release::good());
    operator.post("/check").assert_bad("waits", "for the next restart");
    operator.post("/restart").assert_good("committed");
    published.service.wait_for("event master_replaced: ");
    operator.post("/rollback").assert_good("committed");
    published.service.assert_runs(&first);
    assert!(published.service.stop().success());
}

#[test]
fn while_upgrades_are_paused_nothing_is_polled_unless_an_operator_asks() {
    let (mut published, operator) = polling(&[("INTERVAL", "50ms")]);
    published.publisher.wait_for("GET 304", 2);
    operator.post("/pause-upgrades").assert_good("paused");
    operator.post("/pause-upgrades").assert_good("paused");
    let polls = published.publisher.answered().len();
    let upgrades = operator.status()["upgrades"].clone();
    assert_eq!(
        (&upgrades["state"], &upgrades["next_poll_seconds"]),
        (&json!("paused"), &json!(null))
    );
    // The program's own wish waits.
    assert_eq!(published.service.get("/check"), "Ok(())\n");
    publish(&published, Release::good());
    operator.post("/restart").assert_good("committed");
    // The pause gives up a poll that is under way, and its answer may be noted behind it.
    let answered = published.publisher.answered().len();
    assert!(answered <= polls + 1, "{answered} polls, and {polls} before");
    let said = operator.post("/check");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 3);
    // The master was replaced, and they are paused still.
    published.service.wait_for("event master_replaced: ");
    assert_eq!(operator.status()["upgrades"]["state"], "paused");
    let second = publish(&published, Release::good());
    operator.post("/restart").assert_good("committed");
    assert!(published.service.lines("event upgraded: ").len() == 1);
    operator.post("/resume-upgrades").assert_good("resumed");
    published.service.wait_for_nth("event upgraded: ", 2);
    published.service.assert_runs(&second);
    assert!(published.service.stop().success());
}

#[test]
fn a_pause_gives_up_a_download_and_is_answered_at_once() {
    let (mut published, operator) = polling(&[("INTERVAL", "50ms")]);
    published.publisher.wait_for("GET 304", 1);
    let release = Release::good();
    published.publisher.publish(Answer::Stalled(release.clone(), 1000));
    published.service.wait_for_staged(1000);
    operator.post("/pause-upgrades").assert_good("paused");
    published.service.assert_files(&["control"]);
    operator.post("/resume-upgrades").assert_good("resumed");
    published.publisher.publish(Answer::Whole(release.clone()));
    published.service.wait_for("event committed: generation 2 ");
    published.service.assert_runs(&release);
    assert!(published.service.stop().success());
}

#[test]
fn a_first_generation_on_trial_is_rolled_back_too() {
    let (mut published, operator) = published(&[("NO_RESTART_AFTER_FETCH", "1")]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    let second = publish(&published, Release::good());
    operator.post("/check").assert_bad("waits", "for the next restart");
    let socket = operator.path().display().to_string();
    let settings = [("CONTROL_SOCKET", socket.as_str()), ("PROBATION", "1h"), ("INTERVAL", "1h")];
    let mut again = published.start_again(&settings);
    again.assert_runs(&second);
    let waiting = operator.begin("POST /rollback");
    again.wait_for("event paused: generation 1 ");
    again.assert_on_disk(&first);
    again.signal(nix::sys::signal::Signal::SIGTERM);
    waiting.answer().assert_bad("stopping", "the service ends");
    assert!(again.wait().success());
}

#[test]
fn a_rollback_of_an_upgrade_on_trial_does_not_wait_for_its_end() {
    let (mut published, operator) = published(&[("PROBATION", "1h")]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    let load = Load::start(published.service.address(), "/", 4);
    let second = publish(&published, Release::good());
    let check = operator.begin("POST /check");
    published.service.wait_for("event paused: generation 1 ");
    let said = operator.post("/rollback");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 1, "it was never gone");
    check.answer().assert_bad("abandoned", "it was rolled back by request");
    published.service.assert_runs(&first);
    operator.post("/check").assert_bad("refused", "it was rolled back by request");
    let status = operator.status();
    assert_eq!(status["last_refusal"]["digest"], second.id().to_string());
    assert_eq!(status["phase"], "serving");
    load.wait_for(20);
    let failures = load.stop();
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(published.service.lines("event committed: "), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn without_overlap_a_rollback_of_what_is_on_trial_is_answered_once_the_service_is_back() {
    let (mut published, operator) = published(&[("PROBATION", "1h"), ("OVERLAP", "false")]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    publish(&published, Release::good());
    let check = operator.begin("POST /check");
    published.service.wait_for("event child_ready: generation 2 ");
    let said = operator.post("/rollback");
    said.assert_good("committed");
    assert_eq!(said.body["generation"], 3);
    // It serves by now; its event goes another way than the answer.
    assert_eq!(operator.status()["phase"], "serving");
    published.service.wait_for("event child_ready: generation 3 ");
    check.answer().assert_bad("abandoned", "it was rolled back by request");
    published.service.assert_runs(&first);
    assert!(published.service.stop().success());
}

#[test]
fn polls_are_no_closer_for_an_operator_than_for_anybody() {
    let (mut published, operator) = published(&[("MIN_FETCH_INTERVAL", "1h")]);
    // A poll of its own may have been due before they were paused.
    let first = operator.post("/check");
    assert!(["unchanged", "waits"].contains(&first.outcome()), "{first:?}");
    operator.post("/check").assert_bad("waits", "the source is polled in 5");
    assert!(published.publisher.answered().len() <= 1);
    assert!(published.service.stop().success());
}

#[test]
fn a_pause_waits_for_an_upgrade_that_is_under_way_and_outlives_what_follows() {
    let (mut published, operator) = polling(&[("PROBATION", "2s"), ("INTERVAL", "50ms")]);
    publish(&published, Release::good());
    published.service.wait_for("event paused: generation 1 ");
    operator.post("/pause-upgrades").assert_good("paused");
    // Its event goes another way than the answer: what is not over yet shows in the status.
    if let Ok(said) = operator.try_ask("GET /status") {
        assert_ne!(said.body["phase"], "probation");
    }
    published.service.wait_for("event committed: generation 2 ");
    published.service.wait_for("event master_replaced: ");
    assert_eq!(operator.status()["upgrades"]["state"], "paused");
    assert!(published.service.stop().success());
}
