use std::process::Command;

use nix::sys::signal::{Signal, kill};
use selfup_tests::{Release, Watched};
use serde_json::{Value, json};

use super::{publish, published, service};

/// The fields of one generation.
fn generation(status: &Value, number: u64) -> &Value {
    let mut all = status["generations"].as_array().unwrap().iter();
    all.find(|it| it["generation"] == number).unwrap_or_else(|| panic!("{number}: {status:#}"))
}

#[test]
fn it_tells_what_runs_before_an_upgrade_and_after_it() {
    let (mut published, operator) = published(&[]);
    let first = Release::of(std::fs::read(published.service.binary()).unwrap());
    // A child that is slow to answer has no number, for a moment.
    let status = operator.wait_for("the binary is digested, and the child answers", |status| {
        let one = generation(status, 1);
        one["digest"].is_string() && one["open_connections"].is_u64()
    });
    assert_eq!(status["master_pid"], published.service.pid().as_raw());
    assert_eq!(status["path"], published.service.binary().display().to_string());
    assert_eq!(
        (&status["phase"], &status["addresses"]),
        (&json!("serving"), &json!(["127.0.0.1:0"]))
    );
    let one = generation(&status, 1);
    assert_eq!(one["pid"], published.service.pid_of(1).as_raw());
    assert_eq!((&one["state"], &one["open_connections"]), (&json!("serving"), &json!(0)));
    assert_eq!(one["digest"], first.id().to_string());
    assert_eq!(one["version"], env!("CARGO_PKG_VERSION"));
    assert!(one["age_seconds"].as_u64().unwrap() < 600, "{status:#}");
    assert_eq!((&status["last_upgrade"], &status["last_refusal"]), (&Value::Null, &Value::Null));
    assert_eq!(status["upgrades"]["state"], "paused");

    let second = publish(&published, Release::good());
    operator.post("/check").assert_good("committed");
    published.service.wait_for("event master_replaced: ");
    let status = operator.wait_for("the history is told", |status| status["good"] != json!([]));
    let two = generation(&status, 2);
    assert_eq!(
        (&two["state"], &two["digest"]),
        (&json!("serving"), &json!(second.id().to_string()))
    );
    // It outlives the succession that follows the upgrade.
    assert_eq!(status["last_upgrade"]["from"]["digest"], first.id().to_string());
    assert_eq!(status["last_upgrade"]["to"]["digest"], second.id().to_string());
    let good: Vec<_> = status["good"].as_array().unwrap().iter().map(|it| &it["digest"]).collect();
    assert_eq!(good, [&json!(second.id().to_string()), &json!(first.id().to_string())]);
    operator.post("/resume-upgrades").assert_good("resumed");
    let status = operator.status();
    assert_eq!(status["upgrades"]["state"], "on");
    assert!(status["upgrades"]["next_poll_seconds"].is_u64(), "{status:#}");
    assert!(published.service.stop().success());
}

#[test]
fn a_generation_that_drains_is_told_with_the_connections_that_it_has() {
    let (mut service, operator) = service(&[("PROBATION", "1h")]);
    let (mut held, _) = service.hold();
    held.ask("/sleep?3600000");
    let status = operator.wait_for("the connection is counted", |status| {
        generation(status, 1)["open_connections"] == 1
    });
    assert_eq!(generation(&status, 1)["state"], "serving");
    service.signal(Signal::SIGUSR2);
    service.wait_for("event paused: generation 1 ");
    let status = operator.wait_for("it is on trial", |status| status["phase"] == "probation");
    assert_eq!(generation(&status, 1)["state"], "paused");
    assert_eq!(generation(&status, 2)["state"], "probation");
    service.signal(Signal::SIGTERM);
    let status = operator.status();
    assert_eq!(
        (&status["phase"], &generation(&status, 1)["state"]),
        (&json!("stopping"), &json!("draining"))
    );
    operator.post("/restart").assert_bad("stopping", "the service ends");
    drop(held);
    service.wait();
}

#[test]
fn a_child_that_does_not_answer_costs_a_second_and_what_is_not_known_is_null() {
    let (mut service, operator) = service(&[]);
    let child = service.pid_of(1);
    kill(child, Signal::SIGSTOP).unwrap();
    Watched::new(child).wait_until_stopped();
    let begun = std::time::Instant::now();
    let asked: Vec<_> = (0..4).map(|_| operator.begin("GET /status")).collect();
    for asked in asked {
        let status = asked.answer().body;
        assert_eq!(generation(&status, 1)["open_connections"], Value::Null);
    }
    // Four at once share one question; a machine may be slow, but not by one second each.
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    kill(service.pid_of(1), Signal::SIGCONT).unwrap();
    operator.wait_for("it answers again", |status| generation(status, 1)["open_connections"] == 0);
    assert!(service.stop().success());
}

#[test]
fn what_was_refused_is_told_with_the_reason() {
    let (mut published, operator) = published(&[]);
    let bad = publish(&published, Release::flawed("exits"));
    operator.post("/check").assert_bad("abandoned", "it ended before its time: exit status 9");
    let id = bad.id().to_string();
    let status = operator.wait_for("it is remembered", |status| status["refused"] != json!([]));
    assert_eq!(status["last_refusal"]["digest"], id);
    assert!(status["last_refusal"]["reason"].as_str().unwrap().contains("exit status 9"));
    assert_eq!(status["refused"][0]["digest"], id);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let at = status["refused"][0]["at"].as_u64().unwrap();
    assert!((now - 600..=now).contains(&at), "{status:#}");
    assert_eq!(status["last_upgrade"], Value::Null);
    assert!(published.service.stop().success());
}

#[test]
fn curl_is_all_that_it_takes() {
    let (mut service, operator) = service(&[]);
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60", "--unix-socket"]).arg(operator.path());
        let output = curl.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let word = |text: String| serde_json::from_str::<Value>(&text).unwrap()["outcome"].clone();
    assert!(curl(&["http://localhost/status"]).contains("\"phase\":\"serving\""));
    assert!(curl(&["http://localhost/metrics"]).contains("selfup_"));
    assert_eq!(word(curl(&["-X", "POST", "http://localhost/restart"])), "committed");
    for target in ["check", "rollback", "pause-upgrades", "resume-upgrades"] {
        let said = curl(&["-X", "POST", &format!("http://localhost/{target}")]);
        assert_eq!(word(said), "disabled", "{target}");
    }
    assert!(service.get("/").contains(" 2 "));
    assert!(service.stop().success());
}

#[test]
fn a_first_generation_that_is_not_ready_yet_is_told() {
    let (mut service, operator) = service(&[("READY", "manual")]);
    assert_eq!(generation(&operator.status(), 1)["state"], "starting");
    kill(service.pid_of(1), Signal::SIGUSR1).unwrap();
    operator.wait_for("it is ready", |status| generation(status, 1)["state"] == "serving");
    assert!(service.stop().success());
}
