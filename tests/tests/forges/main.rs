//! Fetchers of releases at forges, and forges that follow their documented API.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod gitea;
mod github;
mod gitlab;
mod hostile;
mod service;

use std::env::consts::{ARCH, OS};

use selfup::fetcher::{Download, Fetcher};
use selfup_tests::Release;
use selfup_tests::faults::{Asked, Poller};
use selfup_tests::forge::FakeForge;

/// A name of the file for this machine, in the words of many.
fn for_here(program: &str) -> String {
    format!("{program}_{OS}_{ARCH}")
}

/// Small bytes, for what is never run.
fn bytes(text: &str) -> Release {
    Release::of(text)
}

/// The next poll finds these bytes, and they are taken.
fn takes<F: Fetcher>(poller: &mut Poller<F>) -> String {
    let taken = poller.take().expect("nothing is wrong").expect("something is new");
    poller.keep();
    String::from_utf8(taken).expect("it is text")
}

/// The next poll finds something.
fn finds<F: Fetcher>(poller: &mut Poller<F>) -> Download {
    poller.poll().expect("nothing is wrong").expect("something is new")
}

/// The next poll finds nothing new.
fn is_idle<F: Fetcher>(poller: &mut Poller<F>) {
    let found = poller.poll().expect("nothing is wrong");
    assert!(found.is_none(), "{found:?}");
}

/// The next poll fails with these words.
fn fails<F: Fetcher>(poller: &mut Poller<F>, words: &str) {
    let told = match poller.poll() {
        Ok(found) => format!("{found:?}"),
        Err(error) => selfup_tests::faults::chain(&*error),
    };
    assert!(told.contains(words), "{words:?} is not in {told}");
    assert!(!told.contains("swordfish"), "{told}");
}

/// What is asked by `polls`: method, path and status, and bytes of the body if there are any.
fn asked(forge: &FakeForge, polls: impl FnOnce()) -> Vec<String> {
    let (before, stored) =
        (forge.front.asked().len(), forge.asked().len() - forge.front.asked().len());
    polls();
    let mut all = forge.front.asked().split_off(before);
    all.extend(forge.storage.iter().flat_map(|storage| storage.asked().split_off(stored)));
    all.iter().map(line).collect()
}

fn line(asked: &Asked) -> String {
    let (request, status) = (&asked.request, asked.status);
    let body = if asked.body > 0 { " with a body" } else { "" };
    format!("{} {} {status}{body}", request.method, request.path())
}

/// Who was shown a secret: the names of headers, of the forge and of its storage.
fn shown(forge: &FakeForge) -> (bool, bool) {
    let is_shown =
        |asked: &Asked| asked.request.headers.iter().any(|(_, value)| value.contains("swordfish"));
    let storage = forge.storage.as_ref().expect("it has one");
    assert!(!storage.asked().is_empty(), "nothing was asked of it");
    (forge.front.asked().iter().all(is_shown), storage.asked().iter().any(is_shown))
}
