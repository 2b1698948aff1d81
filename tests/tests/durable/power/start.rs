//! Starting from what a power cut has left.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::sync::Mutex;

use selfup_tests::{Answer, Publisher, Release, eventually};

use super::disk::{Content, Found, State};
use super::log::Log;
use crate::place::{Place, is_in_state_dir};
use crate::site::{ELSEWHERE, HISTORY, PREVIOUS, TRIAL, builder, is_tidy};

/// Starts a service from each of the states that differ in more than the names of leftovers and how
/// many there are of a kind, and says how many these are.
pub(super) fn start_from_each(log: &Log, states: &std::collections::BTreeSet<State>) -> usize {
    let different: BTreeMap<_, _> =
        states.iter().map(|state| (what_matters(state), state)).collect();
    let count = different.len();
    let publisher = Publisher::start(Answer::Status(404));
    let left = Mutex::new(different.into_values());
    let work = || {
        while let Some(state) = left.lock().ok().and_then(|mut left| left.next()) {
            start_from(log, state, &publisher);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    count
}

/// A start removes leftovers by their names, and does not look into them.
fn what_matters(state: &State) -> BTreeMap<&str, Option<Found>> {
    let known = |name: &str| ["app", PREVIOUS, HISTORY, ELSEWHERE, TRIAL].contains(&name);
    let matter = |(name, found): (_, &Found)| {
        if known(name) { (name, Some(*found)) } else { ("a leftover", None) }
    };
    state.iter().map(|(name, found)| matter((name.as_str(), found))).collect()
}

fn start_from(log: &Log, state: &State, publisher: &Publisher) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let place = Place::new(temporary.path());
    for (name, found) in state {
        put(log, &place.path_of(name), *found);
    }
    let builder = builder(&place.directory(), publisher);
    let is_elsewhere = state.keys().any(|name| is_in_state_dir(name));
    let mut service =
        if is_elsewhere { builder.set("STATE_DIR", place.state()) } else { builder }.start();
    let answer = service.get("/");
    // What failed on its trial, and was not put back yet, is put back before anything else.
    let found = fs::read(service.binary()).expect("it is there");
    let may_run = ["app", PREVIOUS].into_iter().filter_map(|name| match state.get(name)?.0 {
        Content::Whole(content) => Some(&*log.contents[content]),
        _ => None,
    });
    assert!(may_run.into_iter().any(|content| *content == *found), "{state:?}");
    assert!(answer.contains(&Release::of(found).id().to_string()), "{state:?}: {answer}");
    eventually("leftovers are gone", || is_tidy(&place).then_some(()));
    assert!(service.stop().success(), "{state:?}");
}

fn put(log: &Log, path: &Path, (content, attributes): Found) {
    let whole = |id: usize| log.contents[id].to_vec();
    let bytes = match content {
        Content::Whole(id) => whole(id),
        Content::Half(id) => whole(id)[..log.contents[id].len() / 2].to_vec(),
        Content::Zeros(id) => vec![0; log.contents[id].len()],
        Content::Empty => vec![],
    };
    Release::of(bytes).install(path);
    if nix::unistd::geteuid().is_root() {
        let (user, group) = attributes.owner;
        chown(path, Some(user), Some(group)).expect("root may do so");
    }
    let mode = fs::Permissions::from_mode(attributes.mode);
    fs::set_permissions(path, mode).expect("it is ours");
}
