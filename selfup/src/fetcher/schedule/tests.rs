use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(5 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// A host, and when it polled since the start of all of them.
struct Host {
    schedule: Schedule,
    start: Instant,
    polls: Vec<Duration>,
}

impl Host {
    fn new(seed: u64, interval: Duration, start: Instant) -> Self {
        let random = Rng::with_seed(seed);
        Self { schedule: Schedule::start(SECOND, interval, start, random), start, polls: vec![] }
    }

    /// Polls on its own until so long after the start; each poll goes as `turn` says.
    fn run(&mut self, interval: Duration, until: Duration, turn: Turn) {
        while self.schedule.due() < self.start + until {
            self.poll(self.schedule.due(), interval, turn);
        }
    }

    fn poll(&mut self, at: Instant, interval: Duration, turn: Turn) {
        self.schedule.begin(at);
        self.polls.push(at - self.start);
        self.schedule.end(turn, at, interval);
    }

    fn pauses(&self) -> impl Iterator<Item = Duration> {
        self.polls.windows(2).map(|pair| pair[1].checked_sub(pair[0]).unwrap())
    }

    /// From the last poll to the next one.
    fn pause(&self) -> Duration {
        self.schedule.due() - self.schedule.began.unwrap()
    }
}

fn fleet(interval: Duration) -> Vec<Host> {
    let (start, mut seeds) = (Instant::now(), Rng::with_seed(1));
    (0..HOSTS).map(|_| Host::new(seeds.u64(..), interval, start)).collect()
}

const HOSTS: u32 = 1000;

const FAILED: Turn = Turn::Failed { rests: None };

/// How many polls there were in each of so many pieces of a time.
fn counts(hosts: &[Host], from: Duration, piece: Duration, pieces: usize) -> Vec<u32> {
    let mut counts = vec![0; pieces];
    for at in hosts.iter().flat_map(|host| &host.polls) {
        let Some(after) = at.checked_sub(from) else { continue };
        let piece = usize::try_from(after.as_nanos() / piece.as_nanos()).unwrap();
        if let Some(count) = counts.get_mut(piece) {
            *count += 1;
        }
    }
    counts
}

/// By chi-square, which is 1 by degree of freedom for moments of pure chance, and by the fullest
/// piece. A wave of a third above the mean and a half below it, as other schedules have it, comes to
/// more than 2.
#[track_caller]
fn assert_even(counts: &[u32]) {
    let pieces = f64::from(u32::try_from(counts.len()).unwrap());
    let mean = f64::from(counts.iter().sum::<u32>()) / pieces;
    let squares: f64 = counts.iter().map(|count| (f64::from(*count) - mean).powi(2) / mean).sum();
    let chi_square = squares / (pieces - 1.0);
    assert!(chi_square < 1.5, "{chi_square} by degree of freedom: {counts:?}");
    let fullest = f64::from(*counts.iter().max().unwrap()) / mean;
    assert!(fullest < 1.7, "the fullest piece holds {fullest} times the mean: {counts:?}");
}

#[track_caller]
fn assert_about(duration: Duration, expected: Duration) {
    let ratio = duration.as_secs_f64() / expected.as_secs_f64();
    assert!((0.9..1.1).contains(&ratio), "{duration:?} for {expected:?}");
}

#[test]
fn a_thousand_hosts_that_start_at_one_instant_spread_their_polls_evenly_at_once_and_for_ever() {
    let mut hosts = fleet(INTERVAL);
    let (hour, ten) = (MINUTE * 60, SECOND * 10);
    let day = hour * 24;
    for host in &mut hosts {
        host.run(INTERVAL, day, Turn::Answered);
    }
    assert_even(&counts(&hosts, EARLY, ten, 180));
    assert_even(&counts(&hosts, hour * 23, ten, 360));
    // The early ones, among themselves.
    assert_even(&counts(&hosts, Duration::ZERO, SECOND, 30));
    let polls: usize = hosts.iter().map(|host| host.polls.len()).sum();
    let polls = u32::try_from(polls).unwrap();
    assert_about(day * HOSTS / polls, INTERVAL);
}

#[test]
fn the_time_between_two_polls_is_anything_from_the_shortest_to_as_far_above_the_interval() {
    let mut host = Host::new(7, INTERVAL, Instant::now());
    host.run(INTERVAL, MINUTE * 60 * 24 * 7, Turn::Answered);
    let (least, most) = (host.pauses().min().unwrap(), host.pauses().max().unwrap());
    assert!(least >= SECOND && least < SECOND * 10, "{least:?}");
    assert!(most <= SECOND * 599 && most > SECOND * 590, "{most:?}");
}

#[test]
fn an_interval_that_is_the_shortest_time_is_kept_exactly_from_a_random_first_poll_on() {
    let mut hosts = fleet(SECOND);
    for host in &mut hosts {
        host.run(SECOND, MINUTE, Turn::Answered);
        assert!(host.polls[0] < SECOND && host.pauses().all(|pause| pause == SECOND));
    }
    assert_even(&counts(&hosts, Duration::ZERO, SECOND / 20, 20));
    // Nor is a shorter one.
    let mut host = Host::new(1, SECOND / 1000, Instant::now());
    host.run(SECOND / 1000, MINUTE, Turn::Answered);
    assert!(host.pauses().all(|pause| pause == SECOND));
}

#[test]
fn whatever_the_interval_the_first_poll_is_not_waited_for_longer_than_half_a_minute() {
    for interval in [SECOND, MINUTE, INTERVAL, MINUTE * 60 * 24 * 365, Duration::MAX] {
        let hosts = fleet(interval);
        assert!(hosts.iter().all(|host| host.schedule.due() <= host.start + EARLY));
        assert!(hosts.iter().all(|host| host.schedule.soonest().is_none()));
    }
}

#[test]
fn a_poll_that_is_asked_for_keeps_the_shortest_time_and_does_not_move_the_next_one() {
    for mut host in fleet(INTERVAL) {
        host.run(INTERVAL, MINUTE * 10, Turn::Answered);
        let due = host.schedule.due();
        let asked = host.start + MINUTE * 10;
        host.poll(asked, INTERVAL, Turn::Answered);
        assert_eq!(host.schedule.soonest(), Some(asked + SECOND));
        assert_eq!(host.schedule.due(), due.max(asked + SECOND));
    }
}

#[test]
fn errors_double_the_interval_until_an_hour_may_pass_and_one_success_sets_it_back() {
    let mut sums = [Duration::ZERO; 12];
    let mut longest = Duration::ZERO;
    for mut host in fleet(MINUTE) {
        for sum in &mut sums {
            host.poll(host.schedule.due(), MINUTE, FAILED);
            *sum += host.pause();
            longest = longest.max(host.pause());
        }
        host.poll(host.schedule.due(), MINUTE, Turn::Answered);
        assert!(host.pause() < MINUTE * 2);
    }
    for (sum, minutes) in sums.iter().zip([1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30]) {
        assert_about(*sum / HOSTS, MINUTE * minutes);
    }
    assert!(longest > MINUTE * 59 && longest <= LONGEST_BACK_OFF, "{longest:?}");
}

#[test]
fn after_errors_no_more_than_60_intervals_pass_so_that_a_short_one_stays_short() {
    for (interval, expected) in
        [(SECOND, MINUTE), (SECOND * 10, MINUTE * 10), (INTERVAL, MINUTE * 60)]
    {
        let mut longest = Duration::ZERO;
        for mut host in fleet(interval) {
            (0..40).for_each(|_| host.poll(host.schedule.due(), interval, FAILED));
            longest = longest.max(host.pause());
        }
        assert!(longest <= expected, "{longest:?} for {interval:?}");
        assert_about(longest, expected);
    }
}

#[test]
fn an_interval_of_more_than_an_hour_is_not_shortened_by_errors() {
    let day = MINUTE * 60 * 24;
    let mut sum = Duration::ZERO;
    for mut host in fleet(day) {
        (0..40).for_each(|_| host.poll(host.schedule.due(), day, FAILED));
        sum += host.pause();
    }
    assert_about(sum / HOSTS, day);
}

#[test]
fn what_was_down_is_not_met_by_the_whole_fleet_when_it_is_up_again() {
    let mut hosts = fleet(INTERVAL);
    let (down, up) = (MINUTE * 60 * 3, MINUTE * 60 * 6);
    for host in &mut hosts {
        host.run(INTERVAL, down, FAILED);
        host.run(INTERVAL, up, Turn::Answered);
    }
    let counts = counts(&hosts, down, MINUTE, 180);
    // A full house is 200 a minute.
    assert!(counts.iter().all(|count| *count < 260), "{counts:?}");
    assert_even(&counts[120..]);
}

#[test]
fn a_source_is_left_alone_as_long_as_it_says_and_then_met_over_a_whole_interval() {
    let rests = Turn::Failed { rests: Some(MINUTE * 60) };
    let mut hosts = fleet(INTERVAL);
    for host in &mut hosts {
        let asked = host.start + MINUTE;
        host.poll(asked, INTERVAL, rests);
        let free = asked + MINUTE * 60;
        assert_eq!(host.schedule.soonest(), Some(free), "not even if it is asked for");
        host.polls = vec![host.schedule.due() - free];
        assert!(host.polls[0] < INTERVAL);
    }
    assert_even(&counts(&hosts, Duration::ZERO, INTERVAL / 30, 30));
    // A success is the end of it.
    let host = &mut hosts[0];
    host.poll(host.schedule.due(), INTERVAL, Turn::Answered);
    assert_eq!(host.schedule.soonest(), host.schedule.began.map(|began| began + SECOND));
}

#[test]
fn a_poll_that_something_else_ended_is_made_up_for_after_a_pause() {
    for mut host in fleet(INTERVAL) {
        host.run(INTERVAL, MINUTE * 30, Turn::Answered);
        host.poll(host.schedule.due(), INTERVAL, Turn::Interrupted);
        assert!(host.pause() >= SECOND && host.pause() < INTERVAL * 2);
    }
}

#[test]
fn a_fetcher_whose_interval_becomes_shorter_is_not_asked_by_the_old_one() {
    for mut host in fleet(MINUTE * 60 * 24) {
        host.poll(host.schedule.due(), MINUTE, Turn::Answered);
        assert!(host.pause() < MINUTE * 2);
    }
}

#[test]
fn no_interval_is_too_long_for_the_clock() {
    for turn in [Turn::Answered, FAILED, Turn::Interrupted] {
        let (start, random) = (Instant::now(), Rng::with_seed(1));
        let mut schedule = Schedule::start(Duration::MAX, Duration::MAX, start, random);
        for _ in 0..50 {
            let due = schedule.due();
            schedule.begin(due);
            schedule.end(turn, due, Duration::MAX);
        }
    }
}
