//! A service that ends, of its own accord or not, and what becomes of its clients.

use std::path::PathBuf;
use std::thread::JoinHandle;

use selfup_tests::{Connection, Container, Port, try_get};

use super::unit::Unit;

/// What clients have heard.
type Answers = Vec<JoinHandle<std::io::Result<String>>>;

/// Clients that ask once, at the same time.
fn clients(unit: &Unit<'_>, target: &'static str) -> Answers {
    let address = unit.address();
    (0..5).map(|_| std::thread::spawn(move || try_get(address, target))).collect()
}

fn all_are_answered(container: &Container, clients: Answers) -> Vec<String> {
    let answers = clients.into_iter().map(|client| client.join().expect("it does not panic"));
    let answers: std::io::Result<Vec<_>> = answers.collect();
    answers.unwrap_or_else(|error| panic!("{error}\n{}", container.journal()))
}

pub(crate) fn a_stop_drains(container: &Container) {
    // A drain may take longer than systemd would wait by itself.
    let unit = Unit::new(container, &["TERMINATE_TIMEOUT=60s"], &["TimeoutStopSec=1s"]);
    unit.start();
    let mut slow: Vec<_> = (0..5).map(|_| Connection::open(unit.address())).collect();
    // Connections are accepted in their order.
    assert!(unit.get("/").contains(" 1 "));
    let mut stopping = container.spawn(&["systemctl", "stop", "app.service"]);
    unit.wait_for_line("draining 1 ");
    for client in &mut slow {
        client.ask("/sleep?4000");
    }
    let answers: std::io::Result<Vec<_>> = slow.into_iter().map(Connection::answer).collect();
    let answers = answers.unwrap_or_else(|error| panic!("{error}\n{}", container.journal()));
    assert!(stopping.wait().expect("it is our child").success());
    assert!(answers.iter().all(|answer| answer.contains(" 1 ")), "{answers:?}");
    assert_eq!(
        (unit.show("Result").as_str(), unit.show("ExecMainStatus").as_str()),
        ("success", "0")
    );
    // Nobody waits for a service that is not to come back.
    try_get(unit.address(), "/").expect_err("systemd has closed its sockets");
}

/// Until so many connections are open on the service's side.
fn wait_until_connected(container: &Container, unit: &Unit<'_>, count: usize) {
    let filter = format!("( sport = :{} )", unit.address().port());
    container.wait_for("its clients are connected", || {
        let shown = container.must(&["ss", "-Htn", "state", "established", &filter]);
        (shown.lines().count() >= count).then_some(())
    });
}

pub(crate) fn a_crash_is_the_exit_status(container: &Container) {
    let unit = Unit::new(container, &[], &["Restart=no"]);
    unit.start();
    // It may be gone before it has answered.
    let _ = try_get(unit.address(), "/exit?9");
    unit.wait_until("ActiveState", "failed");
    assert_eq!(
        (unit.show("Result").as_str(), unit.show("ExecMainStatus").as_str()),
        ("exit-code", "9")
    );
    unit.start();
    let _ = try_get(unit.address(), "/kill?6");
    unit.wait_until("ActiveState", "failed");
    assert_eq!(unit.show("ExecMainStatus"), "6");
    assert!(matches!(unit.show("Result").as_str(), "signal" | "core-dump"));
}

pub(crate) fn a_killed_master_loses_no_connection_that_waits(container: &Container) {
    let go = Go::at(container);
    let unit = Unit::new(container, &[], &[&format!("ExecStartPre={}", Go::WAIT)]);
    go.open();
    unit.start();
    go.close();
    let (main, program) = (unit.show("MainPID"), unit.pid_of(1));
    // Nobody accepts these.
    unit.signal("STOP", &program);
    let before = clients(&unit, "/");
    wait_until_connected(container, &unit, 5);
    unit.signal("KILL", &main);
    unit.wait_until("SubState", "start-pre");
    // And nobody is there for those.
    let between = clients(&unit, "/");
    wait_until_connected(container, &unit, 10);
    go.open();
    let answers = all_are_answered(container, before);
    assert_eq!(answers.len() + all_are_answered(container, between).len(), 10);
    unit.wait_until("ActiveState", "active");
    assert_eq!(unit.show("NRestarts"), "1");
    assert_ne!(unit.show("MainPID"), main);
    assert_eq!(unit.show("NFileDescriptorStore"), "1");
}

pub(crate) fn a_restart_loses_no_connection_that_waits(container: &Container) {
    let go = Go::at(container);
    let unit = Unit::new(container, &[], &[&format!("ExecStopPost={}", Go::WAIT)]);
    unit.start();
    let address = unit.address();
    let mut restarting = container.spawn(&["systemctl", "restart", "app.service"]);
    unit.wait_until("SubState", "stop-post");
    let between = clients(&unit, "/");
    wait_until_connected(container, &unit, 5);
    go.open();
    all_are_answered(container, between);
    assert!(restarting.wait().expect("it is our child").success());
    assert_eq!(unit.address(), address);
    assert!(unit.systemctl("stop app.service"));
    assert_eq!(unit.show("NFileDescriptorStore"), "0");
}

pub(crate) fn a_master_that_hangs_is_started_again(container: &Container) {
    // Long enough for one that does not hang, on a slow machine.
    let unit = Unit::new(container, &[], &["WatchdogSec=10s", "TimeoutAbortSec=2s"]);
    unit.start();
    let main = unit.show("MainPID");
    let first = unit.get("/");
    assert!(first.contains(" 1 "));
    unit.signal("STOP", &main);
    wait_until_started_again(&unit, &main);
    let (main, second) = (unit.show("MainPID"), unit.get("/"));
    assert!(second.contains(" 1 ") && second != first);
    // And a program that hangs, under a master that does not.
    let program = second.split(' ').nth(1).expect("it says who it is");
    unit.signal("STOP", program);
    wait_until_started_again(&unit, &main);
    assert!(unit.get("/").contains(" 1 "));
}

/// Until another process than `main` is that of a service which serves.
fn wait_until_started_again(unit: &Unit<'_>, main: &str) {
    unit.wait_for("MainPID", "of another", |pid| pid != "0" && pid != main);
    unit.wait_until("ActiveState", "active");
}

/// What holds up a start or a stop until the test says go: a file.
struct Go(PathBuf);

impl Go {
    /// A command of the unit that ends when it is there.
    const WAIT: &str = "/bin/sh -c 'until [ -e /opt/go ]; do sleep 0.1; done'";

    fn at(container: &Container) -> Self {
        let go = Self(container.opt().join("go"));
        go.close();
        go
    }

    fn open(&self) {
        std::fs::write(&self.0, "").expect("the directory is ours");
    }

    fn close(&self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        // Whoever still waits is to end.
        self.open();
    }
}

pub(crate) fn a_socket_is_activated_by_its_name(container: &Container) {
    let unit = Unit::new(container, &["ADDRESS=fd:web"], &[]);
    // The host's port 80 is not ours.
    let port = Port::of_the_kernels_choice();
    let own = format!("[Socket]\nListenStream=\nListenStream=127.0.0.1:{}\n", port.number());
    unit.write("app.socket.d/test.conf", &own);
    container.must(&["systemctl", "daemon-reload"]);
    container.must(&["systemctl", "start", "app.socket"]);
    assert_eq!(unit.show("ActiveState"), "inactive");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port.number()));
    let get =
        || try_get(address, "/").unwrap_or_else(|error| panic!("{error}\n{}", container.journal()));
    assert!(get().contains(" 1 "));
    assert_eq!(unit.show("ActiveState"), "active");
    container.must(&["systemctl", "reload", "app.service"]);
    assert!(get().contains(" 2 "));
    // It is the socket unit's to keep.
    assert_eq!(unit.show("NFileDescriptorStore"), "0");
}
