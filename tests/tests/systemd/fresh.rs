//! A new program, made by what the manual says alone, becomes a service of a systemd that has never seen another.

use selfup_tests::manual::{self, What};
use selfup_tests::{Container, Network, Package, Shell};

#[test]
fn a_new_program_is_started_by_its_unit_upgraded_by_a_copy_and_rolled_back() {
    let Some(command) = selfup_tests::command() else { return };
    let Some(container) = Container::boot(Network::Own) else { return };
    let opt = container.opt();
    std::fs::copy(command, opt.join("selfup")).expect("the directory is ours");
    container.must(&["mv", "/opt/selfup", "/usr/local/bin/selfup"]);
    std::fs::create_dir(opt.join("work")).expect("the directory is ours");
    let package = Package::begin(&opt.join("work"));
    let mut builder = package.shell(&[]);
    let mut machine = Shell::start(&container.entrance(), &[], &opt.join("output"));
    for block in manual::blocks() {
        match &block.what {
            What::File(path) => package.write(path, &block.text),
            What::Run { room, situations, .. } if room == "new" && situations.is_empty() => {
                builder.follow(&block, Package::BUILD);
                package.write("app.service", include_str!("../../../examples/systemd/app.service"));
                let _ = machine.run("cd /opt/work/app", Package::BUILD);
            }
            What::Run { room, .. } if room == "booted" => machine.follow(&block, Package::BUILD),
            _ => {}
        }
    }
    let told = container.must(&["systemctl", "show", "app.service", "-p", "NRestarts,Result"]);
    assert_eq!(told.trim(), "Result=success\nNRestarts=0", "{}", container.journal());
}
