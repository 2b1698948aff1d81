//! What a candidate may do while it is probed: whatever it is, it costs the service nothing, nothing of
//! it is left, and the next good release is taken.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{
    Answer, Load, Published, Publisher, Release, ServiceBuilder, descriptors_of, eventually,
};

/// A service under load, and a word that whatever its candidates start can be known by.
struct Attacked {
    published: Published,
    load: Load,
    strays: Strays,
    descriptors: usize,
}

impl Attacked {
    fn start() -> Self {
        Self::of(|builder| builder)
    }

    fn of(change: impl FnOnce(ServiceBuilder) -> ServiceBuilder) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let strays = format!("strays-of-{}-{count}-", std::process::id());
        let release = Release::good();
        let source = Publisher::start(Answer::Whole(release.clone()));
        let builder = change(ServiceBuilder::new(&release));
        let published = Published::of(builder, source, &[("STRAYS", &strays)]);
        published.publisher.wait_for("GET 304", 1);
        let load = Load::start(published.service.address(), "/", 2);
        let descriptors = descriptors_of(published.service.pid());
        Self { published, load, strays: Strays(strays), descriptors }
    }

    /// Publishes what does this, and gives the words in which it is refused.
    fn by(&self, flaw: &str) -> String {
        let bad = Release::flawed(flaw);
        self.published.publisher.publish(Answer::Whole(bad.clone()));
        let words = format!("event candidate_refused: candidate {} refused: ", bad.id().short());
        let line = self.published.service.wait_for(&words);
        self.assert_nothing_is_left();
        let history = self.published.service.history().expect("it is remembered");
        assert!(history.contains(&bad.id().to_string()), "{history}");
        line[words.len()..].to_owned()
    }

    fn assert_nothing_is_left(&self) {
        self.strays.assert_gone();
        let service = &self.published.service;
        // Who kills what it runs below is killed for that, and its end is waited for by nobody.
        eventually("the master and its child are left", || {
            (service.processes().ids().len() == 2).then_some(())
        });
        service.assert_files(&[]);
        // Those of the connection to the publisher come and go.
        eventually("the master has no more descriptors", || {
            (descriptors_of(service.pid()) <= self.descriptors).then_some(())
        });
    }

    /// Has the next good release taken, and ends.
    fn goes_on(mut self) {
        self.load.wait_for(20);
        self.published.upgrade(&Release::good());
        self.load.wait_for(20);
        assert_eq!(self.load.stop(), [""; 0]);
        self.strays.assert_gone();
        assert!(self.published.service.stop().success());
    }
}

/// The word in the command lines of what candidates start.
struct Strays(String);

impl Strays {
    fn assert_gone(&self) {
        let found: Vec<_> = self.found().collect();
        assert!(found.is_empty(), "they are left: {found:?}");
    }

    fn found(&self) -> impl Iterator<Item = i32> {
        let entries = std::fs::read_dir("/proc").expect("it is mounted").flatten();
        entries.filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let is_one = String::from_utf8_lossy(&line).contains(&self.0);
            is_one.then(|| entry.file_name().to_str()?.parse().ok())?
        })
    }
}

impl Drop for Strays {
    fn drop(&mut self) {
        // Whatever a test has left that failed. Those that run away end by themselves some day.
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for _ in 0..20 {
                for stray in self.found() {
                    let _ = kill(Pid::from_raw(stray), signal);
                }
            }
        }
    }
}

fn is_refused(flaw: &str, words: &[&str]) {
    let attacked = Attacked::start();
    let refusal = attacked.by(flaw);
    for words in words {
        assert!(refusal.contains(words), "{words:?} is not in {refusal}");
    }
    attacked.goes_on();
}

/// It answers well, so it is taken, without what it started.
fn is_taken_alone(flaw: &str) {
    let attacked = Attacked::start();
    let release = Release::flawed(flaw);
    attacked.published.publisher.publish(Answer::Whole(release.clone()));
    attacked.published.service.wait_for("event upgraded: ");
    attacked.strays.assert_gone();
    attacked.published.service.wait_for("event committed: generation 2 ");
    attacked.published.service.assert_runs(&release);
    attacked.goes_on();
}

const OVERDUE: &str = "it did not answer within 5s and was killed";

#[test]
fn a_child_that_it_leaves_behind_ends_with_it() {
    is_taken_alone("probe-leaves-a-child");
}

#[test]
fn daemons_that_left_its_group_and_its_session_end_with_it() {
    is_taken_alone("probe-leaves-daemons");
}

#[test]
fn daemons_end_with_one_that_hangs() {
    is_refused("probe-leaves-daemons-and-hangs", &[OVERDUE]);
}

#[test]
fn processes_that_start_others_whenever_one_is_killed_end_with_it() {
    is_taken_alone("probe-leaves-a-storm");
}

#[test]
fn one_that_closes_its_output_and_hangs_is_killed() {
    is_refused("probe-is-silent", &[OVERDUE]);
}

#[test]
fn one_that_ignores_every_signal_that_can_be_ignored_is_killed() {
    is_refused("probe-ignores-signals", &[OVERDUE]);
}

#[test]
fn one_that_stops_itself_is_killed() {
    is_refused("probe-stops", &[OVERDUE]);
}

#[test]
fn one_that_prints_without_end_is_killed() {
    is_refused("probe-prints", &["it printed more than 1048576 bytes and was killed"]);
}

#[test]
fn one_that_kills_what_it_runs_below_is_refused() {
    is_refused("probe-kills-its-parent", &["what it ran below was killed"]);
}

#[test]
fn one_that_ends_well_without_an_answer_is_refused() {
    is_refused("probe-exits", &["it ended without an answer, with exit status 0"]);
}

#[test]
fn an_answer_with_another_token_is_none() {
    is_refused("probe-forges", &["it answered with another token"]);
}

#[test]
fn two_answers_are_none() {
    is_refused("probe-answers-twice", &["it answered more than once and was killed"]);
}

#[test]
fn answers_without_end_are_none() {
    is_refused("probe-answers-for-ever", &["it answered more than once and was killed"]);
}

#[test]
fn garbage_is_no_answer() {
    is_refused("probe-says-garbage", &["its answer could not be understood"]);
}

#[test]
fn an_empty_message_is_no_answer() {
    is_refused("probe-says-nothing", &[OVERDUE]);
}

#[test]
fn a_message_that_is_too_long_is_no_answer() {
    is_refused("probe-says-too-much", &["its answer could not be understood", "longer"]);
}

#[test]
fn descriptors_that_come_with_an_answer_are_closed_and_it_is_none() {
    is_refused("probe-passes-descriptors", &["could not be understood (descriptors came with it)"]);
}

#[test]
fn one_that_crashes_leaves_no_core() {
    let attacked = Attacked::of(|builder| {
        let directory = builder.directory().to_str().expect("it is UTF-8").to_owned();
        let script = "cd \"$0\" && ulimit -c unlimited 2>/dev/null; exec \"$1\"";
        builder.under(&["sh", "-c", script, &directory])
    });
    let refusal = attacked.by("probe-drops-a-core");
    assert!(refusal.contains("it ended without an answer, with signal SIGABRT"), "{refusal}");
    assert!(refusal.contains("Max core file size 0 0 bytes"), "{refusal}");
    // Those files that lie beside the binary were looked at: there is no core among them.
    attacked.goes_on();
}
