use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use nix::unistd::User;

use super::*;
use crate::testing::eventually;

fn options(mode: Option<u32>) -> Options {
    Options { mode, ..Options::default() }
}

fn bind_at(path: &Path) -> io::Result<(Socket, Placed)> {
    bind(path, &options(None), 16)
}

fn kind_of_refusal(path: &Path) -> io::ErrorKind {
    bind_at(path).map(drop).unwrap_err().kind()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// A socket that nobody listens on any more.
fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    eventually("nobody listens on it", || UnixStream::connect(path).err());
}

#[test]
fn a_socket_is_at_its_path_with_its_mode_until_its_last_holder_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let (socket, placed) = bind(&path, &options(Some(0o620)), 16).unwrap();
    assert_eq!(names_in(directory.path()), ["a.sock"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o620);
    UnixStream::connect(&path).unwrap();
    drop(socket);
    assert_eq!(names_in(directory.path()), ["a.sock"]);
    drop(placed);
    assert_eq!(names_in(directory.path()), [""; 0]);
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    leave_stale(&path);
    let bound = bind_at(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    assert_eq!(kind_of_refusal(&path), io::ErrorKind::AddrInUse);
    drop(bound);
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(kind_of_refusal(&path), io::ErrorKind::AddrInUse);
    assert_eq!(names_in(directory.path()), ["a.sock"]);
}

#[test]
fn what_a_killed_master_left_beside_the_path_goes_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    leave_stale(&at(".a.sock.selfup-Abc123"));
    let others = [".a.sock.selfup-Abc1234", ".b.sock.selfup-Abc123", ".a.sock.selfup-live00"];
    leave_stale(&at(others[0]));
    leave_stale(&at(others[1]));
    let _live = UnixListener::bind(at(others[2])).unwrap();
    fs::write(at(".a.sock.selfup-file00"), "precious").unwrap();
    let _bound = bind_at(&at("a.sock")).unwrap();
    let mut names = names_in(directory.path());
    names.sort();
    let mut expected = vec!["a.sock", ".a.sock.selfup-file00"];
    expected.extend(others);
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn a_socket_whose_queue_is_full_is_in_use_and_so_is_one_for_packets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let (_socket, _placed) = bind(&path, &options(None), 1).unwrap();
    let queue: Vec<_> = std::iter::repeat_with(|| {
        let client = socket().unwrap();
        client.connect(&SockAddr::unix(&path).unwrap()).map(|()| client)
    })
    .take_while(Result::is_ok)
    .collect();
    assert!(!queue.is_empty());
    assert_eq!(kind_of_refusal(&path), io::ErrorKind::AddrInUse);
    let path = directory.path().join("b.sock");
    let packets = UnixDatagram::bind(&path).unwrap();
    assert_eq!(kind_of_refusal(&path), io::ErrorKind::AddrInUse);
    drop(packets);
    eventually("it is replaced", || bind_at(&path).ok());
}

#[test]
fn what_is_no_socket_is_never_touched() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    leave_stale(&at("stale"));
    fs::write(at("file"), "precious").unwrap();
    fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink(at("stale"), at("link")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    for (name, what) in [
        ("file", "is a regular file"),
        ("directory", "is a directory"),
        ("link", "is a symbolic link"),
        ("dangling", "is a symbolic link"),
    ] {
        let error = bind_at(&at(name)).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(error.to_string().ends_with(what), "{error}");
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
    assert_eq!(names_in(directory.path()).len(), 5);
}

#[test]
fn only_what_was_put_there_is_removed_and_by_who_is_in_charge() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let (socket, placed) = bind_at(&path).unwrap();
    let heir = || Placed::taken_over(path.to_str().unwrap(), placed.inode);
    drop(heir());
    assert!(path.exists(), "it is another's still");
    drop(socket);
    let (_socket, other) = eventually("it is replaced", || bind_at(&path).ok());
    heir().own();
    drop(placed);
    assert!(path.exists(), "another one is there by now");
    drop(other);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let later = Placed { path: path.clone(), inode: (0, 0), is_ours: AtomicBool::new(true) };
    drop(later);
    assert!(path.exists());
}

#[test]
fn of_many_that_are_started_at_once_one_gets_the_path_of_a_stale_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    for is_stale in [true, false] {
        if is_stale {
            leave_stale(&path);
        }
        let start = std::sync::Barrier::new(8);
        let bound: Vec<_> = std::thread::scope(|scope| {
            let bind = || {
                start.wait();
                bind_at(&path)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(bind)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
        let kinds = lost.iter().map(|it| it.as_ref().map(drop).unwrap_err().kind());
        assert!(kinds.clone().all(|kind| kind == io::ErrorKind::AddrInUse), "{kinds:?}");
        let (socket, placed) = won.into_iter().flatten().next().unwrap();
        assert_eq!(inode_at(&path).unwrap(), Some(placed.inode));
        UnixStream::connect(&path).unwrap();
        socket.accept().unwrap();
        assert_eq!(names_in(directory.path()), ["a.sock"]);
    }
}

#[test]
fn a_link_in_the_place_of_a_socket_is_not_followed_by_its_rights() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mode_of = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o7777;
    let _listener = UnixListener::bind(at("precious")).unwrap();
    fs::set_permissions(at("precious"), fs::Permissions::from_mode(0o600)).unwrap();
    let (_socket, placed) = bind(&at("a.sock"), &options(Some(0o600)), 16).unwrap();
    placed.set_rights(&options(Some(0o620)), &options(None)).unwrap();
    assert_eq!(mode_of("a.sock"), 0o620);
    let of_own = || Temporary { name: at("a.sock"), inode: placed.inode };
    let own = of_own();
    own.hold().unwrap();
    placed.is_ours.store(false, Ordering::Relaxed);
    for link in [fs::hard_link::<PathBuf, PathBuf>, std::os::unix::fs::symlink] {
        let _ = fs::remove_file(at("a.sock"));
        link(at("precious"), at("a.sock")).unwrap();
        placed.set_rights(&options(Some(0o666)), &options(None)).unwrap();
        assert_eq!(of_own().hold().map(drop).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(mode_of("precious"), 0o600);
        assert!(fs::symlink_metadata(at("a.sock")).is_ok(), "it is not of our own");
    }
    assert!(Held::open(&at("a.sock")).map(drop).unwrap_err().to_string().ends_with("link"));
}

#[test]
fn a_socket_that_has_got_another_name_meanwhile_is_given_no_rights() {
    let directory = tempfile::tempdir().unwrap();
    let (name, other) = (directory.path().join("a.sock"), directory.path().join("b.sock"));
    let _listener = UnixListener::bind(&name).unwrap();
    let temporary = Temporary::at(name.clone()).unwrap();
    fs::hard_link(&name, &other).unwrap();
    assert_eq!(temporary.hold().map(drop).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn who_has_the_turn_keeps_it_from_others_and_nobody_from_the_path_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let turn = turn_at(&path).unwrap();
    assert!(turn_at(&path).is_none());
    let (_socket, _placed) = bind_at(&path).unwrap();
    drop(turn);
    assert!(turn_at(&path).is_some());
}

#[test]
fn a_path_of_the_greatest_length_has_room_for_its_socket() {
    let directory = tempfile::tempdir().unwrap();
    let room = 107 - directory.path().as_os_str().len() - 1;
    let path = directory.path().join("x".repeat(room));
    let (_socket, _placed) = bind_at(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    assert_eq!(names_in(directory.path()).len(), 1);
}

#[test]
fn owners_are_names_or_numbers_of_somebody() {
    let (own, group) = (nix::unistd::Uid::effective(), nix::unistd::Gid::effective());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let of = |owner: &str, group: &str| Options {
        owner: Some(owner.to_owned()),
        group: Some(group.to_owned()),
        ..Options::default()
    };
    let name = User::from_uid(own).unwrap().unwrap().name;
    let (_socket, _placed) = bind(&path, &of(&name, &group.to_string()), 16).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().uid(), own.as_raw());
    let other = directory.path().join("b.sock");
    let error = bind(&other, &of("no-such-user", "0"), 16).map(drop).unwrap_err().to_string();
    assert!(error.contains("no user \"no-such-user\""), "{error}");
    if own.is_root() {
        let (_socket, _placed) = bind(&other, &of("12345", "54321"), 16).unwrap();
        let metadata = fs::metadata(&other).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (12345, 54321));
    }
}
