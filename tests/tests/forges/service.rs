//! A service of real processes that takes its releases from a forge.

use std::io::Write as _;

use selfup_tests::forge::{FakeForge, ForgeKind, ForgeRelease};
use selfup_tests::{Load, Release, Service, ServiceBuilder, Signer};

use crate::for_here;

fn start(forge: &FakeForge, release: &Release, variables: &[(&str, &str)]) -> Service {
    let own = forge.variables();
    let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all = own.chain(variables.iter().copied()).chain([("INTERVAL", "200ms")]);
    all.fold(ServiceBuilder::new(release), |builder, (name, value)| builder.set(name, value))
        .start()
}

/// Published in an archive, signed, in a private repository whose files are elsewhere.
#[test]
fn a_signed_archive_of_a_private_repository_is_taken_without_a_lost_request() {
    let (forge, signer) = (FakeForge::with_storage(ForgeKind::GitHub), Signer::new());
    forge.be_private("swordfish");
    let first = Release::good();
    let name = format!("{}.gz", for_here("app"));
    let publish = |tag: &str, release: &Release, signer: &Signer| {
        let packed = gzip(release);
        let signature = signer.sign(&packed);
        let published = ForgeRelease::new(tag).with(&name, &packed);
        forge.publish(published.with_text(&format!("{name}.minisig"), signature));
    };
    publish("v1.0.0", &first, &signer);
    let key = signer.key();
    let mut service = start(&forge, &first, &[("TOKEN", "swordfish"), ("VERIFY", &key)]);
    let load = Load::start(service.address(), "/", 2);
    let second = Release::good();
    publish("v1.1.0", &second, &signer);
    service.wait_for("event committed: generation 2 ");
    service.assert_runs(&second);
    publish("v1.2.0", &Release::good(), &Signer::new());
    service.wait_for("event candidate_refused: ");
    service.assert_runs(&second);
    let third = Release::good();
    publish("v1.3.0", &third, &signer);
    service.wait_for("event committed: generation 3 ");
    service.assert_runs(&third);
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    assert!(service.stop().success());
    let storage = forge.storage.as_ref().expect("it has one").asked();
    let headers = storage.iter().flat_map(|asked| &asked.request.headers);
    assert!(headers.clone().all(|(_, value)| !value.contains("swordfish")));
    let lines = service.lines("");
    assert!(lines.iter().all(|line| !line.contains("swordfish")));
}

/// A restart of the service fetches nothing that runs already.
#[test]
fn a_release_that_runs_is_not_fetched_again_after_a_restart() {
    for kind in [ForgeKind::GitHub, ForgeKind::GitLab, ForgeKind::Gitea] {
        let forge = FakeForge::with_storage(kind);
        let (first, second) = (Release::good(), Release::good());
        let file = |tag: &str, release| ForgeRelease::new(tag).with(&for_here("app"), release);
        forge.publish(file("v1.0.0", &first));
        let mut service = start(&forge, &first, &[]);
        forge.publish(file("v1.1.0", &second));
        service.wait_for("event committed: generation 2 ");
        // A stop does not wait for ever until what runs is remembered.
        service.assert_files(&[".app.selfup-previous"]);
        assert!(service.stop().success());
        let fetched = forge.storage.as_ref().expect("it has one").asked().len();
        let variables = forge.variables();
        let builder = ServiceBuilder::of(service.directory()).set("INTERVAL", "200ms");
        let set =
            |builder: ServiceBuilder, (name, value): &(String, String)| builder.set(name, value);
        let mut again = variables.iter().fold(builder, set).start();
        forge.front.wait_for(3);
        again.assert_runs(&second);
        assert_eq!(forge.storage.as_ref().expect("it has one").asked().len(), fetched, "{kind:?}");
        assert!(again.stop().success());
    }
}

fn gzip(release: &Release) -> Release {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(release.bytes()).expect("memory can be written");
    Release::of(packer.finish().expect("memory can be written"))
}
