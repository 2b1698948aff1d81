//! Events, over successions and restarts of the master.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::fake::{Fake, event, status};
use crate::ran::{run, selfup};

/// How a stream begins.
fn first(master: u32) -> String {
    let status = status(master, "/srv/app");
    format!("retry: 1000\nid: 0-0\nevent: status\ndata: {status}\n\n")
}

/// A service whose n-th stream sends `streams[n]`, and is then closed, but for the last, whose
/// master is the n-th of `masters`.
fn service(streams: &[&str], masters: &[u32]) -> (Fake, Arc<Mutex<Vec<Option<String>>>>) {
    let streams: Vec<_> = streams.iter().map(|stream| (*stream).to_owned()).collect();
    let (masters, opened) = (masters.to_vec(), AtomicUsize::new(0));
    let ids = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ids);
    let fake = Fake::new(move |asked| {
        assert_eq!(asked.what, "GET /events");
        let number = opened.fetch_add(1, Ordering::SeqCst);
        seen.lock().unwrap().push(asked.last_event_id.clone());
        let first = first(masters[number]);
        let mut stream = asked.stream();
        let _ = stream.write_all([&first, streams[number].as_str()].concat().as_bytes());
        if number + 1 == streams.len() {
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    (fake, ids)
}

fn watch(fake: &Fake, arguments: &[&str]) -> Child {
    let mut command = selfup(&["watch", "--socket", &fake.socket()]);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its first `count` lines.
fn lines(child: &mut Child, count: usize) -> Vec<String> {
    let out = BufReader::new(child.stdout.take().unwrap());
    out.lines().take(count).map(Result::unwrap).collect()
}

#[test]
fn it_goes_on_over_a_succession_and_over_another_master_and_says_which() {
    let streams = [
        event(1, "committed", "generation 4 is committed"),
        event(2, "master_replaced", "the master runs generation 4"),
        event(3, "bound", "bound"),
    ];
    let (fake, ids) = service(&streams.each_ref().map(String::as_str), &[10, 10, 11]);
    let mut child = watch(&fake, &[]);
    let out = lines(&mut child, 3);
    assert_eq!(out[0], "committed           generation 4 is committed");
    assert!(out[1].starts_with("master_replaced ") && out[2].starts_with("bound "), "{out:?}");
    // Nobody reads on, and it notices without another event.
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let err = String::from_utf8(ended.stderr).unwrap();
    for words in [
        "watching /srv/app, master 10",
        "the connection has ended",
        "master 10 goes on, perhaps as other code (a succession)",
        "master 10 is gone, and master 11 was started",
    ] {
        assert!(err.contains(words), "{words}: {err}");
    }
    let ids = ids.lock().unwrap().clone();
    assert_eq!(ids, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[test]
fn a_line_of_json_is_an_event() {
    let text = event(1, "warning", "a\u{1b}[2J\nb\u{202e}") + "event: x\ndata: no\ndata: json\n\n";
    let (fake, _) = service(&[&text], &[10]);
    let mut child = watch(&fake, &["--json"]);
    let out = lines(&mut child, 3);
    let status: serde_json::Value = serde_json::from_str(&out[0]).unwrap();
    assert_eq!((&status["event"], &status["master_pid"]), (&"status".into(), &10.into()));
    let first: serde_json::Value = serde_json::from_str(&out[1]).unwrap();
    assert_eq!(first["message"], "a\u{1b}[2J\nb\u{202e}", "{out:?}");
    assert!(!out.concat().contains(['\u{1b}', '\u{202e}']), "{out:?}");
    let second: serde_json::Value = serde_json::from_str(&out[2]).unwrap();
    assert_eq!((&second["event"], &second["message"]), (&"x".into(), &"no\njson".into()));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_service_that_does_not_come_back_ends_it() {
    let fake = Fake::new(move |asked| {
        let _ = asked.stream().write_all(first(10).as_bytes());
    });
    let mut child = watch(&fake, &["--timeout", "300ms"]);
    let mut err = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until = |words: &str| {
        while !err.next().unwrap_or_else(|| panic!("{words}")).unwrap().contains(words) {}
    };
    until("watching /srv/app");
    drop(fake);
    until("cannot be reached");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn a_stream_without_end_takes_no_memory_without_end() {
    let endless = "data: ".to_owned() + &"x".repeat(300 << 10);
    let (fake, _) = service(&[&endless, &event(1, "bound", "bound")], &[10, 10]);
    let mut child = watch(&fake, &[]);
    assert!(lines(&mut child, 1)[0].starts_with("bound "));
    let err = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(err.contains("an event without end"), "{err}");
}

#[test]
fn a_master_that_has_no_time_yet_is_asked_again() {
    let asked_for = AtomicUsize::new(0);
    let fake = Fake::new(move |asked| match asked_for.fetch_add(1, Ordering::SeqCst) {
        0 => drop(asked.stream().write_all(first(10).as_bytes())),
        1 | 2 => asked.answer(503, r#"{"error":"stopping"}"#),
        _ => {
            let mut stream = asked.stream();
            let text = first(10) + &event(1, "bound", "bound");
            let _ = stream.write_all(text.as_bytes());
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let mut child = watch(&fake, &[]);
    assert!(lines(&mut child, 1).concat().starts_with("bound "));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_master_that_never_has_time_is_given_up() {
    let asked_for = AtomicUsize::new(0);
    let fake = Fake::new(move |asked| match asked_for.fetch_add(1, Ordering::SeqCst) {
        0 => drop(asked.stream().write_all(first(10).as_bytes())),
        _ => asked.answer(503, r#"{"error":"stopping"}"#),
    });
    let ran = run(&["watch", "--timeout", "300ms", "--socket", &fake.socket()]);
    assert!(ran.code == 1 && ran.err.contains("stopping"), "{ran:?}");
}

#[test]
fn a_refusal_is_no_reason_to_try_again() {
    let fake = Fake::answering(403, r#"{"error":"you may not"}"#);
    let ran = run(&["watch", "--socket", &fake.socket()]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert_eq!(fake.asked(), ["GET /events"]);
}

#[test]
fn who_is_no_service_is_not_watched() {
    for text in ["", "data: hello\n\n", "event: status\ndata: {}\n\n"] {
        let fake = Fake::new(move |asked| {
            let _ = asked.stream().write_all(text.as_bytes());
        });
        let ran = run(&["watch", "--socket", &fake.socket()]);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{ran:?}");
    }
}
