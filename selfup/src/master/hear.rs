//! What is heard from a child, as the plan is told it, or done at once where it does not decide.

use std::io;

use super::plan::Input;
use super::{Ending, Master};
use crate::channel::message::FromChild;
use crate::child::News;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::identity::Generation;

/// So many characters of a child's words are told.
const LONGEST_REASON: usize = 500;

impl Master {
    pub(super) fn heard(&mut self, generation: Generation, news: News) -> Option<Input> {
        if let News::Said(_) = news
            && self.desk.begin()
        {
            self.desk.open();
        }
        match news {
            News::Said(FromChild::Ready) => match self.children.ready(generation)? {
                Ok(()) => Some(Input::Ready(generation)),
                Err(why) => Some(Input::Unfit(generation, format!("its path {why}"))),
            },
            News::Said(FromChild::Unhealthy { reason }) => {
                let reason: String = reason.chars().take(LONGEST_REASON).collect();
                Some(Input::Unfit(generation, format!("its health hook failed: {reason}")))
            }
            News::Said(FromChild::Paused) => Some(Input::Paused(generation)),
            News::Said(FromChild::Restart) => Some(Input::Restart),
            News::Said(FromChild::CheckNow) => {
                self.upgrader.check_now();
                None
            }
            News::Said(FromChild::RollBack) => {
                // What has failed may ask for it until its end, and it is done already.
                if self.plan.has_given_up(generation) { None } else { self.roll_back() }
            }
            News::Said(FromChild::ClearRefused) => {
                self.upgrader.clear_refused();
                None
            }
            News::Said(FromChild::Drained { connections, cut }) => {
                self.observer.tell(&Event::Drained { generation, connections, cut });
                None
            }
            News::Said(FromChild::Hello { beats, .. }) => {
                self.children.hello(generation, beats);
                None
            }
            News::Said(FromChild::Beat { open }) => {
                self.children.beat(generation, open);
                self.beats.answered(generation);
                self.felt(generation);
                None
            }
            News::Said(FromChild::Unknown) => None,
            News::NotStarted(error) => {
                self.children.leave(generation);
                let path = self.children.origin().path().display().to_string();
                Some(self.not_started(generation, not_executed(&path, error)))
            }
            News::Exited(status) => {
                self.children.leave(generation);
                Some(Input::Exited(generation, status))
            }
        }
    }

    pub(super) fn not_started(&mut self, generation: Generation, error: Error) -> Input {
        let text = error.chain();
        if generation == Generation::FIRST {
            // Whatever the plan makes of it, the loop ends.
            self.outcome = Some(Ending::FirstNotStarted(error));
        }
        Input::NotStarted(generation, text)
    }
}

fn not_executed(path: &str, source: io::Error) -> Error {
    let advice = match source.raw_os_error() {
        Some(libc::ENOEXEC) => "it is no executable file; put a binary there",
        Some(libc::EACCES) => "it may not be executed; set its mode, or remount without noexec",
        Some(libc::ENOENT) => "it is gone; put a binary there",
        Some(libc::ETXTBSY) => "it is being written; restart once that is done",
        _ => "see the cause",
    };
    Error::new(ErrorKind::Spawn, format!("{path} was not executed: {advice}")).caused_by(source)
}
