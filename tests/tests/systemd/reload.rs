//! A service that is started, and goes on as other generations.

use selfup_tests::{Container, Release};

use super::unit::Unit;

pub(crate) fn units_are_valid(container: &Container) {
    let _unit = Unit::new(container, &[], &[]);
    for name in ["app.service", "app.socket"] {
        let output = container.run(&["systemd-analyze", "verify", name]);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaint.is_empty(), "{name}: {complaint}");
    }
}

pub(crate) fn a_start_waits_for_readiness(container: &Container) {
    let unit = Unit::new(container, &["READY=manual"], &[]);
    let mut starting = container.spawn(&["systemctl", "start", "app.service"]);
    let program = unit.pid_of(1);
    unit.wait_for_status("generation 1 starts");
    assert_eq!(unit.show("ActiveState"), "activating");
    assert!(starting.try_wait().expect("it is our child").is_none());
    unit.signal("USR1", &program);
    assert!(starting.wait().expect("it is our child").success());
    assert_eq!(unit.show("ActiveState"), "active");
    let version = env!("CARGO_PKG_VERSION");
    unit.wait_for_status(&format!("generation 1 ({version}) serves"));
}

pub(crate) fn a_reload_returns_when_it_is_over(container: &Container) {
    let unit = Unit::new(container, &["PROBATION=1s"], &[]);
    unit.start();
    let main = unit.show("MainPID");
    for next in 2..=4 {
        container.must(&["systemctl", "reload", "app.service"]);
        unit.wait_until_served_by(next);
        assert!(unit.show("StatusText").contains(&format!("generation {next} ")));
        unit.wait_for_status("serves");
        unit.wait_for("StatusText", "no drain", |status| !status.contains("drains"));
    }
    unit.install(&Release::flawed("exits"));
    container.must(&["systemctl", "reload", "app.service"]);
    let status = unit.show("StatusText");
    assert!(status.contains("generation 4") && status.contains("the last restart failed"));
    assert!(status.contains("exit status 9"), "{status}");
    assert_eq!((unit.show("ActiveState").as_str(), unit.show("MainPID")), ("active", main));
    assert!(unit.get("/").contains(" 4 "));
    // The next one that works is the end of that.
    unit.install(&Release::good());
    container.must(&["systemctl", "reload", "app.service"]);
    unit.wait_for("StatusText", "no failure", |status| !status.contains("failed"));
}

pub(crate) fn the_command_tells_what_came_of_a_restart(container: &Container) {
    let Some(command) = selfup_tests::command() else { return };
    std::fs::copy(command, container.opt().join("selfup")).expect("the directory is ours");
    let unit = Unit::new(container, &["CONTROL_SOCKET=/run/app/selfup.sock"], &[]);
    unit.start();
    let restart = ["/opt/selfup", "restart", "--socket", "/run/app/selfup.sock"];
    container.must(&restart);
    unit.wait_for_status("generation 2 ");
    unit.install(&Release::flawed("exits"));
    let output = container.run(&restart);
    let reason = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{reason}");
    assert!(reason.contains("exit status 9"), "{reason}");
    let status = unit.show("StatusText");
    assert!(status.contains("the last restart failed"), "{status}");
}

pub(crate) fn ten_upgrades_have_one_main_process(container: &Container) {
    // What the example forbids is forbidden here, too: what it allows has to be enough.
    let unit = Unit::new(container, &["FETCHER=/opt/app/published", "INTERVAL=100ms"], &[]);
    unit.start();
    let main = unit.show("MainPID");
    let published = container.opt().join("app/published");
    for count in 1..=10_usize {
        Release::good().install(&published);
        container.wait_for(&format!("succession {count}"), || {
            let lines = unit.lines();
            let replaced = lines.iter().filter(|line| line.starts_with("event master_replaced"));
            (replaced.count() == count).then_some(())
        });
        unit.wait_until_served_by(u64::try_from(count).expect("it is small") + 1);
        assert_eq!(unit.show("MainPID"), main);
    }
    unit.wait_for_status("generation 11 ");
    assert_eq!(
        (unit.show("ActiveState").as_str(), unit.show("NRestarts").as_str()),
        ("active", "0")
    );
}
