use std::os::unix::fs::MetadataExt as _;

use std::fs::File;

use super::*;
use crate::upgrade::lock::lock;
use crate::upgrade::testing::{Place, chmod, id, mode, run_as_nobody, staged, test_path};

const PREVIOUS: &str = ".app.selfup-previous";

/// Who swaps is not who ends the trial.
const TRIAL: &str = ".app.selfup-trial";

fn upgrade(target: &mut Target, bytes: &[u8]) -> Result<Swapped> {
    let candidate = staged(target, bytes)?;
    swap(target, candidate, &mut None)
}

/// A binary "old" that was replaced by "new".
fn swapped() -> (Place, Target, Swapped) {
    let place = Place::with(b"old");
    let mut target = place.target();
    let swapped = upgrade(&mut target, b"new").unwrap();
    (place, target, swapped)
}

#[test]
fn the_candidate_takes_the_path_and_the_previous_binary_keeps_a_name() {
    let (place, target, swapped) = swapped();
    assert_eq!(place.names(), [PREVIOUS, TRIAL, "app"]);
    assert_eq!((place.content("app"), place.content(PREVIOUS)), (b"new".into(), b"old".into()));
    assert_eq!(
        (target.id(), swapped.id(), swapped.previous_id()),
        (id(b"new"), id(b"new"), id(b"old"))
    );
    assert_eq!(target.inode(), Inode::at(&place.path).unwrap());
    assert_eq!(mode(&place.path), 0o755);
}

#[test]
fn the_previous_binary_comes_back() {
    let (place, mut target, swapped) = swapped();
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert_eq!(
        (place.names(), place.content("app")),
        (vec![TRIAL.into(), "app".into()], b"old".into())
    );
    assert!(target.is_in_place() && target.id() == id(b"old"));
}

#[test]
fn the_lock_travels_with_the_path() {
    let (place, mut target, swapped) = swapped();
    let locked = || Target::open(place.path.clone(), None).is_err();
    assert!(locked(), "the candidate is locked");
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert!(locked(), "the binary that is back is locked");
    let second = upgrade(&mut target, b"newer").unwrap();
    std::fs::remove_file(place.directory.path().join(PREVIOUS)).unwrap();
    restore(&mut target, &mut Some(second)).unwrap();
    assert!(locked(), "a copy that is back is locked");
    drop(target);
    assert!(!locked());
}

/// Whether its other name was removed or leads elsewhere: the file is held open.
#[test]
fn the_previous_binary_comes_back_without_its_name() {
    for stray in [None, Some("stray")] {
        let (place, mut target, swapped) = swapped();
        let previous = place.directory.path().join(PREVIOUS);
        std::fs::remove_file(&previous).unwrap();
        if let Some(stray) = stray {
            std::fs::write(&previous, stray).unwrap();
        }
        restore(&mut target, &mut Some(swapped)).unwrap();
        assert_eq!((place.content("app"), mode(&place.path)), (b"old".into(), 0o755));
        assert!(target.is_in_place());
    }
}

#[test]
fn a_deploy_by_hand_stays() {
    let deploy = |place: &Place| {
        let file = place.directory.path().join("deploy");
        std::fs::write(&file, "by hand").unwrap();
        std::fs::rename(file, &place.path).unwrap();
    };
    let (place, mut target, swapped) = swapped();
    deploy(&place);
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert_eq!(place.content("app"), b"by hand");

    let mut target = place.target();
    let candidate = staged(&target, b"new").unwrap();
    deploy(&place);
    let error = swap(&mut target, candidate, &mut None).unwrap_err();
    assert!(error.to_string().contains("another file was put at"), "{error}");
    assert_eq!(
        (place.names(), place.content("app")),
        (vec![PREVIOUS.into(), TRIAL.into(), "app".into()], b"by hand".into())
    );
}

/// A swap that was killed between its renames leaves both names with one file, and a rename between
/// those does nothing.
#[test]
fn a_previous_name_that_is_the_binary_itself_is_no_hindrance() {
    let place = Place::with(b"old");
    std::fs::hard_link(&place.path, place.directory.path().join(PREVIOUS)).unwrap();
    let mut target = place.target();
    upgrade(&mut target, b"new").unwrap();
    assert_eq!(place.names(), [PREVIOUS, TRIAL, "app"]);
    assert_eq!(place.content(PREVIOUS), b"old");
}

#[test]
fn a_stale_previous_binary_makes_way() {
    let place = Place::with(b"old");
    std::fs::write(place.directory.path().join(PREVIOUS), "older").unwrap();
    let mut target = place.target();
    upgrade(&mut target, b"new").unwrap();
    assert_eq!(place.content(PREVIOUS), b"old");
}

#[test]
fn every_failure_leaves_the_binary_and_no_candidate() {
    let place = Place::with(b"old");
    let mut target = place.target();
    let changed = staged(&target, b"new").unwrap();
    std::fs::write(changed.path(), "other").unwrap();
    let error = swap(&mut target, changed, &mut None).unwrap_err();
    assert!(error.to_string().contains("changed after it was digested"), "{error}");
    assert_eq!((place.names(), place.content("app")), (vec!["app".to_owned()], b"old".into()));

    let in_the_way = place.directory.path().join(PREVIOUS);
    std::fs::create_dir(&in_the_way).unwrap();
    let error = upgrade(&mut target, b"new").unwrap_err();
    assert!(error.to_string().contains("could not be replaced"), "{error}");
    assert_eq!(
        (place.names(), place.content("app")),
        (vec![PREVIOUS.into(), "app".into()], b"old".into())
    );

    std::fs::remove_dir(in_the_way).unwrap();
    let candidate = staged(&target, b"new").unwrap();
    std::fs::remove_file(&place.path).unwrap();
    std::fs::create_dir(&place.path).unwrap();
    swap(&mut target, candidate, &mut None).unwrap_err();
    assert_eq!(place.names(), ["app"]);
}

#[test]
fn set_id_bits_are_kept() {
    let place = Place::with(b"old");
    chmod(&place.path, 0o6711);
    let mut target = place.target();
    let swapped = upgrade(&mut target, b"new").unwrap();
    assert_eq!(mode(&place.path), 0o6711);
    std::fs::remove_file(place.directory.path().join(PREVIOUS)).unwrap();
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert_eq!(mode(&place.path), 0o6711, "of a copy, too");
}

/// `fs.protected_hardlinks` refuses links to what belongs to somebody else; root is exempt, so as
/// root this test gives the directory away and runs itself again.
#[test]
fn where_links_are_refused_the_previous_binary_is_a_copy() {
    let test = "where_links_are_refused_the_previous_binary_is_a_copy";
    if nix::unistd::geteuid().is_root() {
        let place = Place::with(b"old");
        std::os::unix::fs::chown(place.directory.path(), Some(65534), Some(65534)).unwrap();
        run_as_nobody(place.directory.path(), &test_path(module_path!(), test));
        return;
    }
    let directory = std::env::temp_dir().canonicalize().unwrap();
    let path = directory.join("app");
    if !std::fs::metadata(&path).is_ok_and(|binary| binary.uid() == 0) {
        eprintln!("skipped: only root can prepare a binary of somebody else");
        return;
    }
    let mut target = Target::open(path.clone(), None).unwrap();
    if target.new_link(&path).is_ok() {
        eprintln!("skipped: fs.protected_hardlinks is off");
        return;
    }
    let swapped = upgrade(&mut target, b"new").unwrap();
    let previous = directory.join(PREVIOUS);
    assert_eq!(std::fs::read(&previous).unwrap(), b"old");
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert!(Target::open(path.clone(), None).is_err());
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert!(!previous.exists() && Target::open(path, None).is_err());
}

/// Whoever may read it may lock it.
#[test]
fn a_lock_on_the_previous_binary_does_not_keep_it_from_coming_back() {
    let (place, mut target, swapped) = swapped();
    drop(swapped);
    let stranger = lock(File::open(target.previous_path()).unwrap()).unwrap();
    let trial = Trial::load(target.folder()).unwrap().unwrap();
    let swapped = take_up(&target, &trial).unwrap();
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert_eq!(
        (place.names(), place.content("app")),
        (vec![TRIAL.into(), "app".into()], b"old".into())
    );
    assert!(target.is_in_place() && target.is_locked() && mode(&place.path) == 0o755);
    drop(stranger);
    assert!(Target::open(place.path.clone(), None).is_err(), "the lock at the path is ours");
}

/// With so long a name, the previous binary has one and a file for staging has not.
#[test]
fn a_locked_previous_binary_comes_back_though_no_copy_can_be_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap().join("a".repeat(236));
    std::fs::write(&path, "new").unwrap();
    let mut target = Target::lock(path.clone()).unwrap();
    let previous = target.previous_path();
    std::fs::write(&previous, "old").unwrap();
    assert!(target.new_file().is_err());
    let stranger = lock(File::open(&previous).unwrap()).unwrap();
    let trial = Trial::of(id(b"new"), id(b"old"));
    let swapped = take_up(&target, &trial).unwrap();
    restore(&mut target, &mut Some(swapped)).unwrap();
    assert!(std::fs::read(&path).unwrap() == b"old" && !previous.exists());
    assert!(target.is_in_place() && target.id() == id(b"old") && !target.is_locked());
    drop(stranger);
}

/// Its owner could write to it once it was looked at.
#[test]
fn a_previous_binary_of_a_stranger_is_not_taken() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI has to give files away");
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let (place, target, swapped) = swapped();
    drop(swapped);
    let previous = target.previous_path();
    std::os::unix::fs::chown(&previous, Some(65534), None).unwrap();
    let trial = Trial::load(target.folder()).unwrap().unwrap();
    let words = take_up(&target, &trial).unwrap_err().chain();
    assert!(words.contains("belongs to user 65534"), "{words}");
    // But for the owner of the binary itself.
    std::os::unix::fs::chown(&place.path, Some(65534), None).unwrap();
    take_up(&target, &trial).unwrap();
}
