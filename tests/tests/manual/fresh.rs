//! A new program, made by what the manual says alone, outside of this workspace: built, started, upgraded by a copy, rolled
//! back and stopped.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use selfup_tests::manual::{self, Block, What};

use crate::room::{Done, Room};

/// All of a page in one shell, as a reader would: each block behind a line that names it.
fn script(blocks: &[Block]) -> String {
    let mut script = String::from(PRELUDE);
    for Block { place, what, text, .. } in blocks {
        let written = match what {
            What::File(path) => writeln!(script, "cat >{path} <<'END OF FILE'\n{text}END OF FILE"),
            _ => writeln!(script, "echo '=== {place}'\n{text}"),
        };
        written.unwrap();
    }
    script
}

/// Cargo as it is here: from this workspace in place of the registry, with what is downloaded and what is built already,
/// and with no other profile, or it would be built again.
fn config(workspace: &Path) -> String {
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let profiles = &manifest[manifest.find("[profile.dev.package.sha2]").unwrap()..];
    let profiles = profiles.split("\n[").filter(|profile| !profile.contains("selfup-tests]"));
    let profiles = profiles.collect::<Vec<_>>().join("\n[");
    let path = workspace.join("selfup").display().to_string();
    format!("[net]\noffline = true\n\n[patch.crates-io]\nselfup.path = {path:?}\n\n{profiles}\n")
}

#[test]
fn a_new_program_becomes_a_service_that_is_upgraded_by_a_copy_and_rolled_back() {
    let Some(command) = selfup_tests::command() else { return };
    let Some(room) = Room::try_new() else { return };
    room.add_command(&command);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::create_dir(room.path("work/.cargo")).unwrap();
    fs::write(room.path("work/.cargo/config.toml"), config(workspace)).unwrap();
    let is_of_it = |block: &Block| match &block.what {
        What::File(_) => true,
        What::Run { room, .. } => room == "new",
        _ => false,
    };
    let blocks: Vec<_> = manual::blocks().into_iter().filter(is_of_it).collect();
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let variables = [
        ("SHARED", target.into_os_string()),
        ("LOCK", workspace.join("Cargo.lock").into_os_string()),
        ("CARGO", OsString::from(env!("CARGO"))),
    ];
    let mut running = room.start(&script(&blocks), &variables);
    let status = running.wait_within(BUILD);
    let output = running.output();
    assert!(status.success(), "{status}: {output}");
    let mut shown = output.split("=== ").skip(1);
    for block in blocks.iter().filter(|block| matches!(block.what, What::Run { .. })) {
        let output = shown.next().unwrap().to_owned();
        assert!(output.starts_with(&block.place), "{output}");
        Done { status, output }.assert(block);
    }
}

/// On a slow machine, with nothing built.
const BUILD: Duration = Duration::from_secs(1800);

/// A package that was made has what is locked and built here.
const PRELUDE: &str = "
    cargo() {
        \"$CARGO\" \"$@\"
        if [ \"$1\" = new ]; then
            ln -s \"$SHARED\" \"$2/target\"
            cp \"$LOCK\" \"$2/Cargo.lock\"
        fi
    }
";
