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
    std::fs::create_dir(opt.join("new")).expect("the directory is ours");
    let package = Package::begin(&opt.join("new"));
    let mut builder = package.shell(&[]);
    let mut machine = Shell::start(&container.entrance(), &[], &opt.join("output"));
    let mut versions = ["(0.2.0) serves", "(0.3.0) serves", "(0.2.0) serves"].into_iter();
    for block in manual::blocks() {
        match &block.what {
            What::File(path) => package.write(path, &block.text),
            What::Run { room, situations, .. } if room == "new" && situations.is_empty() => {
                builder.follow(&block, Package::BUILD);
                package.write("app.service", include_str!("../../../examples/systemd/app.service"));
                let _ = machine.run("cd /opt/new/app", Package::BUILD);
            }
            What::Run { room, .. } if room == "booted" => {
                machine.follow(&block, Package::BUILD);
                wait_for_status(&container, versions.next().expect("one a block"));
            }
            _ => {}
        }
    }
    assert_eq!(versions.next(), None, "one a block");
    let told = container.must(&["systemctl", "show", "app.service", "-p", "NRestarts,Result"]);
    assert_eq!(told.trim(), "Result=success\nNRestarts=0", "{}", container.journal());
}

/// A version is told as soon as its file was read, which may be after the commands.
fn wait_for_status(container: &Container, words: &str) {
    container.wait_for(words, || {
        let status = ["systemctl", "show", "app.service", "--value", "-p", "StatusText"];
        container.must(&status).contains(words).then_some(())
    });
}
