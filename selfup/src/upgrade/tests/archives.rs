//! The whole way of what is published in an archive.

use super::*;
use crate::upgrade::decode::testing::{gzip, tarred, zipped};

fn packed(number: u8) -> Vec<u8> {
    gzip(&tarred("app-1.0/till", &binary(number)))
}

#[test]
fn the_binary_in_an_archive_takes_the_path_and_the_archive_is_known_when_it_comes_again() {
    let mut service = Service::whose_candidates("good");
    let archive = packed(2);
    let candidate = service.examine(&archive).unwrap().unwrap();
    assert_eq!((candidate.id(), candidate.published()), (id(&binary(2)), id(&archive)));
    assert_eq!(candidate.length(), binary(2).len() as u64);
    service.pipeline.swap(candidate).unwrap();
    service.pipeline.keep();
    assert_eq!(service.pipeline.current().id(), id(&binary(2)));
    assert_eq!(service.place.names(), [HISTORY, PREVIOUS, "app"], "the archive is gone");
    assert!(service.place.content("app") == binary(2));

    let mut service = service.again();
    assert_eq!(service.validator(), Some(id(&archive).short()), "it is not sent again");
    // Of a source that cannot tell: it is not unpacked again ...
    assert!(service.take(download(&archive)).unwrap().is_none());
    let announced = Download::new(tokio::io::empty()).sha256(*id(&archive).as_bytes());
    assert!(service.take(announced).unwrap().is_none(), "... and not one byte was read");
    for other in [zipped("bin/till", &binary(2)), gzip(&binary(2)), binary(2)] {
        assert!(service.examine(&other).unwrap().is_none(), "the same binary, packed otherwise");
        assert_eq!(service.validator(), Some(id(&other).short()), "its cycle has ended");
    }
    assert!(service.told().is_empty());
}

#[test]
fn an_archive_without_the_program_is_refused_once_and_leaves_nothing() {
    let mut service = Service::whose_candidates("good");
    let archive = gzip(&tarred("app-1.0/tool", &binary(2)));
    let reason = service.refusal(&archive);
    assert_eq!(reason.kind(), ErrorKind::Decode);
    assert!(reason.to_string().contains("it has no till, but app-1.0/tool;"), "{reason}");
    let mut service = service.again();
    assert_eq!(service.validator(), Some(id(&archive).short()), "other bytes are waited for");
    assert!(service.examine(&archive).unwrap().is_none());
    assert_eq!(service.place.names(), [HISTORY, "app"]);
    assert!(service.examine(&packed(2)).unwrap().is_some(), "the next good one is taken");
    assert_eq!(service.told(), ["candidate_staged"]);
}

#[test]
fn what_fails_in_its_trial_is_known_by_its_binary_whatever_it_is_packed_in() {
    let mut service = Service::whose_candidates("good");
    let candidate = service.examine(&packed(2)).unwrap().unwrap();
    service.pipeline.swap(candidate).unwrap();
    let reason = Error::new(ErrorKind::NotReady, "generation 2 never became ready");
    service.pipeline.restore(&reason).unwrap();
    let mut service = service.again();
    assert!(service.pipeline.retry_at().is_some());
    for packed in [packed(2), zipped("till", &binary(2)), binary(2)] {
        assert!(service.examine(&packed).unwrap().is_none());
        assert!(service.pipeline.retry_at().is_some(), "it is offered still");
    }
    let earlier = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    service.pipeline.history.forget(id(&binary(2)));
    service.pipeline.history.fail(id(&binary(2)), &reason, earlier);
    assert_eq!(service.validator(), None, "its time has come: the bytes are asked for");
    assert!(service.examine(&packed(2)).unwrap().is_some());
}

/// Where nobody told the length, what cannot be unpacked may have been cut on its way.
#[test]
fn the_validator_of_what_may_be_a_part_of_an_archive_is_not_handed_out() {
    let mut service = Service::whose_candidates("good");
    let part = &packed(2)[..10_000];
    assert!(service.take(download(part).validator("v2")).unwrap().is_none());
    assert_eq!((service.next_refusal().1.kind(), service.validator()), (ErrorKind::Decode, None));
    let cut = download(part).length(10_000).validator("v2");
    assert!(service.take(cut).unwrap().is_none());
    assert_eq!(service.validator(), Some("v2".to_owned()), "that is all of it");
}

#[test]
fn the_digest_is_that_of_the_archive_and_is_compared_before_it_is_unpacked() {
    let mut service = Service::whose_candidates("good");
    let archive = packed(2);
    let forged = download(b"\x1f\x8b not gzip at all").sha256(*id(&archive).as_bytes());
    assert!(service.take(forged).unwrap().is_none());
    assert_eq!(service.next_refusal().1.kind(), ErrorKind::Verify);
    let of_binary = download(&archive).sha256(*id(&binary(2)).as_bytes());
    assert!(service.take(of_binary).unwrap().is_none());
    assert_eq!(service.next_refusal().1.kind(), ErrorKind::Verify);
    assert!(service.take(download(&archive).sha256(*id(&archive).as_bytes())).unwrap().is_some());
}

#[test]
fn more_than_max_size_is_refused_packed_and_unpacked() {
    let mut service = Service::whose_candidates("good");
    service.pipeline.terms.max_size = 1000;
    let reason = service.refusal(&packed(2));
    assert_eq!(reason.kind(), ErrorKind::Decode);
    assert!(reason.to_string().contains("more than 1000 bytes"), "{reason}");
    assert_eq!(service.place.names(), [HISTORY, "app"]);
}
