//! Server-sent events, read as they come: "Server-sent events" of the HTML standard, section 9.2.
//!
//! By hand, for the readers on crates.io hold as much of an event as a server sends; here a line and
//! an event have an end.

use std::collections::VecDeque;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;

use crate::service::status::Status;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Event {
    /// What it says of itself, for people.
    pub(crate) fn message(&self) -> Option<String> {
        let data = serde_json::from_str::<Value>(&self.data).ok()?;
        Some(data.get("message")?.as_str()?.to_owned())
    }

    /// The status of the service, which is the first event of each connection.
    pub(crate) fn status(&self) -> Option<Status> {
        if self.name != "status" {
            return None;
        }
        serde_json::from_str(&self.data).ok().filter(Status::has_master)
    }

    /// It as one document, with its name in it.
    pub(crate) fn document(&self) -> Value {
        match serde_json::from_str(&self.data) {
            Ok(Value::Object(mut fields)) => {
                fields.entry("event").or_insert_with(|| self.name.clone().into());
                fields.into()
            }
            Ok(data) => serde_json::json!({ "event": self.name, "data": data }),
            Err(_) => serde_json::json!({ "event": self.name, "message": self.data }),
        }
    }
}

/// The events of one connection.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Event>,
}

impl Events {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, parser: Parser::default(), ready: VecDeque::new() }
    }

    /// The next one, or why there is none: nothing, if the other side has ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Event, Option<String>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let frame = self.body.frame().await.ok_or(None)?;
            let frame = frame.map_err(|error| Some(error.to_string()))?;
            let data = frame.into_data().unwrap_or_else(|_| Bytes::new());
            self.parser.push(&data, &mut self.ready).map_err(|error| Some(error.to_owned()))?;
        }
    }
}

#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last byte was a carriage return, which may be half of the end of a line.
    after_return: bool,
}

impl Parser {
    fn push(&mut self, bytes: &[u8], ready: &mut VecDeque<Event>) -> Result<(), &'static str> {
        for &byte in bytes {
            let is_second = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if is_second => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    self.take(&String::from_utf8_lossy(&line), ready)?;
                }
                _ if self.line.len() == LONGEST => return Err(TOO_LONG),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &str, ready: &mut VecDeque<Event>) -> Result<(), &'static str> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                ready.push_back(event);
            }
            return Ok(());
        }
        // A line that begins with a colon is a comment: its field has no name.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            // It goes back in a head of HTTP.
            "id" if value.bytes().all(|byte| byte.is_ascii_graphic()) && value.len() <= 128 => {
                self.event.id = Some(value.to_owned());
            }
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                if self.event.data.len() + value.len() > LONGEST {
                    return Err(TOO_LONG);
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}

/// In bytes.
const LONGEST: usize = 256 << 10;

const TOO_LONG: &str = "it sent an event without end";

#[cfg(test)]
mod tests {
    use super::*;

    /// The events in `text`, however it is cut.
    fn parsed(text: &str) -> Vec<Event> {
        let mut whole = VecDeque::new();
        Parser::default().push(text.as_bytes(), &mut whole).unwrap();
        let (mut parser, mut single) = (Parser::default(), VecDeque::new());
        for byte in text.bytes() {
            parser.push(&[byte], &mut single).unwrap();
        }
        assert_eq!(whole, single);
        whole.into()
    }

    #[test]
    fn an_event_is_what_stands_before_an_empty_line() {
        let events = parsed(": hello\n\nid: 7\nevent: committed\ndata: {\"a\":1}\n\ndata: cut");
        let event =
            Event { id: Some("7".into()), name: "committed".into(), data: "{\"a\":1}".into() };
        assert_eq!(events, [event]);
    }

    #[test]
    fn every_end_of_a_line_is_one() {
        for end in ["\n", "\r", "\r\n"] {
            let events = parsed(&["event:x", "data: one", "data: two", "", ""].join(end));
            assert_eq!(events.len(), 1, "{end:?}");
            assert_eq!((events[0].name.as_str(), events[0].data.as_str()), ("x", "one\ntwo"));
        }
    }

    #[test]
    fn an_event_has_an_end() {
        let line = ["data: ", &"x".repeat(LONGEST - 10), "\n"].concat();
        for text in ["y".repeat(LONGEST + 1), line.repeat(2)] {
            let mut ready = VecDeque::new();
            let error = Parser::default().push(text.as_bytes(), &mut ready).unwrap_err();
            assert_eq!(error, TOO_LONG);
        }
    }

    #[test]
    fn an_id_that_is_no_word_does_not_go_back() {
        assert_eq!(parsed("id: a b\ndata: x\n\n")[0].id, None);
    }
}
