use super::*;
use crate::upgrade::testing::{Place, id, staged};
use crate::upgrade::{swap, trial::Trial};

const PREVIOUS: &str = ".app.selfup-previous";

/// A binary "old" that somebody upgraded to "new", which stays; and what was at the path before.
fn upgraded() -> (Place, Option<Inode>) {
    let place = Place::with(b"old");
    let seen = Inode::at(&place.path).ok();
    let mut target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    swap::swap(&mut target, candidate, &mut None).unwrap();
    assert!(looked(&place, seen).is_none(), "it is on trial");
    Trial::remove(&target).unwrap();
    (place, seen)
}

fn looked(place: &Place, seen: Option<Inode>) -> Option<(Inode, Result<()>)> {
    let origin = Origin::of_test(place.path.clone(), &["app"], &[]);
    look(&origin, &Acceptance::default(), seen)
}

fn deploy(place: &Place) {
    let file = place.directory.path().join("deploy");
    std::fs::write(&file, "by hand").unwrap();
    std::fs::rename(file, &place.path).unwrap();
}

#[test]
fn an_upgrade_is_known_without_a_history() {
    let (place, seen) = upgraded();
    assert_eq!(place.names(), [PREVIOUS, "app"]);
    let (found, news) = looked(&place, seen).unwrap();
    news.unwrap();
    assert!(looked(&place, Some(found)).is_none(), "once");
}

#[test]
fn an_upgrade_is_known_by_the_history_where_another_came_between() {
    let (place, _) = upgraded();
    let mut history = History::default();
    history.prove(id(b"new"), id(b"old"));
    history.save(&place.target()).unwrap();
    let (_, news) = looked(&place, Inode::at(place.directory.path()).ok()).unwrap();
    news.unwrap();
}

#[test]
fn what_is_not_known_to_be_an_upgrade_is_told_with_what_could_not_be_read() {
    let (place, seen) = upgraded();
    let before = looked(&place, seen).unwrap().0;
    deploy(&place);
    let words = looked(&place, Some(before)).unwrap().1.unwrap_err().chain();
    assert!(words.contains("deploy by hand") && words.contains("restart"), "{words}");

    std::fs::write(place.directory.path().join(".app.selfup-history"), "garbled").unwrap();
    let words = looked(&place, Some(before)).unwrap().1.unwrap_err().chain();
    assert!(words.contains("deploy by hand") && words.contains("cannot be read"), "{words}");
}

/// As of a service that was started during a trial.
#[test]
fn what_comes_back_in_place_of_a_release_that_failed_here_is_followed() {
    let place = Place::with(b"old");
    let exe = Path::new("/proc/self/exe");
    let (seen, running) = (Inode::at(exe).ok(), BinaryId::of_file(exe).unwrap());
    looked(&place, seen).unwrap().1.unwrap_err();
    let reason = Error::new(ErrorKind::NotReady, "it crashed");
    let mut trial = Trial::of(running, id(b"old"));
    trial.write(place.target().folder()).unwrap();
    assert!(looked(&place, seen).is_none(), "it has not failed yet");
    trial.fail(&reason);
    trial.write(place.target().folder()).unwrap();
    looked(&place, seen).unwrap().1.unwrap();
    Trial::remove(&place.target()).unwrap();
    looked(&place, seen).unwrap().1.unwrap_err();
    let mut history = History::default();
    history.fail(running, &reason, std::time::Instant::now());
    history.save(&place.target()).unwrap();
    looked(&place, seen).unwrap().1.unwrap();
}

#[test]
fn a_file_that_is_not_replaced_yet_is_no_news() {
    let place = Place::with(b"old");
    assert!(looked(&place, Inode::at(&place.path).ok()).is_none());
}
