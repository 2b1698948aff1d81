//! What clients may have, and no more.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::Ask;
use super::super::limits::{Limits, MOST_OPEN, MOST_REQUESTS, MOST_WAITING};
use super::{PATIENCE, Served, answered, commit, ended};

const RESTART: &str = "POST /restart HTTP/1.1\r\nHost: selfup\r\n\r\n";

const STATUS: &str = "GET /status HTTP/1.1\r\nHost: selfup\r\n\r\n";

#[test]
fn a_request_too_many_is_told_to_come_back_and_comes_back() {
    let (keep, kept) = channel();
    let served = Served::by(move |asked| keep.send(asked).unwrap());
    let clients: Vec<_> = (0..MOST_REQUESTS).map(|_| served.send(STATUS)).collect();
    let mut asked: Vec<_> = clients.iter().map(|_| kept.recv_timeout(PATIENCE).unwrap()).collect();
    let refused = served.ask("GET /status");
    assert_eq!(refused.status, 503);
    assert!(refused.error().contains("16 requests are answered already"), "{}", refused.body);
    asked.drain(..).for_each(commit);
    for client in clients {
        assert_eq!(answered(client).status, 200);
    }
    let client = served.send(RESTART);
    commit(kept.recv_timeout(PATIENCE).unwrap());
    assert_eq!(answered(client).status, 200);
}

#[test]
fn requests_that_wait_keep_nobody_from_looking_nor_from_a_rollback() {
    let (keep, kept) = channel();
    let served = Served::by(move |asked| match asked.what {
        Ask::Restart => keep.send(asked).unwrap(),
        _ => commit(asked),
    });
    let clients: Vec<_> = (0..MOST_WAITING).map(|_| served.send(RESTART)).collect();
    let asked: Vec<_> = clients.iter().map(|_| kept.recv_timeout(PATIENCE).unwrap()).collect();
    for request in ["GET /status", "GET /metrics", "POST /rollback", "POST /pause-upgrades"] {
        assert_eq!(served.ask(request).status, 200, "{request}");
    }
    let refused = served.ask("POST /restart");
    assert_eq!(refused.status, 503);
    assert!(refused.error().contains("48 requests wait already"), "{}", refused.body);
    assert!(refused.head.contains("retry-after: 1\r\n"), "{}", refused.head);
    asked.into_iter().for_each(commit);
    for client in clients {
        assert_eq!(answered(client).status, 200);
    }
}

#[test]
fn silent_clients_are_cut_and_keep_nobody_waiting_for_long() {
    let limits = Limits { head: Duration::from_millis(500), ..Limits::USUAL };
    let served = Served::with(limits, commit);
    let silent: Vec<_> = (0..2 * MOST_OPEN).map(|_| served.connect()).collect();
    let mut slow = served.send("GET /status HTTP/1.1\r\nHo");
    assert_eq!(served.ask("GET /status").status, 200);
    for mut client in silent {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    // Half a head is none, however long its client goes on with it.
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
}

#[test]
fn a_connection_too_many_waits_for_the_end_of_another() {
    let served = Served::with(Limits { head: PATIENCE, ..Limits::USUAL }, commit);
    let mut silent: Vec<_> = (0..MOST_OPEN).map(|_| served.connect()).collect();
    let mut next = served.send("GET /status HTTP/1.1\r\nHost: selfup\r\n\r\n");
    next.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let early = next.read(&mut [0]).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    next.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(silent.pop());
    assert_eq!(answered(next).status, 200);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let served = Served::by(commit);
    let long = "x".repeat(9000);
    for (head, expected) in [
        (format!("GET /status HTTP/1.1\r\nHost: selfup\r\nX: {long}\r\n\r\n"), [431, 431]),
        (format!("GET /status?{long} HTTP/1.1\r\nHost: selfup\r\n\r\n"), [431, 414]),
        (format!("GET /status HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)), [431, 431]),
    ] {
        let status = answered(served.send(head)).status;
        assert!(expected.contains(&status), "{status}");
    }
    let most = "x".repeat(8000);
    let head = format!("GET /status HTTP/1.1\r\nHost: selfup\r\nX: {most}\r\n\r\n");
    assert_eq!(answered(served.send(head)).status, 200);
}

#[test]
fn a_body_is_refused_that_says_more_than_next_to_nothing() {
    let limits = Limits { body: Duration::from_millis(500), ..Limits::USUAL };
    let served = Served::with(limits, commit);
    let with = |headers: &str, body: &str| {
        let head = format!("POST /restart HTTP/1.1\r\nHost: selfup\r\n{headers}\r\n\r\n");
        answered(served.send(head + body)).status
    };
    assert_eq!(with("Content-Length: 1024", &"x".repeat(1024)), 200);
    assert_eq!(with("Content-Length: 1025", ""), 413);
    assert_eq!(with("Content-Length: 9999999999999", ""), 413);
    assert_eq!(with("Content-Length: 3", "x"), 408);
    let chunk = |length: usize| format!("{length:x}\r\n{}\r\n", "x".repeat(length));
    assert_eq!(with("Transfer-Encoding: chunked", &(chunk(1024) + "0\r\n\r\n")), 200);
    assert_eq!(with("Transfer-Encoding: chunked", &chunk(600).repeat(2)), 413);
    assert_eq!(with("Transfer-Encoding: chunked", &chunk(600)), 408);
}

#[test]
fn a_connection_is_one_request() {
    let served = Served::by(commit);
    let answered = answered(served.send(RESTART.repeat(3)));
    assert_eq!(answered.status, 200);
    assert!(!answered.body.contains("HTTP/1.1"), "{}", answered.body);
}

#[test]
fn a_client_that_has_gone_makes_room_for_another() {
    let (keep, kept) = channel();
    let served = Served::by(move |asked| keep.send(asked).unwrap());
    for _ in 0..=MOST_WAITING + MOST_REQUESTS {
        let client = served.send(RESTART);
        let mut asked = kept.recv_timeout(PATIENCE).unwrap();
        drop(client);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(asked.answer.closed());
    }
}

#[test]
fn a_loop_without_room_is_busy() {
    let limits = Limits { busy: Duration::from_millis(100), ..Limits::USUAL };
    let (ask, mut asked) = mpsc::channel(1);
    let served = Served::asking(limits, ask);
    let first = served.send(RESTART);
    // Once it was told, it is on its way to the loop.
    served.told.recv_timeout(PATIENCE).unwrap();
    let second = loop {
        let answered = served.ask("POST /restart?timeout=1s");
        if answered.status == 503 {
            break answered;
        }
        assert_eq!(answered.status, 504, "it was faster than the first");
    };
    assert!(second.error().contains("was not asked"), "{}", second.body);
    commit(asked.blocking_recv().unwrap());
    drop(first);
}

#[test]
fn whatever_bytes_come_the_next_client_is_answered() {
    let served = Served::by(commit);
    let whole =
        "POST /restart?timeout=1s HTTP/1.1\r\nHost: selfup\r\nTransfer-Encoding: chunked\r\n\r\n";
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = whole.as_bytes().to_vec();
        if seed % 2 == 0 {
            // A request with some faults, and then more of the like.
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
        } else {
            bytes.clear();
        }
        let more = random.usize(..4096);
        bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(more));
        let mut client = served.connect();
        // Who is answered before the end may find the other side closed.
        let _ = client.write_all(&bytes);
        let _ = client.shutdown(std::net::Shutdown::Write);
        let _ = client.read_to_end(&mut Vec::new());
    }
    assert_eq!(served.ask("GET /status").status, 200);
}

#[test]
fn a_stop_answers_what_is_known_and_keeps_who_comes_for_the_next_server() {
    let (keep, kept) = channel();
    let mut served = Served::by(move |asked| keep.send(asked).unwrap());
    let waits = served.send(RESTART);
    let asked = kept.recv_timeout(PATIENCE).unwrap();
    let thread = served.server.take().unwrap();
    assert!(!thread.is_over());
    thread.stop();
    let told = answered(waits);
    assert_eq!(told.status, 503);
    assert!(told.error().contains("was not taken up"), "{}", told.body);
    assert!(asked.answer.is_closed());
    ended(thread);
    let early = served.send("GET /status HTTP/1.1\r\nHost: selfup\r\n\r\n");
    let (ask, mut asked) = mpsc::channel(1);
    served.start(Limits::USUAL, ask);
    commit(asked.blocking_recv().unwrap());
    assert_eq!(answered(early).status, 200);
}

#[test]
fn a_stop_is_held_up_by_nobody() {
    let limits = Limits { grace: Duration::from_millis(100), ..Limits::USUAL };
    let mut served = Served::with(limits, drop);
    let silent: Vec<UnixStream> = (0..3).map(|_| served.connect()).collect();
    served.send("GET /status HTTP/1.1\r\n");
    served.ask("GET /status");
    let thread = served.server.take().unwrap();
    thread.stop();
    ended(thread);
    for mut client in silent {
        let read = client.read(&mut [0]);
        let is_cut =
            matches!(&read, Ok(0)) || read.is_err_and(|it| it.kind() == ErrorKind::ConnectionReset);
        assert!(is_cut);
    }
}
