//! Names and fields are promised: the table in the docs is held to what is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use super::*;
use crate::error::ErrorKind;
use crate::identity::Generation;

const TABLE: &str = include_str!("../../event.md");

/// A variant that has no example does not compile.
macro_rules! one_of_each {
    ($($variant:ident $fields:tt,)*) => {{
        fn _every(event: &Event) {
            match event {
                $(Event::$variant { .. } => {})*
            }
        }
        vec![$(Event::$variant $fields),*]
    }};
}

fn one_of_each() -> Vec<Event> {
    let generation = Generation::FIRST;
    let reason = Arc::new(Error::new(ErrorKind::NotReady, "it said nothing"));
    let error = Arc::new(Error::new(ErrorKind::Fetch, "no answer").caused_by("connection refused"));
    let (from, to) = (BinaryId::from_bytes([1; 32]), BinaryId::from_bytes([2; 32]));
    let (from_version, to_version) = (Some("1.0.0".to_owned()), Some("1.1.0".to_owned()));
    let text = || "text".to_owned();
    one_of_each! {
        Bound { address: text(), local: std::net::SocketAddr::from(([127, 0, 0, 1], 80)).into() },
        ChildStarted { generation, pid: 7 },
        ChildReady { generation },
        ChildExited { generation, status: text() },
        Paused { generation },
        Resumed { generation },
        Committed { generation },
        Draining { generation },
        Drained { generation, connections: 3, cut: 1 },
        DrainTimedOut { generation },
        RestartAbandoned { generation, reason: reason.clone() },
        FetchFailed { error: error.clone() },
        CandidateStaged { id: to, length: 9 },
        CandidateVerified { id: to, key: text(), comment: text() },
        CandidateRefused { id: Some(to), reason: reason.clone() },
        Upgraded { from, from_version: from_version.clone(), to, to_version: to_version.clone() },
        RolledBack { from, from_version: from_version.clone(), to, to_version: to_version.clone() },
        UpgradesDisabled { reason: reason.clone() },
        UpgradesEnabled {},
        Following { reason: reason.clone() },
        MasterReplaced { generation },
        Asked { what: "restart", by_uid: 0, by_pid: 7 },
        Warning { error: error.clone() },
    }
}

/// The rows of the tables whose head begins with `head`, in cells.
fn rows(head: &str) -> Vec<Vec<&'static str>> {
    let lines = TABLE.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// What is written as code in `cell`.
fn names(cell: &'static str) -> BTreeSet<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn json(event: &Event) -> BTreeMap<String, serde_json::Value> {
    serde_json::from_value(serde_json::to_value(event.fields()).unwrap()).unwrap()
}

#[test]
fn the_table_has_each_event_with_its_level_and_its_fields() {
    let rows = rows("event");
    let events = one_of_each();
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(events) {
        let [name, level, _, told] = row[..] else { panic!("{row:?}") };
        assert_eq!(name, format!("`{}`", event.name()));
        let is = if event.is_warning() { "warning" } else { "info" };
        assert!(level.contains(is), "{name} is {is}, not {level}");
        let fields = json(&event);
        assert_eq!(
            fields.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            names(told),
            "{name}"
        );
    }
}

#[test]
fn the_table_has_each_field_with_its_type() {
    let rows = rows("field");
    let explained: BTreeSet<_> = rows.iter().flat_map(|row| names(row[0])).collect();
    assert_eq!(explained, Fields::NAMES.iter().copied().collect());
    for (name, value) in one_of_each().iter().flat_map(json) {
        let row = rows.iter().find(|row| names(row[0]).contains(&*name)).unwrap();
        assert!(if value.is_u64() { row[1] == "number" } else { row[1] == "string" }, "{name}");
    }
}

/// Notes the fields of every event of `tracing`.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Writes<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Writes<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "selfup"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Writes(&mut fields));
        self.0.lock().unwrap().push(fields);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_subscriber_is_told_the_same_fields_as_json_has() {
    let subscriber = Notes::default();
    tracing::subscriber::with_default(subscriber.clone(), || one_of_each().iter().for_each(trace));
    let noted = subscriber.0.lock().unwrap();
    for (fields, event) in noted.iter().zip(one_of_each()) {
        let mut expected: BTreeMap<_, _> = json(&event)
            .into_iter()
            .map(|(name, value)| (name, value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        expected.insert("event".into(), event.name().into());
        expected.insert("message".into(), event.to_string());
        assert_eq!(*fields, expected);
    }
    assert_eq!(noted.len(), one_of_each().len());
}

#[test]
fn causes_are_told_and_are_bounded() {
    let error = Error::new(ErrorKind::Fetch, "no answer").caused_by("é".repeat(10_000));
    let event = Event::FetchFailed { error: error.into() };
    let fields = event.fields();
    let told = fields.error.unwrap();
    assert!(told.starts_with("no answer: é") && told.ends_with('…'), "{told}");
    assert!(told.len() < LONGEST + 4);
    assert_eq!(fields.kind.as_deref(), Some("fetch"));
}
