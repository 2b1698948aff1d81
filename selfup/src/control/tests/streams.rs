//! Clients that follow the events.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::limits::{Limits, MOST_STREAMS};
use super::{PATIENCE, Served, commit, ended, status};
use crate::Generation;
use crate::event::Event;

/// A client of `/events`.
struct Follower(BufReader<UnixStream>);

/// One event as it comes.
#[derive(Debug)]
struct Came {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Follower {
    fn of(served: &Served, headers: &str) -> Self {
        let request = format!("GET /events HTTP/1.1\r\nHost: selfup\r\n{headers}\r\n");
        let mut reader = BufReader::new(served.send(request));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        Self(reader)
    }

    /// The next line of the stream; none at its end.
    fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            match line.strip_suffix('\n') {
                None => return None,
                // A size of a chunk, or the end of one: the lines of events have no \r.
                Some(line) if line.ends_with('\r') => {
                    if line == "0\r" {
                        return None;
                    }
                }
                Some(line) => return Some(line.to_owned()),
            }
        }
    }

    fn next(&mut self) -> Came {
        let (mut name, mut id, mut data) = (None, None, None);
        loop {
            let line = self.line().expect("it goes on");
            match line.split_once(": ") {
                Some(("event", text)) => name = Some(text.to_owned()),
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                Some(("retry", text)) => assert_eq!(text, "1000"),
                _ if line.is_empty() => {
                    let (Some(name), Some(data)) = (name, data) else { panic!("{line}") };
                    return Came { name, id, data };
                }
                _ => panic!("{line}"),
            }
        }
    }
}

fn resumed(generation: u64) -> Event {
    Event::Resumed { generation: Generation::new(generation) }
}

#[test]
fn a_follower_is_told_the_state_and_then_each_event() {
    let served = Served::by(commit);
    served.observer.tell(&resumed(1));
    let mut follower = Follower::of(&served, "");
    let first = follower.next();
    assert_eq!(first.name, "status");
    assert_eq!(first.data, serde_json::to_value(status()).unwrap());
    served.observer.tell(&resumed(2));
    let came = follower.next();
    assert_eq!(came.name, "resumed");
    assert_ne!(came.id, first.id);
    let at = came.data["at"].as_f64().unwrap();
    assert!(at > 1e9, "{at}");
    let message = "generation 2 resumes";
    let expected = serde_json::json!({
        "event": "resumed", "at": at, "message": message, "generation": 2
    });
    assert_eq!(came.data, expected);
}

#[test]
fn a_follower_that_comes_back_is_told_what_it_has_missed() {
    let served = Served::by(commit);
    let mut follower = Follower::of(&served, "");
    let first = follower.next().id.unwrap();
    drop(follower);
    served.observer.tell(&resumed(1));
    served.observer.tell(&resumed(2));
    let mut follower = Follower::of(&served, &format!("Last-Event-ID: {first}\r\n"));
    assert_eq!(follower.next().id.unwrap(), first);
    assert_eq!(follower.next().data["generation"], 1);
    let second = follower.next();
    assert_eq!(second.data["generation"], 2);
    let back = format!("Last-Event-ID: {}\r\n", second.id.unwrap());
    let mut follower = Follower::of(&served, &back);
    assert_eq!(follower.next().name, "status");
    served.observer.tell(&resumed(3));
    assert_eq!(follower.next().data["generation"], 3);
    // As after a succession: what this master has told.
    let mut follower = Follower::of(&served, "Last-Event-ID: 12345-67\r\n");
    assert_eq!(follower.next().name, "status");
    assert_eq!(follower.next().data["generation"], 1);
}

#[test]
fn a_slow_follower_is_told_how_many_it_has_missed() {
    let served = Served::by(commit);
    let mut follower = Follower::of(&served, "");
    follower.next();
    // More than the socket and the ring hold.
    let most = 20_000;
    for generation in 1..=most {
        served.observer.tell(&resumed(generation));
    }
    let (mut heard, mut missed) = (0, 0);
    loop {
        let came = follower.next();
        if came.name == "missed" {
            missed += came.data["missed"].as_u64().unwrap();
            assert!(came.data["message"].as_str().unwrap().contains("were missed"));
            continue;
        }
        heard += 1;
        assert_eq!(came.data["generation"], heard + missed, "none is left out in silence");
        if heard + missed == most {
            break;
        }
    }
    assert!(missed > 0);
}

#[test]
fn who_follows_is_told_that_the_server_lives() {
    let limits = Limits { keep_alive: Duration::from_millis(20), ..Limits::USUAL };
    let served = Served::with(limits, commit);
    let mut follower = Follower::of(&served, "");
    follower.next();
    for _ in 0..3 {
        assert_eq!(follower.line().as_deref(), Some(":"));
        assert_eq!(follower.line().as_deref(), Some(""));
    }
    served.observer.tell(&resumed(1));
    while let Some(line) = follower.line() {
        if line == "event: resumed" {
            break;
        }
    }
}

#[test]
fn a_follower_too_many_is_refused_until_another_goes() {
    let served = Served::by(commit);
    let mut followers: Vec<_> = (0..MOST_STREAMS).map(|_| Follower::of(&served, "")).collect();
    assert!(is_full(&served));
    let refused = served.ask("GET /events");
    assert_eq!(refused.status, 503);
    assert!(refused.error().contains("8 clients"), "{}", refused.body);
    assert_eq!(served.ask("GET /status").status, 200, "others are answered");
    drop(followers.pop());
    // That it has gone is heard soon.
    let begin = Instant::now();
    while is_full(&served) {
        assert!(begin.elapsed() < PATIENCE);
    }
}

#[test]
fn a_follower_that_reads_nothing_is_cut() {
    let limits = Limits { stall: Duration::from_millis(300), ..Limits::USUAL };
    let served = Served::with(limits, commit);
    let stalls: Vec<_> = (0..MOST_STREAMS).map(|_| Follower::of(&served, "")).collect();
    // Each takes a place until it is cut; and whoever reads is not.
    let mut generation = 0;
    let begin = Instant::now();
    while is_full(&served) {
        assert!(begin.elapsed() < PATIENCE);
        for _ in 0..1000 {
            generation += 1;
            served.observer.tell(&resumed(generation));
        }
    }
    drop(stalls);
}

/// Whether there is no place for another follower.
fn is_full(served: &Served) -> bool {
    let mut client = served.send("GET /events HTTP/1.1\r\nHost: selfup\r\n\r\n");
    let mut start = [0; 12];
    client.read_exact(&mut start).unwrap();
    match &start {
        b"HTTP/1.1 200" => false,
        b"HTTP/1.1 503" => true,
        _ => panic!("{start:?}"),
    }
}

#[test]
fn a_stop_says_goodbye_to_who_follows() {
    let mut served = Served::by(commit);
    let mut follower = Follower::of(&served, "");
    follower.next();
    let thread = served.server.take().unwrap();
    thread.stop();
    let goodbye = follower.line().unwrap();
    assert!(goodbye.starts_with(": ") && goodbye.contains("connect again"), "{goodbye}");
    assert_eq!(follower.line().as_deref(), Some(""));
    assert_eq!(follower.line(), None);
    ended(thread);
}
