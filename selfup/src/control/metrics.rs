//! The state of the service in the text format of Prometheus, version 0.0.4.
//!
//! Written by hand: there are a dozen metrics, no histogram, and nothing to register.

use std::fmt::{Display, Write as _};
use std::time::SystemTime;

use super::ask::{GenerationStatus, Status, UpgradesState};
use crate::event::Counts;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn render(status: &Status, counts: &Counts) -> String {
    let mut page = Page::default();
    page.generations(status);
    page.upgrades(status);
    page.counters(counts);
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn generations(&mut self, status: &Status) {
        let serving = serving(&status.generations);
        let version = serving.and_then(|it| it.version.as_deref()).unwrap_or_default();
        let digest = serving.and_then(|it| it.digest.as_deref()).unwrap_or_default();
        self.gauge("info", "What serves: 1, with its version and SHA-256, and selfup's version.");
        let labels = [("version", version), ("digest", digest), ("selfup", status.selfup)];
        self.sample("info", &labels, 1);
        self.gauge("generation", "The generation that serves.");
        if let Some(serving) = serving {
            self.sample("generation", &[], serving.generation);
        }
        self.gauge("phase", "1 for the phase that the service is in, 0 for the others.");
        self.one_of("phase", "phase", &PHASES, status.phase);
        self.gauge("generations", "How many generations are in that state.");
        for state in STATES {
            let count = status.generations.iter().filter(|it| it.state == state).count();
            self.sample("generations", &[("state", state)], count);
        }
        self.gauge("generation_age_seconds", "The time since that generation was started.");
        self.each(&status.generations, "generation_age_seconds", |it| Some(it.age_seconds));
        self.gauge("open_connections", "Open connections of that generation, if it counts them.");
        self.each(&status.generations, "open_connections", |it| it.open_connections);
    }

    fn upgrades(&mut self, status: &Status) {
        let upgrades = &status.upgrades;
        self.gauge("upgrades_state", "1 for whether upgrades are on or why not, 0 for the others.");
        let state = match upgrades.state {
            UpgradesState::On => "on",
            UpgradesState::Paused => "paused",
            UpgradesState::Disabled => "disabled",
            UpgradesState::Following => "following",
            UpgradesState::None => "none",
        };
        self.one_of("upgrades_state", "state", &UPGRADES, state);
        self.gauge("next_poll_seconds", "The time until the next poll, if there is one.");
        self.optional("next_poll_seconds", upgrades.next_poll_seconds);
        let at = status.last_upgrade.as_ref().map(|upgrade| seconds(upgrade.at));
        self.gauge("last_upgrade_timestamp_seconds", "When the last upgrade was, since 1970.");
        self.optional("last_upgrade_timestamp_seconds", at);
        let at = status.last_refusal.as_ref().map(|refusal| seconds(refusal.at));
        self.gauge("last_refusal_timestamp_seconds", "When the last refusal was, since 1970.");
        self.optional("last_refusal_timestamp_seconds", at);
    }

    fn counters(&mut self, counts: &Counts) {
        let Counts { upgrades, refusals, rollbacks, restarts, abandoned, fetch_failures, killed } =
            *counts;
        self.counter("upgrades", "Candidates that were put in place.", upgrades);
        self.counter("refusals", "Candidates that were turned down.", refusals);
        self.counter("rollbacks", "Previous binaries that were put back.", rollbacks);
        self.counter("restarts", "Generations that took over from another.", restarts);
        self.counter("restarts_abandoned", "Restarts that came to nothing.", abandoned);
        self.counter("fetch_failures", "Polls that failed.", fetch_failures);
        self.counter("drains_timed_out", "Generations that were killed at their drain.", killed);
    }

    fn gauge(&mut self, name: &str, help: &str) {
        self.head(name, help, "gauge");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        let name = format!("{name}_total");
        let help = format!("{help} Since the service began.");
        self.head(&name, &help, "counter");
        self.sample(&name, &[], value);
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP selfup_{name} {help}\n# TYPE selfup_{name} {kind}\n");
    }

    /// 1 for the one of `all` that it is.
    fn one_of(&mut self, name: &str, label: &str, all: &[&str], is: &str) {
        for one in all {
            self.sample(name, &[(label, one)], u8::from(*one == is));
        }
    }

    fn each(
        &mut self,
        generations: &[GenerationStatus],
        name: &str,
        value: impl Fn(&GenerationStatus) -> Option<u64>,
    ) {
        for generation in generations {
            if let Some(value) = value(generation) {
                self.sample(name, &[("generation", &generation.generation.to_string())], value);
            }
        }
    }

    fn optional(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.sample(name, &[], value);
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let each: Vec<_> =
            labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
        let labels =
            if each.is_empty() { String::new() } else { format!("{{{}}}", each.join(",")) };
        let _ = writeln!(self.0, "selfup_{name}{labels} {value}");
    }
}

/// The one that the service belongs to: it serves, or is to serve again if the next one fails.
fn serving(generations: &[GenerationStatus]) -> Option<&GenerationStatus> {
    let newest_in = |state| generations.iter().rev().find(|it| it.state == state);
    newest_in("serving").or_else(|| newest_in("paused")).or(generations.last())
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// As the format has it: of a value, no more than these may not stand for themselves.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

const PHASES: [&str; 7] =
    ["serving", "examining", "yielding", "starting", "handover", "probation", "stopping"];
const STATES: [&str; 5] = ["starting", "serving", "paused", "probation", "draining"];
const UPGRADES: [&str; 5] = ["on", "paused", "disabled", "following", "none"];

#[cfg(test)]
mod tests;
