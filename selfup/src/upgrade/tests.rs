//! The whole way, on real files and real processes: the binary and its candidates are copies of
//! this test binary, told apart by bytes behind their last section.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use super::candidate::Candidate;
use super::probe::tests::origin_at;
use super::testing::{Place, block_on, chmod, download, id};
use super::*;
use crate::event::{Event, Verbosity};
use crate::fetcher::Download;

#[cfg(feature = "archives")]
mod archives;
mod bodies;
mod remembered;
#[cfg(feature = "verify")]
mod signed;
mod versions;

/// A service with its binary in place, and all that it tells.
pub(super) struct Service {
    pub(super) place: Place,
    pub(super) pipeline: Pipeline,
    events: Receiver<Event>,
}

impl Service {
    /// Its candidates play `part` when they are probed.
    pub(super) fn whose_candidates(part: &str) -> Self {
        Self::with_hook(part, None)
    }

    fn with_hook(part: &str, hook: Option<PreUpgradeHook>) -> Self {
        Self::at(Place::with(&binary(1)), part, hook)
    }

    /// The next master of the same service.
    pub(super) fn again(self) -> Self {
        drop(self.pipeline);
        Self::at(self.place, "good", None)
    }

    pub(super) fn at(place: Place, part: &str, hook: Option<PreUpgradeHook>) -> Self {
        let (teller, events) = channel();
        let on_event = move |event: &Event| teller.send(event.clone()).unwrap();
        let observer = Observer::start(Verbosity::Silent, Some(Box::new(on_event)));
        let origin = origin_at(place.path.clone(), part);
        let mut pipeline = Pipeline::open(
            origin,
            Acceptance::default(),
            hook,
            observer,
            Rehearsal::default(),
            None,
        )
        .unwrap();
        pipeline.probe_limits.time = Duration::from_secs(10);
        Self { place, pipeline, events }
    }

    pub(super) fn examine(&mut self, bytes: &[u8]) -> Result<Option<Candidate>> {
        let length = bytes.len() as u64;
        self.take(download(bytes).length(length).validator(id(bytes).short()))
    }

    fn take(&mut self, download: Download) -> Result<Option<Candidate>> {
        block_on(self.pipeline.examine(download))
    }

    /// The validator that the fetcher would be given.
    fn validator(&mut self) -> Option<String> {
        self.pipeline.current().validator().map(str::to_owned)
    }

    /// Ends the service, and gives the names of the events that it told.
    pub(super) fn told(self) -> Vec<&'static str> {
        drop(self.pipeline);
        self.events.iter().map(|event| event.name()).collect()
    }

    /// What the event of the refusal of `bytes` says.
    fn refusal(&mut self, bytes: &[u8]) -> Arc<Error> {
        assert!(self.examine(bytes).unwrap().is_none());
        let (refused, reason) = self.next_refusal();
        assert_eq!(refused, Some(id(bytes)));
        reason
    }

    fn next_refusal(&self) -> (Option<BinaryId>, Arc<Error>) {
        let patience = Duration::from_secs(10);
        loop {
            let event = self.events.recv_timeout(patience).unwrap();
            if let Event::CandidateRefused { id, reason } = event {
                return (id, reason);
            }
        }
    }
}

/// Bytes that nobody is to read.
struct Unread;

impl AsyncRead for Unread {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Waker<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        panic!("it is not to be read")
    }
}

pub(super) fn binary(number: u8) -> Vec<u8> {
    let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    bytes.push(number);
    bytes
}

const PREVIOUS: &str = ".app.selfup-previous";

const HISTORY: &str = ".app.selfup-history";

#[test]
fn a_good_candidate_takes_the_path() {
    let mut service = Service::whose_candidates("good");
    let new = binary(2);
    let candidate = service.examine(&new).unwrap().unwrap();
    assert_eq!(candidate.addresses().unwrap(), [":3000", "[::1]:4000"]);
    assert_eq!(service.validator(), None, "its cycle has not ended yet");
    service.pipeline.swap(candidate).unwrap();
    assert_eq!(service.pipeline.target.inode(), Inode::at(&service.place.path).unwrap());
    service.pipeline.keep();
    assert_eq!(service.pipeline.current().id(), id(&new));
    assert_eq!(service.validator(), Some(id(&new).short()));
    assert_eq!(service.place.names(), [HISTORY, PREVIOUS, "app"]);
    assert!(service.place.content("app") == new);
    assert!(service.examine(&new).unwrap().is_none(), "it runs already");
    assert_eq!(service.told(), ["candidate_staged", "upgraded"]);
}

#[test]
fn the_bytes_that_run_are_taken_for_what_they_are() {
    let mut service = Service::whose_candidates("good");
    assert!(service.examine(&binary(1)).unwrap().is_none());
    assert_eq!(service.validator(), Some(id(&binary(1)).short()), "the cycle ended");
    let announced = Download::new(tokio::io::empty()).sha256(*id(&binary(1)).as_bytes());
    assert!(service.take(announced).unwrap().is_none(), "not one byte was read");
    assert!(service.told().is_empty());
}

#[test]
fn what_is_no_binary_is_refused_once_and_leaves_nothing() {
    let mut service = Service::whose_candidates("good");
    let page = b"<!DOCTYPE html>";
    assert_eq!(service.refusal(page).kind(), ErrorKind::Note);
    assert_eq!(service.validator(), Some(id(page).short()), "other bytes are waited for");
    assert!(service.examine(page).unwrap().is_none());
    assert_eq!(service.place.names(), [HISTORY, "app"]);
    assert!(service.examine(&binary(2)).unwrap().is_some(), "the next good one is taken");
    assert_eq!(service.told(), ["candidate_staged"]);
}

/// Where nobody told the length, what looks cut off may have been cut on its way.
#[test]
fn the_validator_of_what_may_be_a_part_is_not_handed_out() {
    let mut service = Service::whose_candidates("good");
    let part = &binary(2)[..10_000];
    for _ in 0..2 {
        assert!(service.take(download(part).validator("v2")).unwrap().is_none());
        assert_eq!(service.validator(), None);
    }
    assert_eq!(service.told(), ["candidate_staged", "candidate_refused"]);
}

#[test]
fn a_broken_transfer_is_tried_again() {
    let mut service = Service::whose_candidates("good");
    let new = binary(2);
    let cut = download(&new[..10_000]).length(new.len() as u64).validator("v2");
    assert!(service.take(cut).unwrap().is_none());
    let (refused, reason) = service.next_refusal();
    assert_eq!((refused, reason.kind()), (None, ErrorKind::Verify));
    let forged = download(&new).sha256([7; 32]).validator("v2");
    assert!(service.take(forged).unwrap().is_none());
    let (refused, reason) = service.next_refusal();
    assert_eq!((refused, reason.kind()), (Some(id(&new)), ErrorKind::Verify));
    assert_eq!((service.validator(), service.place.names()), (None, vec!["app".to_owned()]));
    let good = download(&new).sha256(*id(&new).as_bytes()).validator("v2");
    assert!(service.take(good).unwrap().is_some());
}

/// What is no matter of the bytes is the caller's to tell, and nothing is remembered.
#[test]
fn an_error_is_not_a_refusal() {
    let mut service = Service::whose_candidates("good");
    std::fs::remove_file(&service.place.path).unwrap();
    let error = service.examine(&binary(2)).unwrap_err();
    assert!(error.to_string().contains("leads to no file"), "{error}");
    std::fs::write(&service.place.path, binary(1)).unwrap();
    chmod(&service.place.path, 0o755);
    let (reader, _writer) = tokio::io::duplex(64);
    service.pipeline.limits.idle = Duration::from_millis(10);
    let error = service.take(Download::new(reader).validator("v2")).unwrap_err();
    assert_eq!((error.kind(), service.validator()), (ErrorKind::Fetch, None));
    assert!(service.examine(&binary(2)).unwrap().is_some());
    assert_eq!(service.told(), ["candidate_staged"]);
}

#[test]
fn what_fails_in_the_probe_is_tried_again_after_a_while() {
    let mut service = Service::whose_candidates("panics");
    let (bad, before) = (binary(2), Instant::now());
    let reason = service.refusal(&bad);
    let minute = Duration::from_secs(60);
    let retry = service.pipeline.retry_at().unwrap();
    assert!(retry >= before + minute && retry <= Instant::now() + minute, "{retry:?}");
    let words = reason.chain();
    assert_eq!(reason.kind(), ErrorKind::Probe);
    assert!(words.contains("no database at example.com"), "{words}");
    assert!(service.examine(&bad).unwrap().is_none(), "it is not run again");
    assert_eq!(service.validator(), Some(id(&bad).short()), "nor sent again");
    assert_eq!(service.pipeline.retry_at(), Some(retry), "nor put off");

    let now = Instant::now();
    let earlier = now.checked_sub(minute).unwrap();
    service.pipeline.history.forget(id(&bad));
    service.pipeline.history.fail(id(&bad), &reason, earlier);
    assert_eq!(service.validator(), None, "its time has come: the bytes are asked for");
    assert_eq!(service.refusal(&bad).kind(), ErrorKind::Probe);
    assert!(service.pipeline.retry_at().unwrap() >= now + 10 * minute);
    assert_eq!(service.validator(), Some(id(&bad).short()));
    assert_eq!(service.place.names(), [HISTORY, "app"]);
}

#[test]
fn a_candidate_has_to_read_the_newest_snapshot_of_the_masters_state() {
    let mut service = Service::whose_candidates("good");
    let rehearsal = service.pipeline.rehearsal.clone();
    rehearsal.set("of a later version".into());
    let reason = service.refusal(&binary(2));
    assert_eq!(reason.kind(), ErrorKind::Probe);
    assert!(reason.to_string().contains("cannot take over the master's state"), "{reason}");
    rehearsal.set("of this version".into());
    assert!(service.examine(&binary(3)).unwrap().is_some());
}

#[test]
fn other_bytes_end_the_wait_for_a_retry() {
    let mut service = Service::whose_candidates("panics");
    service.refusal(&binary(2));
    assert!(service.examine(&binary(1)).unwrap().is_none());
    assert_eq!(service.pipeline.retry_at(), None, "nobody offers the others any more");
    assert_eq!(service.validator(), Some(id(&binary(1)).short()));
}

#[test]
fn the_hook_sees_a_candidate_that_it_can_run_and_its_word_is_final() {
    let hook = |candidate: &Candidate| {
        if candidate.id() != id(&binary(2)) {
            return Err("not on a Friday".into());
        }
        let output = candidate.command().arg("--help").output()?;
        assert!(output.status.success());
        assert_eq!(BinaryId::of_file(candidate.path())?, candidate.id());
        Ok(())
    };
    let mut service = Service::with_hook("good", Some(Box::new(hook)));
    let candidate = loop {
        match service.examine(&binary(2)) {
            // A fork of another test has the file open.
            Err(error) if error.kind() == ErrorKind::Spawn => {}
            examined => break examined.unwrap(),
        }
    };
    assert!(candidate.is_some());
    let error = service.refusal(&binary(3));
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.chain().ends_with("turned it down: not on a Friday"), "{}", error.chain());
    assert!(service.examine(&binary(3)).unwrap().is_none());
    assert_eq!(service.pipeline.retry_at(), None);
}

/// The hook met a busy file, and has said nothing about the candidate.
#[test]
fn a_hook_that_could_not_run_the_candidate_is_asked_again() {
    let mut asked = 0;
    let hook = move |_: &Candidate| {
        asked += 1;
        let busy = || io::Error::from_raw_os_error(libc::ETXTBSY);
        if asked == 1 { Err(crate::BoxError::from(busy())) } else { Ok(()) }
    };
    let mut service = Service::with_hook("good", Some(Box::new(hook)));
    assert_eq!(service.examine(&binary(2)).unwrap_err().kind(), ErrorKind::Spawn);
    assert_eq!(service.validator(), None);
    assert!(service.examine(&binary(2)).unwrap().is_some());
}

#[test]
fn a_hook_that_panics_refuses() {
    let hook = |_: &Candidate| panic!("the hook panics, as the test asks it to");
    let mut service = Service::with_hook("good", Some(Box::new(hook)));
    assert!(service.refusal(&binary(2)).to_string().contains("hook panicked"));
}

#[test]
fn a_candidate_that_fails_its_trial_is_rolled_back_and_waits() {
    let mut service = Service::whose_candidates("good");
    let (old, new) = (binary(1), binary(2));
    let candidate = service.examine(&new).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    let reason = Error::new(ErrorKind::NotReady, "generation 2 never became ready");
    service.pipeline.restore(&reason).unwrap();
    assert_eq!(service.pipeline.current().id(), id(&old));
    assert!(service.place.content("app") == old);
    assert_eq!(service.place.names(), [HISTORY, "app"]);
    assert!(service.pipeline.retry_at().is_some());
    assert!(service.examine(&new).unwrap().is_none());
    assert_eq!(service.told(), ["candidate_staged", "upgraded", "rolled_back"]);
}

#[test]
fn a_deploy_by_hand_is_followed() {
    let mut service = Service::whose_candidates("good");
    let deployed = service.place.directory.path().join("deployed");
    std::fs::write(&deployed, binary(5)).unwrap();
    chmod(&deployed, 0o755);
    std::fs::rename(deployed, &service.place.path).unwrap();
    assert!(service.examine(&binary(5)).unwrap().is_none(), "it is on disk already");
    assert_eq!(service.pipeline.current().id(), id(&binary(5)));
    let candidate = service.examine(&binary(6)).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    assert!(service.place.content(PREVIOUS) == binary(5));
}

#[test]
fn behind_a_link_the_file_is_replaced_and_the_link_stays() {
    let place = Place::with(&binary(1));
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("current");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    std::fs::write(place.directory.path().join(".app.selfup-stage-abc123"), "left").unwrap();
    let observer = Observer::start(Verbosity::Silent, None);
    let origin = origin_at(link.clone(), "good");
    let mut pipeline =
        Pipeline::open(origin, Acceptance::default(), None, observer, Rehearsal::default(), None)
            .unwrap();
    assert_eq!(place.names(), ["app"], "leftovers are swept");
    let candidate = block_on(pipeline.examine(download(&binary(2)))).unwrap().unwrap();
    pipeline.swap(candidate).unwrap();
    pipeline.keep();
    assert_eq!(std::fs::read_link(&link).unwrap(), place.path);
    assert_eq!(BinaryId::of_file(&link).unwrap(), id(&binary(2)));
    assert_eq!(place.names(), [HISTORY, PREVIOUS, "app"]);
}
