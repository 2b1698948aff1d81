//! What became of requests.

use std::fmt;
use std::time::{Duration, Instant};

use super::Kind;
use super::ask::{Answer, Loss};

/// What one client has counted.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) kind: Kind,
    answered: usize,
    told: usize,
    raced: usize,
    failures: Vec<String>,
    /// When it was first answered by a generation that is newer than those before.
    moves: Vec<(u64, Instant)>,
}

/// What restarts cost the clients of one kind.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// Which kind.
    pub kind: Kind,
    /// Requests that were answered in the end.
    pub answered: usize,
    /// Connections whose end was announced: by `Connection: close`, or by GOAWAY.
    pub told: usize,
    /// Requests that were sent on a kept connection whose server closed it without a word: in
    /// HTTP/1 their clients cannot know whether they were processed.
    pub raced: usize,
    /// Requests that were not answered.
    pub failed: usize,
    /// Some of their failures.
    pub failures: Vec<String>,
    /// How long after a restart was asked for the last client was answered by the new generation, at
    /// the most; `None` if one never was. Zero for those who keep no connection.
    pub moved: Option<Duration>,
}

impl Tally {
    pub(super) fn of(kind: Kind) -> Self {
        let (failures, moves) = (Vec::new(), Vec::new());
        Self { kind, answered: 0, told: 0, raced: 0, failures, moves }
    }

    pub(super) fn failed(&self) -> usize {
        self.failures.len()
    }

    pub(super) fn fail(&mut self, failure: String) {
        self.failures.push(failure);
    }

    /// Notes what became of a request, on a connection on which others had been answered or not.
    pub(super) fn note(&mut self, answer: Result<Answer, Loss>, was_kept: bool) {
        match answer {
            Ok(answer) => {
                self.answered += 1;
                self.told += usize::from(answer.is_last);
                if answer.generation > self.newest() {
                    self.moves.push((answer.generation, Instant::now()));
                }
            }
            Err(Loss::SentAway) => self.told += 1,
            Err(Loss::Closed(_)) if was_kept => self.raced += 1,
            Err(Loss::Closed(why) | Loss::Failed(why)) => self.failures.push(why),
        }
    }

    /// The newest generation that has answered.
    pub(super) fn newest(&self) -> u64 {
        self.moves.last().map_or(0, |(generation, _)| *generation)
    }

    /// How long after its restart the client was answered by the generation that came of it.
    fn moved(&self, generation: u64, asked: Instant) -> Option<Duration> {
        let mut moves = self.moves.iter();
        let (_, at) = moves.find(|(answered_by, _)| *answered_by >= generation)?;
        Some(at.saturating_duration_since(asked))
    }
}

impl Count {
    pub(super) fn of(kind: Kind, tallies: &[Tally], restarts: &[Instant]) -> Self {
        let tallies: Vec<_> = tallies.iter().filter(|tally| tally.kind == kind).collect();
        let sum = |of: fn(&Tally) -> usize| tallies.iter().map(|tally| of(tally)).sum();
        let failures = tallies.iter().flat_map(|tally| tally.failures.iter().take(SOME).cloned());
        let moves = tallies.iter().filter(|_| kind.keeps()).flat_map(|tally| {
            (2..).zip(restarts).map(|(generation, asked)| tally.moved(generation, *asked))
        });
        Self {
            kind,
            answered: sum(|tally| tally.answered),
            told: sum(|tally| tally.told),
            raced: sum(|tally| tally.raced),
            failed: sum(Tally::failed),
            failures: failures.take(SOME).collect(),
            moved: moves
                .collect::<Option<Vec<_>>>()
                .map(|all| all.into_iter().max().unwrap_or_default()),
        }
    }

    /// Whether every request was answered at the first attempt, or its client told to make another,
    /// and every client came to every generation in time.
    #[must_use]
    pub fn is_nothing_lost(&self, in_time: Duration) -> bool {
        self.failed == 0 && self.raced == 0 && self.moved.is_some_and(|moved| moved <= in_time)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = format!("{:?}", self.kind);
        let Self { answered, told, raced, failed, .. } = self;
        let moved = match self.moved {
            None => "never".to_owned(),
            Some(Duration::ZERO) => "-".to_owned(),
            Some(moved) => format!("{} ms", moved.as_millis()),
        };
        write!(
            formatter,
            "{kind:<10} answered {answered:>7}  failed {failed:>4}  raced {raced:>4}  \
             told {told:>5}  moved {moved}"
        )
    }
}

/// As many failures as anybody reads.
const SOME: usize = 3;
