//! What is to be said now, from what was said before.

use std::time::{Duration, Instant};

/// How the service is, for its manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Situation {
    pub(crate) state: State,
    /// How many restarts were asked for so far.
    pub(crate) asked: u64,
    /// In one line, for people.
    pub(crate) status: String,
    /// Until when what goes on may last by selfup's own settings.
    pub(crate) until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody has served yet.
    Starting,
    Ready,
    /// A new generation is wanted, and not admitted yet.
    Reloading,
    Stopping,
}

/// What the manager was told last.
#[derive(Debug, Default)]
pub(crate) struct Told(Option<Situation>);

/// The manager's patience lasts so much longer than selfup's own: a kill takes its time, too.
const MARGIN: Duration = Duration::from_secs(10);

/// In bytes. One message has room for more, and a line of `systemctl status` has not.
const LONGEST_STATUS: usize = 500;

impl Told {
    /// What has to be said, each part for itself, in this order. `usec` is the time of this moment.
    pub(crate) fn tell(&mut self, situation: Situation, now: Instant, usec: u128) -> Vec<String> {
        let before = self.0.as_ref();
        let state = before.map(|before| before.state);
        let was_asked = situation.asked != before.map_or(0, |before| before.asked);
        let is_new = state != Some(situation.state);
        let mut said = Vec::new();
        match situation.state {
            State::Stopping if is_new => said.push("STOPPING=1".to_owned()),
            State::Starting | State::Stopping => {}
            State::Reloading | State::Ready => {
                // Who asks waits for a word that is younger than the question, and then for the end,
                // which may have come at once.
                let is_asked = was_asked && state.is_some_and(|state| state != State::Starting);
                if is_new && state == Some(State::Starting) && situation.state == State::Reloading {
                    // A start that is followed at once is over all the same.
                    said.push("READY=1".to_owned());
                }
                if is_asked || (is_new && situation.state == State::Reloading) {
                    said.push(format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
                }
                if situation.state == State::Ready && (is_new || is_asked) {
                    said.push("READY=1".to_owned());
                }
            }
        }
        let mut more = Vec::new();
        if before.is_none_or(|before| before.status != situation.status) {
            more.push(format!("STATUS={}", one_line(&situation.status)));
        }
        // While nothing goes on, it would be `RuntimeMaxSec=` that is extended.
        let is_news = is_new || was_asked || before.is_none_or(|it| it.until != situation.until);
        if situation.state != State::Ready
            && is_news
            && let Some(until) = situation.until
        {
            let left = until.saturating_duration_since(now).saturating_add(MARGIN);
            more.push(format!("EXTEND_TIMEOUT_USEC={}", left.as_micros()));
        }
        if !more.is_empty() {
            let last = said.pop();
            said.push(last.into_iter().chain(more).collect::<Vec<_>>().join("\n"));
        }
        self.0 = Some(situation);
        said
    }
}

/// Without what would be another line, or more than a line has room for.
fn one_line(text: &str) -> String {
    let printed = text.chars().map(|it| if it.is_control() { ' ' } else { it });
    let mut length = 0;
    let fits = |it: &char| {
        length += it.len_utf8();
        length <= LONGEST_STATUS
    };
    printed.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(state: State, asked: u64) -> Situation {
        Situation { state, asked, status: "s".into(), until: None }
    }

    /// What is said after each of these.
    fn said(situations: &[(State, u64)]) -> Vec<Vec<String>> {
        let mut told = Told::default();
        let tell = |(index, &(state, asked)): (usize, &(State, u64))| {
            told.tell(situation(state, asked), Instant::now(), index as u128)
        };
        situations.iter().enumerate().map(tell).collect()
    }

    #[test]
    fn a_start_is_told_when_it_is_over_and_once() {
        let said = said(&[(State::Starting, 0), (State::Ready, 0), (State::Ready, 0)]);
        assert_eq!(said[0], ["STATUS=s"]);
        assert_eq!(said[1], ["READY=1"]);
        assert!(said[2].is_empty(), "{said:?}");
    }

    #[test]
    fn a_restart_is_told_when_it_begins_and_when_it_ends() {
        let said = said(&[(State::Ready, 0), (State::Reloading, 1), (State::Ready, 1)]);
        assert_eq!(said[1], ["RELOADING=1\nMONOTONIC_USEC=1"]);
        assert_eq!(said[2], ["READY=1"]);
    }

    #[test]
    fn a_restart_that_ended_at_once_is_told_all_the_same() {
        let said = said(&[(State::Ready, 0), (State::Ready, 1)]);
        assert_eq!(said[1], ["RELOADING=1\nMONOTONIC_USEC=1", "READY=1"]);
    }

    #[test]
    fn a_restart_that_is_asked_for_during_one_is_told_with_its_own_time() {
        let said = said(&[(State::Ready, 0), (State::Reloading, 1), (State::Reloading, 2)]);
        assert_eq!(said[2], ["RELOADING=1\nMONOTONIC_USEC=2"]);
    }

    #[test]
    fn a_restart_that_is_asked_for_before_anybody_serves_is_not_told_before_that() {
        let said = said(&[(State::Starting, 0), (State::Starting, 1), (State::Reloading, 1)]);
        assert!(said[1].is_empty(), "{said:?}");
        assert_eq!(said[2], ["READY=1", "RELOADING=1\nMONOTONIC_USEC=2"]);
    }

    #[test]
    fn patience_is_asked_for_while_something_goes_on_and_at_no_other_time() {
        let (mut told, now) = (Told::default(), Instant::now());
        let mut tell = |state, seconds| {
            let until = Some(now + Duration::from_secs(seconds));
            let said = told.tell(Situation { until, ..situation(state, 0) }, now, 0);
            said.iter().any(|said| said.contains("EXTEND_TIMEOUT_USEC"))
        };
        assert!(tell(State::Starting, 60), "the start");
        assert!(!tell(State::Starting, 60), "said before");
        assert!(!tell(State::Ready, 70), "a drain");
        assert!(tell(State::Stopping, 70), "the stop");
        assert!(tell(State::Stopping, 75), "it takes longer");
        let left = Told::default().tell(
            Situation {
                until: Some(now + Duration::from_secs(50)),
                ..situation(State::Stopping, 0)
            },
            now,
            0,
        );
        assert_eq!(left, ["STOPPING=1\nSTATUS=s\nEXTEND_TIMEOUT_USEC=60000000"]);
    }

    #[test]
    fn the_status_is_one_line_of_bounded_length() {
        let status = format!("a\nREADY=1\r{}", "\u{e4}".repeat(LONGEST_STATUS));
        let line = one_line(&status);
        assert!(line.starts_with("a READY=1 ") && line.len() <= LONGEST_STATUS, "{line}");
    }
}
