//! What a process manager has to see of a service, whichever it is.

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use selfup_tests::{Connection, Release, eventually, manual};

use crate::manager::Manager;
use crate::site::Site;

/// What it takes for the service once it is another process than `before`: a manager may start a program first, and
/// write of it then.
fn told_pid<M: Manager>(manager: &M, before: Option<Pid>) -> Pid {
    eventually("its process is told", || manager.pid().filter(|pid| Some(*pid) != before))
}

/// An upgrade, the succession behind it included, under load.
pub(crate) fn upgrade<M: Manager>(log: &str) {
    let Some(manager) = M::try_start(Site::new(log)) else { return };
    let (site, pid) = (manager.site(), told_pid(&manager, None));
    let load = site.load();
    for generation in 2..=3 {
        let release = Release::good();
        site.publish(&release);
        site.wait_for(&format!("event committed: generation {generation} "));
        site.wait_for_nth("event master_replaced: ", generation - 1);
        eventually("it answers", || {
            site.get("/").contains(&release.id().to_string()).then_some(())
        });
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(manager.pid(), Some(pid), "it is the same process");
    assert!(!manager.ends().contains(&M::words_of_exit(0)), "{}", manager.ends());
}

pub(crate) fn reload<M: Manager>(log: &str) {
    let Some(manager) = M::try_start(Site::new(log)) else { return };
    let (site, pid) = (manager.site(), told_pid(&manager, None));
    let load = site.load();
    for generation in 2..=3 {
        manager.reload();
        site.wait_for(&format!("event committed: generation {generation} "));
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(manager.pid(), Some(pid), "it is the same process");
}

/// A release that starts, and dies at once.
pub(crate) fn bad_release<M: Manager>(log: &str) {
    let Some(manager) = M::try_start(Site::new(log)) else { return };
    let (site, pid) = (manager.site(), told_pid(&manager, None));
    let load = site.load();
    site.publish(&Release::flawed("crashes"));
    site.wait_for("event rolled_back: ");
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert_eq!(manager.pid(), Some(pid), "it is the same process");
    assert!(site.get("/").contains(" 1 "), "the first generation serves");
}

/// By a code, and by a signal.
pub(crate) fn crash<M: Manager>(log: &str) {
    let Some(manager) = M::try_start(Site::new(log)) else { return };
    let site = manager.site();
    let first = told_pid(&manager, None);
    Connection::open(site.address()).ask("/exit?7");
    site.wait_for_nth("serving 1 ", 2);
    assert!(manager.ends().contains(&M::words_of_exit(7)), "{}", manager.ends());
    let _started_again = told_pid(&manager, Some(first));
    Connection::open(site.address()).ask(&format!("/kill?{}", libc::SIGKILL));
    site.wait_for_nth("serving 1 ", 3);
    assert!(manager.ends().contains(&M::words_of_signal(libc::SIGKILL)), "{}", manager.ends());
    assert!(site.get("/").starts_with("hello "));
}

/// The port is free for the next master at once, though the program has work to finish.
pub(crate) fn killed_master<M: Manager>(log: &str) {
    let Some(manager) = M::try_start(Site::new(log)) else { return };
    let site = manager.site();
    let mut held = Connection::open(site.address());
    let before = site.get("/");
    let killed = told_pid(&manager, None);
    kill(killed, Signal::SIGKILL).unwrap();
    site.wait_for_nth("serving 1 ", 2);
    assert_ne!(site.get("/"), before, "another process answers");
    held.ask("/");
    assert_eq!(held.answer().unwrap(), before, "the orphan finishes");
    assert!(manager.ends().contains(&M::words_of_signal(libc::SIGKILL)), "{}", manager.ends());
    let _started_again = told_pid(&manager, Some(killed));
}

/// What the manual tells an operator to do, ending in a stop.
pub(crate) fn manual<M: Manager>(room: &str, log: &str) {
    for block in manual::of_room(room) {
        let Some(manager) = M::try_start(Site::new(log)) else { return };
        let output = manager.shell(&block.text).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}: {told} {}", block.place, output.status);
        manager.site().processes().wait_until_gone();
    }
}

/// Gives the manager, once it has stopped the service.
pub(crate) fn stop<M: Manager + Sync>(log: &str) -> Option<M> {
    let manager = M::try_start(Site::new(log))?;
    let site = manager.site();
    let mut held = Connection::open(site.address());
    let before = site.get("/");
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| manager.stop());
        site.wait_for("draining 1 ");
        assert!(!stop.is_finished(), "it waits for who is still answered");
        held.ask("/");
        assert_eq!(held.answer().unwrap(), before);
        stop.join().unwrap();
    });
    site.processes().wait_until_gone();
    Some(manager)
}
