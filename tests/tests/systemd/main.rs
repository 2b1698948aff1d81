//! A real systemd has a service start, reload, upgrade, stop, crash and hang.
//!
//! One container is booted for nearly all of it, and each step has the service for itself.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

mod down;
mod fresh;
mod manual;
mod reload;
mod unit;

use std::time::Instant;

use selfup_tests::{Container, Network};

/// Fails, or comes to its end.
type Step = fn(&Container);

#[test]
fn systemd_is_at_home_with_a_service_that_upgrades_itself() {
    let Some(container) = Container::boot(Network::Host) else { return };
    container.must(&["useradd", "--system", "app"]);
    let steps: [(&str, Step); 12] = [
        ("the shown units have nothing that systemd complains of", reload::units_are_valid),
        ("the commands of the manual work", manual::commands_are_those_of_systemd),
        ("a start waits for readiness", reload::a_start_waits_for_readiness),
        ("a reload returns when it is over", reload::a_reload_returns_when_it_is_over),
        (
            "the command tells what a reload cannot",
            reload::the_command_tells_what_came_of_a_restart,
        ),
        ("ten upgrades have one main process", reload::ten_upgrades_have_one_main_process),
        ("a stop drains", down::a_stop_drains),
        ("a crash is the exit status", down::a_crash_is_the_exit_status),
        ("a killed master loses no queue", down::a_killed_master_loses_no_connection_that_waits),
        ("a restart loses no queue", down::a_restart_loses_no_connection_that_waits),
        ("a stopped master is started again", down::a_master_that_hangs_is_started_again),
        ("a socket is activated by its name", down::a_socket_is_activated_by_its_name),
    ];
    for (name, step) in steps {
        let begin = Instant::now();
        eprintln!("step: {name}");
        step(&container);
        eprintln!("step: {name}: ok, {:?}", begin.elapsed());
    }
}
