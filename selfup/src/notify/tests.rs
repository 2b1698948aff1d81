use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::*;
use crate::event::Verbosity;
use crate::testing::eventually;

/// A manager that listens, and what a service is told of it.
fn listening() -> (tempfile::TempDir, UnixDatagram, Manager) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let manager = told(&[(SOCKET, path.to_str().unwrap())]).unwrap();
    (directory, socket, manager)
}

fn told(env: &[(&str, &str)]) -> Option<Manager> {
    let env: Vec<_> = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Manager::of(&env, &Observer::start(Verbosity::Silent, None))
}

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 1024];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn a_manager_is_found_at_a_path_and_at_an_abstract_name() {
    let (_directory, socket, mut manager) = listening();
    manager.say("READY=1".into());
    assert_eq!(heard(&socket), "READY=1");
    let name = format!("selfup-test-{:x}", fastrand::u64(..));
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    told(&[(SOCKET, &format!("@{name}"))]).unwrap().say("STATUS=x".into());
    assert_eq!(heard(&socket), "STATUS=x");
    for nobody in ["", "vsock:2:9", "relative"] {
        assert!(told(&[(SOCKET, nobody)]).is_none(), "{nobody}");
    }
    assert!(told(&[]).is_none());
}

#[test]
fn a_manager_that_does_not_read_has_everything_kept_for_it_in_order() {
    let (_directory, socket, mut manager) = listening();
    for number in 0..200 {
        manager.say(format!("STATUS={number}"));
        manager.say_alive();
    }
    assert!(!manager.unsent.is_empty(), "the kernel has a bound");
    let mut numbers = Vec::<i32>::new();
    while numbers.len() < 200 {
        let text = heard(&socket);
        numbers.extend(text.strip_prefix("STATUS=").map(|number| number.parse::<i32>().unwrap()));
        manager.try_again(manager.retry_at().unwrap_or_else(Instant::now));
    }
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    assert!(manager.retry_at().is_none());
}

#[test]
fn what_waits_for_a_manager_is_bounded_and_its_last_word_is_kept() {
    let (_directory, _socket, mut manager) = listening();
    for number in 0..3 * MOST {
        manager.say(format!("STATUS={number}"));
    }
    assert_eq!(manager.unsent.len(), MOST);
    assert_eq!(manager.unsent.back().unwrap().text, format!("STATUS={}", 3 * MOST - 1));
}

#[test]
fn a_manager_that_is_gone_is_not_waited_for_and_is_heard_of_again_when_it_is_back() {
    let (directory, socket, mut manager) = listening();
    drop(socket);
    let path = directory.path().join("notify");
    let client = UnixDatagram::unbound().unwrap();
    eventually("nobody listens", || client.connect(&path).err());
    manager.say("STATUS=1".into());
    assert!(manager.is_lost && manager.retry_at().is_none());
    std::fs::remove_file(&path).unwrap();
    manager.say("STATUS=2".into());
    let socket = UnixDatagram::bind(&path).unwrap();
    manager.say("STATUS=3".into());
    assert_eq!(heard(&socket), "STATUS=3");
    assert!(!manager.is_lost);
}

#[test]
fn a_watchdog_that_is_for_another_process_is_not_fed() {
    let (_directory, socket, _) = listening();
    let path = socket.local_addr().unwrap().as_pathname().unwrap().to_str().unwrap().to_owned();
    let own = std::process::id().to_string();
    let every = |usec: &str, pid: Option<&str>| {
        let mut env = vec![(SOCKET, path.as_str()), (WATCHDOG_USEC, usec)];
        env.extend(pid.map(|pid| (WATCHDOG_PID, pid)));
        told(&env).unwrap().beat_every()
    };
    assert_eq!(every("4000000", Some(&own)), Some(Duration::from_secs(2)));
    assert_eq!(every("4000000", None), Some(Duration::from_secs(2)));
    assert_eq!(every("4000000", Some("1")), None);
    assert_eq!(every("0", None), None);
    assert_eq!(every("often", None), None);
}

#[test]
fn a_socket_is_given_away_as_a_copy() {
    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    let (_directory, socket, mut manager) = listening();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    manager.keep("selfup-tcp-x", listener.as_fd());
    let (mut buffer, mut control) = ([0; 100], nix::cmsg_space!([RawFd; 2]));
    let mut slices = [io::IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags).unwrap();
    let messages: Vec<_> = message.cmsgs().unwrap().collect();
    assert!(matches!(&messages[..], [ControlMessageOwned::ScmRights(fds)] if fds.len() == 1));
    let length = message.bytes;
    assert_eq!(&buffer[..length], b"FDSTORE=1\nFDNAME=selfup-tcp-x\nFDPOLL=0");
}
