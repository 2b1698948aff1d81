//! What is asked of a service, and how the command ends.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::fake::{Fake, event, status};
use crate::ran::{Ran, run, selfup};
use crate::site::{Site, is_root};
use crate::terminal::Terminal;

const COMMITTED: &str = r#"{"outcome":"committed","is_good":true,"generation":4,"reason":null}"#;
const ABANDONED: &str = r#"{"outcome":"abandoned","is_good":false,"generation":4,"reason":"it never got ready; see its log"}"#;

#[test]
fn each_command_asks_for_its_own_and_says_what_became_of_it() {
    for (command, target) in [
        ("restart", "POST /restart"),
        ("check", "POST /check"),
        ("rollback", "POST /rollback"),
        ("pause", "POST /pause-upgrades"),
        ("resume", "POST /resume-upgrades"),
    ] {
        let fake = Fake::answering(200, COMMITTED);
        let ran = run(&[command, "--socket", &fake.socket()]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        assert_eq!(ran.out, format!("{command}: committed (generation 4)\n"));
        assert_eq!(fake.asked(), [target]);
    }
}

#[test]
fn a_restart_that_was_abandoned_ends_with_1_and_its_reason() {
    let fake = Fake::answering(409, ABANDONED);
    let ran = run(&["restart", "--socket", &fake.socket()]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err.contains("abandoned (generation 4): it never got ready; see its log"),
        "{ran:?}"
    );
    let ran = run(&["restart", "--json", "--socket", &fake.socket()]);
    assert_eq!((ran.code, ran.out.trim()), (1, ABANDONED));
    assert!(ran.err.contains("it never got ready"), "{ran:?}");
}

#[test]
fn good_is_what_is_said_to_be_good_twice() {
    for (status, body) in [(409, COMMITTED), (200, ABANDONED)] {
        let fake = Fake::answering(status, body);
        assert_eq!(run(&["restart", "--socket", &fake.socket()]).code, 1, "{status} {body}");
    }
}

#[test]
fn a_status_is_shown_and_passed_on_whole() {
    let document = status(4242, "/srv/app");
    let fake = Fake::answering(200, &document);
    let ran = run(&["status", "--socket", &fake.socket()]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    for words in [
        "/srv/app  serving  master 4242, selfup 0.1.0",
        "generation 3  serving, process 77, 1.2.3 (abababab), since 1m 1s, 5 connections open",
        "paused: by an operator",
        "1.2.2 (cdcdcdcd) -> 1.2.3 (abababab)",
        "efefefef",
        "it is older",
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let ran =
        Ran::of(selfup(&["--json", "status"]).env("SELFUP_CONTROL", fake.path()).output().unwrap());
    assert_eq!(
        (ran.code, ran.out.trim()),
        (0, document.as_str()),
        "what it does not know included"
    );
}

#[test]
fn what_cannot_be_reached_is_told_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    drop(UnixListener::bind(path("stale")).unwrap());
    std::fs::write(path("file"), "").unwrap();
    for (name, words) in [
        ("missing", "see that the service runs, and that its key `control` says this path"),
        ("stale", "nobody listens there"),
        ("file", "nobody listens there"),
    ] {
        for command in ["status", "restart", "watch", "doctor"] {
            let ran = run(&[command, "--socket", &path(name)]);
            assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{command} {name}: {ran:?}");
            assert!(ran.err.contains(words), "{command} {name}: {}", ran.err);
        }
        let ran = run(&["status", "--json", "--socket", &path(name)]);
        assert!(ran.json()["error"].as_str().unwrap().contains(words), "{ran:?}");
    }
}

#[test]
fn who_may_not_is_told_whom_to_ask_as() {
    let fake = Fake::answering(403, r#"{"error":"only user 0 may"}"#);
    let ran = run(&["restart", "--socket", &fake.socket()]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("only user 0 may; ask as root"), "{ran:?}");
    if is_root() {
        // Its directory is root's alone.
        let copy = Site::new();
        let mut nobody = Command::new("setpriv");
        nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy.path());
        let ran = Ran::of(nobody.args(["status", "--socket", &fake.socket()]).output().unwrap());
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains("ask as root or as the service's own user"), "{ran:?}");
    }
}

#[test]
fn each_refusal_has_its_status() {
    for (status, code, words) in [
        (503, 1, "it is busy"),
        (500, 1, "it is busy"),
        (504, 4, "it is busy (it goes on)"),
        (404, 1, "another version of selfup"),
        (405, 1, "another version of selfup"),
    ] {
        let fake = Fake::answering(status, r#"{"error":"it is busy"}"#);
        // Who is busy is asked again for so long.
        let timeout = if status == 503 { "5s" } else { "100s" };
        for command in ["status", "restart"] {
            let ran = run(&[command, "--timeout", timeout, "--socket", &fake.socket()]);
            assert_eq!(ran.code, code, "{status} {command}: {ran:?}");
            assert!(ran.err.contains(words), "{status} {command}: {ran:?}");
        }
    }
}

#[test]
fn who_is_no_service_is_not_believed() {
    for body in ["hello", "{}", "[]", r#"{"master_pid":-1}"#, "<html>", ""] {
        let fake = Fake::answering(200, body);
        for command in ["status", "restart"] {
            let ran = run(&[command, "--socket", &fake.socket()]);
            assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{command} {body:?}: {ran:?}");
            assert!(ran.err.contains("does not answer as a service does"), "{ran:?}");
        }
    }
}

#[test]
fn an_answer_that_never_comes_is_waited_for_as_long_as_was_said() {
    let held = Mutex::new(Vec::new());
    let fake = Fake::new(move |asked| held.lock().unwrap().push(asked));
    for command in ["status", "restart"] {
        let ran = run(&[command, "--timeout", "200ms", "--socket", &fake.socket()]);
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.err.contains("within 200ms; what was asked for goes on"), "{ran:?}");
    }
}

#[test]
fn a_connection_that_is_lost_leaves_nothing_known() {
    let fake = Fake::new(drop);
    let ran = run(&["restart", "--socket", &fake.socket()]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("lost before the answer"), "{ran:?}");
    assert!(ran.err.contains("`selfup status` shows"), "{ran:?}");
}

#[test]
fn what_only_looks_is_asked_again_where_the_connection_is_lost() {
    let count = Mutex::new(0);
    let fake = Fake::new(move |asked| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count == 3 {
            asked.answer(200, &status(1, "/srv/app"));
        }
    });
    assert_eq!(run(&["status", "--socket", &fake.socket()]).code, 0);
    assert_eq!(fake.asked().len(), 3);
}

#[test]
fn what_was_put_off_is_asked_for_again_and_what_was_decided_is_not() {
    let count = Mutex::new(0);
    let fake = Fake::new(move |asked| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count < 3 {
            asked.answer(503, r#"{"error":"the master is being replaced"}"#);
        } else {
            asked.answer(200, COMMITTED);
        }
    });
    assert_eq!(run(&["restart", "--socket", &fake.socket()]).code, 0);
    assert_eq!(fake.asked().len(), 3);
    let fake = Fake::answering(503, r#"{"outcome":"stopping","is_good":false}"#);
    let ran = run(&["restart", "--socket", &fake.socket()]);
    assert!(ran.code == 1 && ran.err.contains("restart: stopping"), "{ran:?}");
    assert_eq!(fake.asked().len(), 1);
}

const POSTPONED: &str =
    r#"{"outcome":"postponed","is_good":false,"generation":4,"reason":"the next master does it"}"#;

/// A service whose master was replaced when it was asked, and these events of before and after that.
fn replaced(before: &'static str, after: &'static str) -> Fake {
    let count = Mutex::new(0);
    Fake::new(move |asked| {
        if asked.what != "GET /events" {
            return asked.answer(202, POSTPONED);
        }
        assert!(asked.last_event_id.is_some(), "what was told already is asked for, too");
        let mut count = count.lock().unwrap();
        *count += 1;
        let (is_first, mut stream) = (*count == 1, asked.stream());
        drop(count);
        let status = status(1, "/srv/app");
        let events = if is_first { before } else { after };
        let text = format!("id: 1-0\nevent: status\ndata: {status}\n\n{events}");
        stream.write_all(text.as_bytes()).unwrap();
        if !is_first {
            // It stays open for as long as who watches.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    })
}

const EARLIER: &str = "event: committed\ndata: {\"generation\":4}\n\n\
    event: rolled_back\ndata: {\"at\":1}\n\n\
    event: restart_abandoned\ndata: {\"generation\":3,\"reason\":\"it was late\"}\n\n";

#[test]
fn what_is_postponed_is_followed_to_its_end() {
    const DONE: &str = "event: committed\ndata: {\"generation\":5}\n\n";
    const LOST: &str =
        "event: restart_abandoned\ndata: {\"generation\":5,\"reason\":\"it ended\"}\n\n";
    let fake = replaced(EARLIER, DONE);
    let ran = run(&["restart", "--socket", &fake.socket()]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "restart: committed (generation 5)\n"), "{ran:?}");
    assert_eq!(fake.asked(), ["POST /restart", "GET /events", "GET /events"]);
    let ran = run(&["restart", "--json", "--socket", &replaced(EARLIER, DONE).socket()]);
    assert_eq!((ran.code, &ran.json()["outcome"]), (0, &"committed".into()), "{ran:?}");
    let ran = run(&["restart", "--socket", &replaced(EARLIER, LOST).socket()]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.err.contains("abandoned (generation 5): it ended"), "{ran:?}");
    let fake = replaced(EARLIER, "");
    let ran = run(&["restart", "--timeout", "1s", "--socket", &fake.socket()]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.err.contains("goes on"), "{ran:?}");
}

#[test]
fn a_rollback_that_is_postponed_is_told_from_a_restart() {
    // Long after this was written.
    const BACK: &str = "event: committed\ndata: {\"generation\":5}\n\n\
        event: rolled_back\ndata: {\"at\":32503680000}\n\n\
        event: committed\ndata: {\"generation\":6}\n\n";
    const NONE: &str = "event: warning\n\
        data: {\"at\":32503680000,\"kind\":\"rollback\",\"error\":\"there is none\"}\n\n";
    let ran = run(&["rollback", "--socket", &replaced(EARLIER, BACK).socket()]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "rollback: committed (generation 6)\n"),
        "{ran:?}"
    );
    let ran = run(&["rollback", "--socket", &replaced(EARLIER, NONE).socket()]);
    assert!(ran.code == 1 && ran.err.contains("failed: there is none"), "{ran:?}");
}

#[test]
fn an_answer_without_end_is_given_up() {
    for head in ["HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"] {
        let fake = Fake::new(move |mut asked| {
            let _ = asked.stream.write_all(head.as_bytes());
            while asked.stream.write_all(&[b' '; 4096]).is_ok() {}
        });
        let ran = run(&["status", "--timeout", "100s", "--socket", &fake.socket()]);
        assert_eq!(ran.code, 3, "{ran:?}");
    }
}

#[test]
fn what_a_stranger_says_does_not_move_the_cursor() {
    let evil = "a\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}b\nroot# ";
    let document = serde_json::json!({
        "outcome": evil, "is_good": false, "reason": evil, "generation": null,
    });
    let status = serde_json::json!({ "master_pid": 1, "path": evil, "phase": evil });
    for (code, document, command) in [(409, document, "restart"), (200, status, "status")] {
        let fake = Fake::answering(code, &document.to_string());
        for json in [&["--json"][..], &[]] {
            let ran = run(&[&[command, "--socket", &fake.socket()], json].concat());
            let shown = [ran.out.as_str(), &ran.err].concat();
            assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
            assert!(!shown.lines().any(|line| line.starts_with("root#")), "{shown:?}");
        }
    }
}

#[test]
fn wrong_usage_is_told_from_everything_else() {
    for arguments in [
        &["status"][..],
        &["doctor"],
        &["inspect"],
        &["restat"],
        &["status", "--timeout", "0s", "--socket", "x"],
        &["inspect", "/bin/sh", "--key", "no key"],
        &["doctor", "/bin/sh", "--user", "nobody at all"],
        &["doctor", "/bin/sh", "--socket", "x"],
        &[],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{arguments:?}");
    }
    assert!(run(&["restat"]).err.contains("'restart'"), "what may be meant");
}

#[test]
fn the_help_of_every_command_says_what_its_status_means() {
    for command in
        ["status", "restart", "check", "rollback", "pause", "resume", "watch", "inspect", "doctor"]
    {
        let ran = run(&[command, "--help"]);
        assert_eq!(ran.code, 0);
        for words in ["Exit status:", "0  done", "4  not done within the timeout"] {
            assert!(ran.out.contains(words), "{command}: {}", ran.out);
        }
    }
}

#[test]
fn colours_are_for_a_terminal_that_wants_them() {
    let fake = Fake::answering(200, COMMITTED);
    let shown = |name: &str, value: &str| {
        let terminal = Terminal::open();
        let mut command = selfup(&["restart", "--socket", &fake.socket()]);
        command.env("TERM", "xterm").env(name, value).stdout(terminal.line());
        let status = command.stderr(std::process::Stdio::null()).status().unwrap();
        drop(command);
        assert!(status.success());
        terminal.rest()
    };
    assert!(shown("X", "x").contains("\u{1b}["));
    assert!(!shown("NO_COLOR", "1").contains('\u{1b}'));
    assert!(!run(&["restart", "--socket", &fake.socket()]).out.contains('\u{1b}'));
}

#[test]
fn who_waits_at_a_terminal_sees_what_happens() {
    let (seen, is_seen) = channel::<()>();
    let is_seen = Mutex::new(is_seen);
    let fake = Fake::new(move |asked| {
        if asked.what == "GET /events" {
            let mut stream = asked.stream();
            let text = event(1, "child_started", "generation 4 started\u{1b}[2J");
            stream.write_all(text.as_bytes()).unwrap();
            // It stays open for as long as who watches.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        } else {
            is_seen.lock().unwrap().recv().unwrap();
            asked.answer(200, COMMITTED);
        }
    });
    let mut terminal = Terminal::open();
    let mut command = selfup(&["restart", "--socket", &fake.socket()]);
    let child = command.stderr(terminal.line()).stdout(std::process::Stdio::piped()).spawn();
    drop(command);
    let shown = terminal.wait_for("generation 4 started").to_owned();
    assert!(!shown.contains("\u{1b}[2J"), "{shown:?}");
    seen.send(()).unwrap();
    let ran = child.unwrap().wait_with_output().unwrap();
    assert!(ran.status.success());
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "restart: committed (generation 4)\n");
    assert!(terminal.rest().ends_with("\r\u{1b}[2K"), "nothing of it stays");
}
