//! What is no release at the path holds up none after it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use selfup_tests::{Load, Release, ServiceBuilder};

use crate::shell;

#[test]
fn whatever_lies_at_the_path_the_next_good_release_is_taken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("app");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), mode).expect("the directory is ours");
    // Root may read everything.
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", path.clone()).as_nobody();
    let mut service = builder.start();
    let load = Load::start(service.address(), "/", 1);
    let faults = [
        ("mkdir app", "is a directory; name the binary in it"),
        ("mkfifo app", "is not a regular file; name the binary itself"),
        ("ln -s app app", "cannot be looked at"),
        ("umask 777; echo x > app", "cannot be opened; the user of this service must be able"),
        ("umask 777; mkdir d; ln -s d/app app", "must be able to enter its directory"),
    ];
    for (generation, (fault, words)) in (2..).zip(faults) {
        shell(directory.path(), &format!("rm -rf app; {fault}"));
        service.wait_for(words);
        shell(directory.path(), "rm -rf app d");
        let release = Release::good();
        release.install(&path);
        service.wait_for(&format!("event committed: generation {generation} "));
        service.assert_runs(&release);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
}
