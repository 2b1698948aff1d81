//! What only shows after many times: restarts under load, storms of triggers, and candidates that
//! are killed at any moment.
//!
//! `RESTARTS` and `KILLS` say how many times; `SEED` repeats the moments of the kills. Each test
//! prints its figures.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]
#![allow(clippy::print_stdout, reason = "the figures are there to be read")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Load, Lost, Service, Watched, Witness, clients_of, eventually};

#[test]
fn restarts_under_load_lose_nothing_and_leave_nothing_in_the_master() {
    let count = number("RESTARTS").unwrap_or(200);
    let mut service = Service::with(&[]);
    let load = Load::start(service.address(), "/who", 4);
    // What a master allocates once, it has by then.
    (2..2 + WARM_UP).for_each(|next| service.restart(next));
    let before = Figures::at_rest(&service);
    let (began, answered) = (Instant::now(), load.answered());
    (2 + WARM_UP..2 + WARM_UP + count).for_each(|next| service.restart(next));
    let (took, answered) = (began.elapsed(), load.answered() - answered);
    let after = Figures::as_before(&service, &before.counts);
    let lost = load.stop();
    println!("{count} restarts in {took:.1?}: {answered} answered, {} lost", lost.len());
    println!("before: {before}\nafter:  {after}");
    assert_eq!(lost, [""; 0]);
    let growth = after.anonymous.saturating_sub(before.anonymous);
    assert!(growth <= MOST_GROWTH, "{growth} KiB more after {count} restarts");
    assert!(service.stop().success());
}

#[test]
fn storms_of_triggers_end_serving_and_the_next_single_one_works() {
    let mut service = Service::with(&[]);
    let load = Load::start(service.address(), "/who", 4);
    for storm in 1..=3 {
        for _ in 0..200 {
            service.signal(Signal::SIGUSR2);
            // The pause is the storm's own.
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let committed = quiet(&service);
        service.restart(committed + 1);
        println!("storm {storm}: generation {committed} served, and the next one followed");
    }
    load.wait_for(100);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}

#[test]
fn a_candidate_that_is_killed_at_any_moment_loses_only_what_it_had_accepted_itself() {
    let (count, seed) = (number("KILLS").unwrap_or(200), number("SEED").unwrap_or_else(now));
    println!("SEED={seed}");
    let accepts = tempfile::tempdir().unwrap();
    let log = accepts.path().to_str().unwrap();
    let mut service = Service::with(&[("PROBATION", "1h"), ("ACCEPTS", log)]);
    let before = Figures::at_rest(&service).counts;
    let mut random = Random(seed | 1);
    let mut longest = time_to_pause(&service) * 2;
    let witness = Witness::start(service.address(), &["/who", "/who", "/who?2", "/who?5"]);
    let mut kills = Vec::new();
    for round in 0..usize::try_from(count).unwrap() {
        witness.begin(round);
        let after = longest.mul_f64(random.fraction());
        let kill = kill_candidate(&service, round as u64 + 3, after, log);
        // However busy the machine is, about as many are killed late as early.
        longest = longest.mul_f64(if kill.was_admitted { 0.95 } else { 1.05 });
        kills.push(kill);
    }
    witness.begin(kills.len());
    let answered = witness.answered();
    eventually("it is answered", || (witness.answered() > answered + 100).then_some(()));
    let answered = witness.answered();
    let lost = witness.stop();
    tell(&kills, &lost, answered);
    // It may have waited through rounds that did not come to accept it.
    let is_known = |lost: &&Lost| kills.iter().skip(lost.round).any(|kill| kill.holds(lost.port));
    let unknown: Vec<_> = lost.iter().filter(|lost| !is_known(lost)).collect();
    assert!(unknown.is_empty(), "no candidate had accepted these: {unknown:?}");
    let _ = Figures::as_before(&service, &before);
    assert!(service.get("/who").contains(" 1\n"), "the first generation serves on");
    assert!(service.stop().success());
}

/// What a candidate had when it was killed.
struct Kill {
    was_admitted: bool,
    /// Whom it says that it accepted.
    logged: BTreeSet<u16>,
    /// Whose connections the kernel says that it held.
    held: BTreeSet<u16>,
}

impl Kill {
    /// Between a call that accepts and the one that says so, only the kernel knows.
    fn holds(&self, port: u16) -> bool {
        self.logged.contains(&port) || self.held.contains(&port)
    }
}

fn kill_candidate(service: &Service, generation: u64, after: Duration, log: &str) -> Kill {
    service.signal(Signal::SIGUSR2);
    let line = service.wait_for(&format!("event child_started: generation {generation} "));
    // A moment that nothing announces is the very point.
    let moment = Instant::now() + after;
    while let Some(left) = moment.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
    let pid = Pid::from_raw(line.rsplit(' ').next().unwrap().parse().unwrap());
    // Stopped where it is, it can be looked at before it is killed there.
    kill(pid, Signal::SIGSTOP).unwrap();
    Watched::new(pid).wait_until_stopped();
    let held = clients_of(pid, service.address().port());
    kill(pid, Signal::SIGKILL).unwrap();
    service
        .wait_for(&format!("event restart_abandoned: restart abandoned, generation {generation} "));
    let ready = service.lines(&format!("event child_ready: generation {generation} "));
    let logged = std::fs::read_to_string(format!("{log}/{generation}")).unwrap_or_default();
    let ports = logged.lines().filter_map(|line| line.rsplit_once(':')?.1.parse().ok());
    Kill { was_admitted: !ready.is_empty(), logged: ports.collect(), held }
}

fn tell(kills: &[Kill], lost: &[Lost], answered: usize) {
    let admitted = kills.iter().filter(|kill| kill.was_admitted).count();
    let accepted: usize = kills.iter().map(|kill| kill.logged.len()).sum();
    let held: usize = kills.iter().map(|kill| kill.held.len()).sum();
    println!(
        "{} candidates killed, {admitted} of them after they were admitted: those had accepted \
         {accepted} connections and held {held}; {} requests lost, {answered} answered",
        kills.len(),
        lost.len(),
    );
    let logged = |lost: &&Lost| kills.iter().any(|kill| kill.logged.contains(&lost.port));
    let logged = lost.iter().filter(logged).count();
    println!("{logged} of the lost ones are in the candidates' logs of accepts");
    let mut early = kills.iter().filter(|kill| !kill.was_admitted);
    assert!(early.all(|kill| kill.logged.is_empty() && kill.held.is_empty()));
    assert!(admitted > 0 || kills.len() < 20, "none was killed late");
    assert!(admitted < kills.len(), "none was killed early");
}

/// How long a candidate takes from its start to the pause of who served; it is killed then.
fn time_to_pause(service: &Service) -> Duration {
    service.signal(Signal::SIGUSR2);
    let line = service.wait_for("event child_started: generation 2 ");
    let began = Instant::now();
    service.wait_for("event paused: generation 1 ");
    let took = began.elapsed();
    let pid = line.rsplit(' ').next().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    service.wait_for("event restart_abandoned: ");
    took
}

/// Waits until no restart is under way or waits, and gives the generation that serves.
fn quiet(service: &Service) -> u64 {
    let master = Watched::new(service.pid());
    eventually("nothing is under way", || {
        // Whoever waits is started by the same step that commits who was on its way.
        let (read, started) = (!master.has_pending(), service.lines("event child_started: ").len());
        let committed = service.lines("event committed: ").len() + 1;
        (read && started == committed && master.children().len() == 1).then_some(committed as u64)
    })
}

/// What a master holds.
struct Figures {
    counts: Counts,
    /// In KiB: its own memory, and its part of all that it uses.
    anonymous: u64,
    proportional: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    descriptors: usize,
    threads: usize,
    children: usize,
}

impl Figures {
    /// Once one child is left, and the master has told of the end of every other: it tells of it
    /// when it holds nothing of it any more.
    fn at_rest(service: &Service) -> Self {
        let mut last = None;
        let counts = eventually("one child is left, and nothing comes or goes", || {
            let counts = Counts::with_one_child(service);
            // A thread that was started for a moment is gone by the next look.
            let before = std::mem::replace(&mut last, counts);
            before.filter(|before| last.as_ref() == Some(before))
        });
        Self::with(counts, service)
    }

    /// Once it holds no more and no less than this.
    fn as_before(service: &Service, before: &Counts) -> Self {
        let counts = eventually(&format!("it has {before:?} again"), || {
            Counts::with_one_child(service).filter(|counts| counts == before)
        });
        Self::with(counts, service)
    }

    fn with(counts: Counts, service: &Service) -> Self {
        let (anonymous, proportional) = (service.memory("RssAnon"), proportional(service.pid()));
        Self { counts, anonymous, proportional }
    }
}

impl Counts {
    /// None while there is not one child, or the master has not told of the end of all others.
    fn with_one_child(service: &Service) -> Option<Self> {
        let master = Watched::new(service.pid());
        let started = service.lines("event child_started: ").len();
        let ended = service.lines("event child_exited: ").len();
        let (descriptors, threads) = (master.descriptors(), master.threads());
        let counts = Self { descriptors, threads, children: master.children().len() };
        (started == ended + 1 && counts.children == 1).then_some(counts)
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { counts, anonymous, proportional } = self;
        write!(f, "{counts:?}, RssAnon {anonymous} KiB, Pss {proportional} KiB")
    }
}

fn proportional(pid: Pid) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// xorshift: any numbers will do, as long as they can be had again.
struct Random(u64);

impl Random {
    fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos())
}

fn number(name: &str) -> Option<u64> {
    let number = std::env::var(name).ok()?;
    Some(number.parse().unwrap_or_else(|_| panic!("{name}={number} is no number")))
}

/// So many restarts come before the first look.
const WARM_UP: u64 = 100;

/// In KiB. How many pages an allocator keeps depends on how many generations drained at once; a
/// master that kept something of every restart would need more than this for a thousand.
const MOST_GROWTH: u64 = 256;
