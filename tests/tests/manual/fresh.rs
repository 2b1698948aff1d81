//! A new program, made by what the manual says alone: built, started by hand, upgraded by a copy, rolled back and stopped.

use selfup_tests::Package;
use selfup_tests::manual::{self, What};

use crate::room::Room;

#[test]
fn a_new_program_becomes_a_service_that_is_upgraded_by_a_copy_and_rolled_back() {
    let Some(command) = selfup_tests::command() else { return };
    let Some(room) = Room::try_new() else { return };
    room.add_command(&command);
    let package = Package::begin(&room.path("work"));
    let mut shell = package.shell(&room.entrance());
    let _ = shell.run(&format!("PATH={}:$PATH", room.path("commands").display()), Package::BUILD);
    for block in manual::blocks() {
        match &block.what {
            What::File(path) => package.write(path, &block.text),
            What::Run { room, .. } if room == "new" => shell.follow(&block, Package::BUILD),
            _ => {}
        }
    }
}
