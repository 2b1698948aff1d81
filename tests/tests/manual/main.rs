//! The README and the manual: every command is run, every test that is named is there.
#![allow(clippy::unwrap_used, reason = "what is not as it should be fails the test")]

mod fresh;
mod machine;
mod named;
mod room;
mod service;

use selfup_tests::manual::{What, blocks};

/// Rooms, and who runs what is in them. `checkout` is run by `.ci/run`, `supervisord` and `runit` by the suite
/// `managers`, `systemd` and `booted` by the suite `systemd` in its containers.
const ROOMS: [&str; 9] = [
    "booted",
    "checkout",
    "machine",
    "new",
    "runit",
    "service",
    "signing",
    "supervisord",
    "systemd",
];

#[test]
fn every_block_of_commands_is_run_by_a_suite() {
    for block in blocks() {
        if let What::Run { room, .. } = block.what {
            assert!(ROOMS.contains(&room.as_str()), "{}: nobody has a room {room:?}", block.place);
        }
    }
}

/// What is to be run in a checkout builds everything and runs every test, so it is no part of one.
#[test]
fn every_command_for_a_checkout_is_run_by_ci() {
    let ci = include_str!("../../../.ci/run");
    let begins = ["cargo run .*demo", "cargo test "];
    for begin in begins {
        assert!(ci.contains(&format!("readme_command '{begin}'")), "{begin}");
    }
    for block in selfup_tests::manual::of_room("checkout") {
        let commands: Vec<_> = block.text.lines().collect();
        let [demo, tests] = commands[..] else { panic!("{} has other commands", block.place) };
        assert!(demo.starts_with("cargo run ") && demo.ends_with("demo"), "{demo}");
        assert!(tests.starts_with("cargo test "), "{tests}");
    }
}
