//! A directory of versions, of which the newest is meant.

use std::fs;

use selfup_tests::{Release, ServiceBuilder};

#[test]
fn the_newest_version_is_taken_and_its_removal_is_no_way_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |version: &str| directory.path().join(format!("app-{version}"));
    let release = |version: &str| {
        let release = Release::good().of_version(version);
        release.install(&place(version));
        release
    };
    release("0.2.0");
    let newest = release("0.3.0");
    fs::write(place("0.9.0-rc.1"), "a pre-release").expect("it can be written");
    fs::write(place("latest"), "no version").expect("it can be written");
    let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", place("*"));
    let mut service = builder.start();
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&newest);

    fs::remove_file(place("0.3.0")).expect("it was published");
    let refused = service.wait_for("event candidate_refused: ");
    assert!(refused.contains("it is version \"0.2.0\", older than \"0.3.0\""), "{refused}");
    service.assert_runs(&newest);

    let newer = release("0.4.0");
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&newer);
    assert_eq!(service.lines("event candidate_refused: ").len(), 1);
    assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
    assert!(service.stop().success());
}
