//! A drain of very many connections.
//!
//! `cargo test -p selfup-tests --test serve many -- --nocapture` prints how long each part of it took.
//! There are ten thousand of those that end, where so many files may be open, and a thousand of those
//! that are cut; `SELFUP_CONNECTIONS` says otherwise.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use selfup_tests::ServiceBuilder;

use super::client::Kept;
use super::either::upgraded;
use super::tested::Tested;
use super::{FOR_EVER, service};

/// Connections of every kind: of a fourth each nothing was heard, is kept alive, has sent half of a
/// request, was upgraded.
struct Many {
    silent: Vec<Kept>,
    idle: Vec<Kept>,
    busy: Vec<Kept>,
    upgraded: Vec<Kept>,
}

/// What a busy one sends in two halves.
const BODY: &[u8] = &[b'x'; 1000];

/// How many there are to be: `most`, or a thousand if the hard limit of open files does not let them.
/// The limit is raised for them, and for the service, which inherits it.
fn count(most: usize) -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let set = std::env::var("SELFUP_CONNECTIONS").ok().map(|count| count.parse().unwrap());
    let fits = |count: usize| hard > count as u64 + 500;
    let count = set.unwrap_or(if fits(most) { most } else { 1000 });
    assert!(fits(count), "at most {hard} files may be open; raise the hard limit");
    eprintln!("many: {count} connections, for at most {hard} files may be open");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    count
}

impl Many {
    fn open(service: &Tested, count: usize) -> Self {
        let each = |make: &dyn Fn() -> Kept| (0..count / 4).map(|_| make()).collect();
        let many = Self {
            silent: each(&|| service.open()),
            idle: each(&|| {
                let mut kept = service.open();
                assert!(!kept.get("/").is_last);
                kept
            }),
            busy: each(&|| {
                let mut kept = service.open();
                kept.post(BODY.len()).unwrap();
                kept.say(&BODY[..1]).unwrap();
                kept
            }),
            upgraded: each(&|| upgraded(service)),
        };
        service.have_all_accepted();
        many
    }
}

fn start(builder: ServiceBuilder) -> Tested {
    Tested::in_the_clear(builder)
}

fn took(what: &str, since: Instant) -> Duration {
    let took = since.elapsed();
    eprintln!("many: {what}: {} ms", took.as_millis());
    took
}

#[test]
fn a_drain_of_many_ends_in_order_and_before_its_time_is_over() {
    let count = count(10_000);
    let timeout = Duration::from_secs(60);
    let mut service = start(service().set("LINGER", "1s").set("TERMINATE_TIMEOUT", "60s"));
    let opening = Instant::now();
    let Many { silent, idle, busy, upgraded } = Many::open(&service, count);
    took(&format!("{count} connections opened"), opening);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event draining: generation 1 ");
    let since = Instant::now();
    for mut client in upgraded {
        assert_eq!(client.read(4).unwrap(), "over");
        client.closed();
    }
    took("upgraded ones ended by the program", since);
    for mut client in silent.into_iter().chain(idle) {
        client.closed();
    }
    took("idle ones closed", since);
    assert_eq!(service.lines("served 1: "), [""; 0], "the busy ones are still there");
    for mut client in busy {
        client.say(&BODY[1..]).unwrap();
        let answer = client.answer().unwrap();
        assert!(answer.body == format!("{} 1\n", BODY.len()) && answer.is_last, "{answer:?}");
        client.closed();
    }
    took("busy ones answered", since);
    let all = count / 4 * 4 + 1;
    service.wait_for(&format!("event drained: generation 1 has drained: {all} connections, 0 cut"));
    service.wait_for("event child_exited: generation 1 ended: exit status 0");
    assert!(took("ended", since) < timeout);
    assert_eq!(service.lines("event drain_timed_out"), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn many_that_do_not_end_are_cut_in_time_and_counted() {
    let count = count(1000);
    let builder = service().set("LINGER", FOR_EVER).set("STUBBORN", "1");
    let mut service = start(builder.set("TERMINATE_TIMEOUT", "10s"));
    let opening = Instant::now();
    let many = Many::open(&service, count);
    took(&format!("{count} connections opened"), opening);
    service.signal(Signal::SIGUSR2);
    service.wait_for("event draining: generation 1 ");
    let since = Instant::now();
    let (all, cut) = (count / 4 * 4 + 1, count / 4 * 4);
    let expected = format!("event drained: generation 1 has drained: {all} connections, {cut} cut");
    service.wait_for(&expected);
    took("cut", since);
    // On a machine that is busy enough its last second may be too short for it.
    let end = service.wait_for("event child_exited: generation 1 ended: ");
    took(&end, since);
    drop(many);
    assert!(service.stop().success());
}
