//! Which binary a candidate's version is compared with.

use super::*;
use crate::upgrade::testing::of_version;

#[test]
fn the_binary_in_place_decides_which_version_is_older() {
    let mut service = Service::whose_candidates("good");
    let (older, newer, newest) =
        (of_version(&binary(2), "1.2.2"), of_version(&binary(3), "1.3.0"), binary(4));
    let newest = of_version(&newest, "2.0.0");
    assert!(service.refusal(&older).to_string().contains("older than \"1.2.3\""));
    // The master is not replaced here, and still says 1.2.3.
    let candidate = service.examine(&newest).unwrap().unwrap();
    assert_eq!(candidate.version(), Some("2.0.0"));
    service.pipeline.swap(candidate).unwrap();
    service.pipeline.keep();
    assert!(service.refusal(&newer).to_string().contains("older than \"2.0.0\""));
    assert_eq!(service.validator(), Some(id(&newer).short()), "it is not sent again");

    // An operator goes back, with a restart between.
    let deployed = service.place.directory.path().join("deployed");
    std::fs::write(&deployed, &older).unwrap();
    chmod(&deployed, 0o755);
    std::fs::rename(deployed, &service.place.path).unwrap();
    let mut service = service.again();
    assert_eq!(service.validator(), None, "what was refused is asked for");
    assert!(service.examine(&newer).unwrap().is_some(), "it is newer now");
    service.pipeline.acceptance.allow_downgrade = true;
    assert!(service.examine(&of_version(&binary(5), "0.0.1")).unwrap().is_some());
}

#[test]
fn a_trial_that_failed_leaves_the_older_version_to_compare_with() {
    let mut service = Service::whose_candidates("good");
    let candidate = service.examine(&of_version(&binary(2), "2.0.0")).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    let reason = Error::new(ErrorKind::NotReady, "generation 2 never became ready");
    service.pipeline.restore(&reason).unwrap();
    assert!(service.examine(&of_version(&binary(3), "1.9.0")).unwrap().is_some());
    drop(service.pipeline);
    let told: Vec<_> = service.events.iter().map(|event| event.to_string()).collect();
    let (old, new) = (id(&binary(1)).short(), id(&of_version(&binary(2), "2.0.0")).short());
    let upgraded = format!("binary {old} (version 1.2.3) replaced by {new} (version 2.0.0)");
    let back = format!("binary {new} (version 2.0.0) rolled back to {old} (version 1.2.3)");
    assert!(told.contains(&upgraded) && told.contains(&back), "{told:?}");
}
