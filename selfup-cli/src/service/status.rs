//! What a service does, as its master says it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::client::Client;
use crate::end::{End, Failure};
use crate::output::{self, BAD, BOLD, DIM, DOUBTFUL, GOOD, Output};
use crate::text;

/// As much of the answer as is shown. What a later version adds is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    selfup: String,
    pub(crate) master_pid: u32,
    pub(crate) path: String,
    phase: String,
    generations: Vec<Generation>,
    addresses: Vec<String>,
    pub(crate) upgrades: Upgrades,
    last_upgrade: Option<Upgrade>,
    last_refusal: Option<Refusal>,
    good: Vec<Binary>,
    refused: Vec<Refusal>,
}

impl Status {
    /// Whether a service said it: every other field may be missing.
    pub(crate) fn has_master(&self) -> bool {
        self.master_pid != 0
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Generation {
    #[serde(rename = "generation")]
    number: u64,
    pid: u32,
    state: String,
    version: Option<String>,
    digest: Option<String>,
    age_seconds: u64,
    open_connections: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Upgrades {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    next_poll_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Binary {
    digest: String,
    version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Upgrade {
    from: Binary,
    to: Binary,
    at: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    digest: Option<String>,
    reason: String,
    at: u64,
}

pub(super) async fn run(
    client: &Client,
    patience: Duration,
    output: Output,
) -> Result<End, Failure> {
    let (status, document) = ask(client, patience).await?;
    if output.is_json() {
        output::line(text::json(document.trim()));
    } else {
        for line in lines(&status) {
            output::line(line);
        }
    }
    Ok(End::Done)
}

/// The status, and the document that it was read from.
pub(crate) async fn ask(client: &Client, patience: Duration) -> Result<(Status, String), Failure> {
    let reply = client.ask(Method::GET, "/status", patience).await?;
    if reply.status != StatusCode::OK {
        return Err(client.refused(&reply));
    }
    match serde_json::from_str::<Status>(&reply.body) {
        Ok(status) if status.has_master() => Ok((status, reply.body)),
        Ok(_) => Err(client.foreign("it does not say which process is the master")),
        Err(error) => Err(client.foreign(&error.to_string())),
    }
}

fn lines(status: &Status) -> Vec<String> {
    let (path, phase) = (text::line(&status.path), text::line(&status.phase));
    let selfup = text::line(&status.selfup);
    let head = format!(
        "{BOLD}{path}{BOLD:#}  {phase}  {DIM}master {}, selfup {selfup}{DIM:#}",
        status.master_pid
    );
    let mut lines = vec![head];
    lines.extend(status.generations.iter().map(generation));
    if !status.addresses.is_empty() {
        lines.push(format!("addresses     {}", text::line(&status.addresses.join(", "))));
    }
    lines.push(format!("upgrades      {}", upgrades(&status.upgrades)));
    if let Some(upgrade) = &status.last_upgrade {
        let (from, to) = (binary(&upgrade.from), binary(&upgrade.to));
        lines.push(format!("last upgrade  {from} -> {to}, {}", ago(upgrade.at)));
    }
    lines.extend(status.last_refusal.iter().map(|it| format!("last refusal  {}", refusal(it))));
    lines.extend(status.good.iter().map(|it| format!("good          {}", binary(it))));
    lines.extend(status.refused.iter().map(|it| format!("refused       {}", refusal(it))));
    lines
}

fn generation(generation: &Generation) -> String {
    let colour = match generation.state.as_str() {
        "serving" => GOOD,
        _ => DOUBTFUL,
    };
    let state = text::line(&generation.state);
    let words = format!(
        "generation {:<3}{colour}{state}{colour:#}, process {}, {}, since {}",
        generation.number,
        generation.pid,
        release(generation.version.as_deref(), generation.digest.as_deref()),
        humantime::format_duration(Duration::from_secs(generation.age_seconds))
    );
    let open = generation.open_connections.map(|open| format!(", {open} connections open"));
    words + &open.unwrap_or_default()
}

fn upgrades(upgrades: &Upgrades) -> String {
    let colour = if upgrades.state == "disabled" { BAD } else { BOLD };
    let words = format!("{colour}{}{colour:#}", text::line(&upgrades.state));
    let next = upgrades.next_poll_seconds.map(|seconds| {
        format!(", next poll in {}", humantime::format_duration(Duration::from_secs(seconds)))
    });
    let reason = upgrades.reason.as_deref().map(|reason| format!(": {}", text::line(reason)));
    [words, next.unwrap_or_default(), reason.unwrap_or_default()].concat()
}

fn refusal(refusal: &Refusal) -> String {
    let digest = refusal.digest.as_deref().map(|digest| release(None, Some(digest)) + ", ");
    let (digest, reason) = (digest.unwrap_or_default(), text::line(&refusal.reason));
    format!("{digest}{}: {reason}", ago(refusal.at))
}

fn binary(binary: &Binary) -> String {
    release(binary.version.as_deref(), Some(&binary.digest))
}

/// "1.2.3 (1a2b3c4d)", as far as it is known.
fn release(version: Option<&str>, digest: Option<&str>) -> String {
    let digest = digest.filter(|digest| !digest.is_empty()).map(|digest| text::shown(digest, 64));
    let short = digest.map(|digest| digest.chars().take(8).collect::<String>());
    match (version.map(|version| text::shown(version, 100)), short) {
        (Some(version), Some(digest)) => format!("{version} ({digest})"),
        (Some(version), None) => version,
        (None, Some(digest)) => digest,
        (None, None) => "unknown".to_owned(),
    }
}

fn ago(seconds: u64) -> String {
    if seconds == 0 {
        return "some time ago".to_owned();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match now.checked_sub(seconds) {
        Some(0) => "now".to_owned(),
        // Seconds matter to nobody after an hour.
        Some(passed) => {
            let passed = if passed > 3600 { passed / 60 * 60 } else { passed };
            format!("{} ago", humantime::format_duration(Duration::from_secs(passed)))
        }
        None => "in the future, by the clock of this machine".to_owned(),
    }
}
