use super::*;
use crate::upgrade::testing::{chmod, mode};

fn beside(directory: &Path) -> Folder {
    Folder::beside(directory, OsStr::new("app"))
}

#[test]
fn what_is_written_is_read_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let folder = beside(directory.path());
    assert_eq!(folder.read("trial", 10).unwrap(), None);
    folder.write("trial", "text").unwrap();
    assert_eq!(folder.read("trial", 4).unwrap().as_deref(), Some("text"));
    assert!(folder.read("trial", 3).unwrap_err().to_string().contains("longer than 3 bytes"));
    assert_eq!(mode(&directory.path().join(".app.selfup-trial")), 0o600);
    folder.remove("trial").unwrap();
    folder.remove("trial").unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn what_others_can_write_or_is_a_link_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let folder = beside(directory.path());
    let path = folder.path_of("trial");
    std::fs::write(&path, "text").unwrap();
    for bits in [0o620, 0o602, 0o666] {
        chmod(&path, bits);
        let words = folder.read("trial", 10).unwrap_err().to_string();
        assert!(words.contains("others can write it"), "{words}");
    }
    chmod(&path, 0o644);
    assert!(folder.read("trial", 10).unwrap().is_some());
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let words = folder.read("trial", 10).unwrap_err().to_string();
        assert!(words.contains("belongs to user 65534"), "{words}");
    }
    std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    folder.read("trial", 10).unwrap_err();
}

#[test]
fn two_binaries_of_one_name_have_different_files_in_a_state_dir() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("deep/state");
    let one = Folder::in_state_dir(&state, Path::new("/a/app")).unwrap();
    let other = Folder::in_state_dir(&state, Path::new("/b/app")).unwrap();
    assert_eq!(mode(&state), 0o700);
    one.write("history", "1").unwrap();
    assert_eq!(other.read("history", 10).unwrap(), None);
    let again = Folder::in_state_dir(&state, Path::new("/a/app")).unwrap();
    assert_eq!(again.read("history", 10).unwrap().as_deref(), Some("1"));
    std::fs::write(state.join(".app.selfup-stage-x"), "of another").unwrap();
    let left = one.new_file().unwrap().keep().unwrap().1;
    other.sweep().unwrap();
    assert!(left.exists());
    one.sweep().unwrap();
    assert!(!left.exists() && state.join(".app.selfup-stage-x").exists());
}

#[test]
fn a_state_dir_that_others_can_write_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    for bits in [0o770, 0o1777] {
        chmod(directory.path(), bits);
        let error = Folder::in_state_dir(directory.path(), Path::new("/a/app")).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("chmod go-w") && words.contains("state_dir"), "{words}");
    }
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let words = Folder::in_state_dir(&file, Path::new("/a/app")).unwrap_err().to_string();
    assert!(words.contains("; make it, or name another"), "{words}");
}
