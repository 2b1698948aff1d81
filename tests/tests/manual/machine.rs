//! What is done to a machine once, and to releases before they are published.

use selfup_tests::{Release, manual, tool};

use crate::room::Room;

/// A room with a release in its directory, and nothing else.
fn room() -> Option<Room> {
    let room = Room::try_new()?;
    std::fs::create_dir_all(room.path("work/target/release")).unwrap();
    Release::good().install(&room.path("work/target/release/app"));
    Some(room)
}

#[test]
fn a_machine_is_prepared_as_it_is_said() {
    for block in manual::of_room("machine") {
        let Some(room) = room() else { return };
        room.run(&block.text, &[]).assert(&block);
        let binary = room.run("stat --format '%U %a' /opt/app /opt/app/app", &[]);
        assert_eq!(binary.output, "app 755\napp 755\n", "{}", block.place);
    }
}

#[test]
fn a_release_is_signed_as_it_is_said() {
    let (Some(minisign), Some(libraries)) =
        (tool("debian/usr/bin/minisign"), tool("debian/usr/lib"))
    else {
        return;
    };
    for block in manual::of_room("signing") {
        let Some(room) = room() else { return };
        room.add_command(&minisign);
        let architecture = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = libraries.join(architecture).into_os_string();
        room.run(&block.text, &[("LD_LIBRARY_PATH", libraries)]).assert(&block);
        let signature = std::fs::read_to_string(room.path("srv/releases/app.minisig")).unwrap();
        assert!(signature.contains("trusted comment: "), "{signature}");
        assert!(room.path("work/release.pub").exists());
    }
}
