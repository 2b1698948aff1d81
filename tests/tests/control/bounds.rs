use std::time::{Duration, Instant};

use nix::unistd::Pid;
use selfup_tests::{Service, descriptors_of, eventually};

use super::service;

#[test]
fn a_hundred_clients_at_once_are_each_told_something() {
    let (mut service, operator) = service(&[("PROBATION", "1s")]);
    let lines = ["GET /status", "POST /restart", "GET /metrics", "POST /check", "GET /nowhere"];
    let asked: Vec<_> = (0..100).map(|count| operator.begin(lines[count % 5])).collect();
    let codes: Vec<_> = asked.into_iter().map(|asked| asked.answer().code).collect();
    assert!(codes.contains(&200), "{codes:?}");
    // Who comes when too many are there is told so.
    assert!(codes.iter().all(|code| [200, 404, 409, 503].contains(code)), "{codes:?}");
    assert_eq!(operator.status()["phase"].as_str().map(str::is_empty), Some(false));
    assert!(service.stop().success());
}

#[test]
fn a_thousand_requests_leave_nothing_open() {
    let (mut service, operator) = service(&[]);
    let _ = operator.status();
    let before = descriptors_of(service.pid());
    for count in 0..1000 {
        match count % 4 {
            0 => drop(operator.begin("GET /status")),
            1 => assert_eq!(operator.ask("GET /nowhere").code, 404),
            2 => operator.post("/check").assert_bad("disabled", ""),
            _ => assert_eq!(operator.status()["master_pid"], service.pid().as_raw()),
        }
    }
    eventually("nothing is left open", || (descriptors_of(service.pid()) <= before).then_some(()));
    assert!(service.stop().success());
}

/// How often the threads of a process have gone to sleep.
fn sleeps(pid: Pid) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    // One of them may have ended since.
    let texts = threads.filter_map(|it| std::fs::read_to_string(it.path().join("status")).ok());
    let counts = texts.map(|status| {
        let mut fields = status.lines().filter_map(|line| line.split_once(":\t"));
        let (_, count) = fields.find(|(name, _)| *name == "voluntary_ctxt_switches").unwrap();
        count.trim().parse::<u64>().unwrap()
    });
    counts.sum()
}

fn is_asleep(service: &Service) -> bool {
    // What follows a start or an answer may take a moment; then there are three seconds of peace.
    let pid = service.pid();
    let mut last = sleeps(pid);
    let mut since = Instant::now();
    let until = Instant::now() + selfup_tests::PATIENCE;
    while Instant::now() < until {
        std::thread::park_timeout(Duration::from_millis(100));
        let now = sleeps(pid);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if since.elapsed() >= Duration::from_secs(3) {
            return true;
        }
    }
    false
}

#[test]
fn a_service_that_nobody_asks_anything_is_not_woken() {
    let (mut service, operator) = service(&[]);
    assert!(is_asleep(&service), "before it is asked");
    let _ = operator.status();
    let _ = operator.post("/restart");
    assert!(is_asleep(&service), "afterwards");
    assert!(service.stop().success());
}
