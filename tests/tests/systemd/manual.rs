//! What the manual tells an operator to do with the unit.

use std::path::Path;

use selfup_tests::{Container, manual};

use crate::unit::Unit;

pub(crate) fn commands_are_those_of_systemd(container: &Container) {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/systemd/app.service");
    for block in manual::of_room("systemd") {
        let _of_this_step = Unit::new(container, &[], &[]);
        std::fs::copy(&unit, container.opt().join("app.service")).expect("the directory is ours");
        let told = container.must(&["bash", "-ec", &format!("cd /opt\n{}", block.text)]);
        assert!(told.contains("active (running)"), "{}: {told}", block.place);
        container.must(&["systemctl", "disable", "--now", "app"]);
        container.must(&["rm", "/etc/systemd/system/app.service"]);
    }
}
