//! Signatures on the whole way: what is refused for the want of one, and that it costs good bytes
//! nothing.

use minisign::KeyPair;

use super::*;
use crate::config::PublicKey;
use crate::fetcher::Signature;
use crate::upgrade::offering::Offering;

/// A service that trusts one key, and who has it.
struct Signed {
    service: Service,
    pair: KeyPair,
}

impl Signed {
    fn service() -> Self {
        Self::with_hook(None)
    }

    fn with_hook(hook: Option<PreUpgradeHook>) -> Self {
        let mut service = Service::with_hook("good", hook);
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let key = PublicKey::parse(&pair.pk.to_base64()).unwrap();
        service.pipeline.acceptance.keys = vec![key];
        Self { service, pair }
    }

    fn sign(&self, bytes: &[u8]) -> String {
        minisign::sign(None, &self.pair.sk, bytes, Some("release\t2"), None).unwrap().into_string()
    }

    /// Offers what must be refused by its signature.
    fn is_refused(&mut self, download: Download, words: &str) {
        assert!(self.service.take(download).unwrap().is_none());
        let (_, reason) = self.service.next_refusal();
        assert_eq!(reason.kind(), ErrorKind::Verify);
        assert!(reason.to_string().contains(words), "{reason}");
        self.is_left_alone();
    }

    /// Nothing of it is remembered that would keep its bytes out.
    fn is_left_alone(&mut self) {
        assert_eq!(self.service.place.names(), ["app"]);
        assert_eq!(self.service.validator(), None, "it is asked for again");
    }
}

fn offered(bytes: &[u8], signature: &str) -> Download {
    download(bytes).validator("v2").signature(signature)
}

#[test]
fn what_is_signed_is_taken_and_the_comment_told_to_the_hook_and_the_event() {
    let hook = |candidate: &Candidate| match candidate.trusted_comment() {
        Some("release 2") => Ok(()),
        other => Err(format!("{other:?}").into()),
    };
    let mut signed = Signed::with_hook(Some(Box::new(hook)));
    assert!(signed.service.pipeline.current().wants_signature());
    let signature = signed.sign(&binary(2));
    let candidate = signed.service.take(offered(&binary(2), &signature)).unwrap().unwrap();
    assert_eq!(candidate.id(), id(&binary(2)));
    drop(signed.service.pipeline);
    let events: Vec<_> = signed.service.events.iter().map(|event| event.to_string()).collect();
    let key = PublicKey::parse(&signed.pair.pk.to_base64()).unwrap().id();
    let expected =
        format!("candidate {} is signed by key {key}: release 2", id(&binary(2)).short());
    assert_eq!(events[1..], [expected]);
}

/// The binary first, and its signature a moment later.
#[test]
fn a_release_that_is_half_published_is_taken_once_its_signature_is_there() {
    let mut signed = Signed::service();
    let new = binary(2);
    let half = || {
        let mut half = download(&new).validator("v2");
        half.signature = Signature::Missing("app.minisig is not there".into());
        half
    };
    signed.is_refused(half(), "there is no signature: app.minisig is not there; sign what");
    let again = Download { reader: Box::pin(Unread), ..half() };
    assert!(signed.service.take(again).unwrap().is_none(), "the same is not read again");
    signed.is_left_alone();
    let signature = signed.sign(&new);
    assert!(signed.service.take(offered(&new, &signature)).unwrap().is_some());
    assert_eq!(signed.service.told(), ["candidate_staged", "candidate_verified"]);
}

#[test]
fn a_bad_signature_does_not_keep_good_bytes_out() {
    let mut signed = Signed::service();
    let (new, words) = (binary(2), "its signature is");
    for bad in ["<html>".to_owned(), signed.sign(&binary(3)), Signed::service().sign(&new)] {
        let words = if bad.contains("html") { words } else { "sign" };
        signed.is_refused(offered(&new, &bad), words);
        let again = Download::new(Unread).validator("v2").signature(bad);
        assert!(signed.service.take(again).unwrap().is_none(), "the same is not read again");
    }
    signed.is_refused(download(&new).validator("v2"), "the fetcher delivers none");
    let good = signed.sign(&new);
    assert!(signed.service.take(offered(&new, &good)).unwrap().is_some());
}

/// Somebody between changed the bytes, and left everything else as it is published.
#[test]
fn bytes_that_were_changed_on_their_way_do_not_keep_good_ones_out() {
    let mut signed = Signed::service();
    let new = binary(2);
    let good = signed.sign(&new);
    signed.is_refused(offered(&binary(3), &good), "and not of these bytes");
    let waiting = Download::new(Unread).validator("v2").signature(good.clone());
    assert!(signed.service.take(waiting).unwrap().is_none());

    let earlier = tokio::time::Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
    signed.service.pipeline.unproven = Unproven::default();
    let offering = Offering::of(&offered(&new, &good));
    signed.service.pipeline.unproven.refuse(offering, Some(id(&binary(3))), earlier);
    assert!(signed.service.take(offered(&new, &good)).unwrap().is_some());
}

#[test]
fn without_a_validator_a_refusal_is_told_once_all_the_same() {
    let mut signed = Signed::service();
    signed.is_refused(download(&binary(2)), "the fetcher delivers none");
    assert!(signed.service.take(download(&binary(2))).unwrap().is_none());
    signed.is_refused(download(&binary(3)), "the fetcher delivers none");
    assert!(signed.service.told().is_empty());
}

#[test]
fn what_runs_already_needs_no_signature_and_without_one_keeps_no_release_out() {
    let mut signed = Signed::service();
    let running = binary(1);
    // Served by somebody else for a moment, under the validator of a release that is to come.
    for unsigned in [download(&running), download(&running).sha256(*id(&running).as_bytes())] {
        assert!(signed.service.take(unsigned.validator("v2")).unwrap().is_none());
        assert_eq!(signed.service.validator(), None, "what is under it is asked for still");
    }
    let signature = signed.sign(&running);
    assert!(signed.service.take(offered(&running, &signature)).unwrap().is_none());
    assert_eq!(signed.service.validator().as_deref(), Some("v2"), "this cycle ended");
    assert!(signed.service.told().is_empty());
}

/// Who signs vouches for the bytes, and not for what they are.
#[test]
fn what_is_signed_and_no_binary_is_remembered() {
    let mut signed = Signed::service();
    let page = b"<!DOCTYPE html>";
    let signature = signed.sign(page);
    let download = offered(page, &signature).length(page.len() as u64);
    assert!(signed.service.take(download).unwrap().is_none());
    let (_, reason) = signed.service.next_refusal();
    assert_eq!(reason.kind(), ErrorKind::Note);
    assert_eq!(signed.service.validator().as_deref(), Some("v2"));
}

#[test]
fn without_keys_nobody_has_to_sign_and_nothing_is_looked_at() {
    let mut service = Service::whose_candidates("good");
    assert!(!service.pipeline.current().wants_signature());
    assert!(service.take(offered(&binary(2), "garbage")).unwrap().is_some());
    assert_eq!(service.told(), ["candidate_staged"]);
}
