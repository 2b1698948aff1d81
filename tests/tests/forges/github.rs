use selfup::fetcher::RetryAfter;
use selfup_tests::Signer;
use selfup_tests::faults::{Poller, Way};
use selfup_tests::forge::{FakeForge, ForgeKind, ForgeRelease};

use crate::{asked, bytes, fails, finds, for_here, is_idle, shown, takes};

const API: &str = "/api/v3/repos/owner/app/releases";

fn forge() -> FakeForge {
    FakeForge::with_storage(ForgeKind::GitHub)
}

fn release(tag: &str, name: &str) -> ForgeRelease {
    ForgeRelease::new(tag).with(name, &bytes(tag))
}

#[test]
fn a_file_with_a_name_costs_no_request_of_the_api_and_an_idle_poll_is_one_head() {
    let forge = forge();
    forge.publish(release("v1.0.0", "app"));
    let mut poller = Poller::new(forge.fetcher().asset("app"));
    let first = asked(&forge, || assert_eq!(takes(&mut poller), "v1.0.0"));
    assert_eq!(
        first,
        [
            "HEAD /owner/app/releases/latest/download/app 302",
            "GET /owner/app/releases/download/v1.0.0/app 302",
            "GET /owner/app/releases/download/v1.0.0/app.sha256 404",
            "GET /owner/app/releases/download/v1.0.0/app.sha256sum 404",
            "GET /owner/app/releases/download/v1.0.0/SHA256SUMS 404",
            "GET /storage/v1.0.0/app 200 with a body",
        ]
    );
    for _ in 0..3 {
        let idle = asked(&forge, || is_idle(&mut poller));
        assert_eq!(idle, ["HEAD /owner/app/releases/latest/download/app 302"]);
    }
    forge.publish(release("app/v1.1.0", "app"));
    assert_eq!(takes(&mut poller), "app/v1.1.0");
    is_idle(&mut poller);
    forge.publish(release("v2.0.0-rc.1", "app").prerelease());
    is_idle(&mut poller);
}

#[test]
fn an_idle_poll_of_the_api_has_no_body_but_after_somebody_has_downloaded() {
    let forge = forge();
    let name = for_here("app");
    forge.publish(release("v1.0.0", &name));
    let mut poller = Poller::new(forge.fetcher());
    let first = asked(&forge, || assert_eq!(takes(&mut poller), "v1.0.0"));
    assert_eq!(
        first,
        [
            format!("GET {API}/latest 200 with a body"),
            format!("GET /owner/app/releases/download/v1.0.0/{name} 302"),
            format!("GET /storage/v1.0.0/{name} 200 with a body"),
        ]
    );
    for _ in 0..2 {
        // The answer counts downloads, and this was one.
        let counted = asked(&forge, || is_idle(&mut poller));
        assert_eq!(counted, [format!("GET {API}/latest 200 with a body")]);
        for _ in 0..3 {
            assert_eq!(asked(&forge, || is_idle(&mut poller)), [format!("GET {API}/latest 304")]);
        }
        takes(&mut Poller::new(forge.fetcher()));
    }
    forge.publish(release("v1.1.0", &name));
    assert_eq!(takes(&mut poller), "v1.1.0");
}

#[test]
fn a_private_repository_is_asked_with_a_token_that_nobody_else_sees() {
    let forge = forge();
    forge.publish(release("v1.0.0", "app"));
    forge.be_private("swordfish");
    fails(&mut Poller::new(forge.fetcher().asset("app")), "A private project needs a `token`");
    fails(&mut Poller::new(forge.fetcher()), "A private project needs a `token`");
    fails(&mut Poller::new(forge.fetcher().token("herring")), "the `token` is not known there");
    let forge = self::forge();
    forge.publish(release("v1.0.0", "app"));
    forge.be_private("swordfish");
    let mut poller = Poller::new(forge.fetcher().asset("app").token("swordfish"));
    let first = asked(&forge, || assert_eq!(takes(&mut poller), "v1.0.0"));
    assert_eq!(first.len(), 3);
    assert!(first[1].starts_with(&format!("GET {API}/assets/")), "{first:?}");
    is_idle(&mut poller);
    assert_eq!(shown(&forge), (true, false));
    assert!(!poller.validator().expect("there is one").contains("swordfish"));
}

#[test]
fn the_digest_is_that_of_the_api_or_of_a_file_beside() {
    let forge = forge();
    let (app, name) = (bytes("v1.0.0"), for_here("app"));
    let sums = format!("{}  {name}\n", app.id());
    forge.publish(release("v1.0.0", &name));
    let told = || ForgeRelease::new("v1.0.0").with(&name, &app).without_digests();
    let digest = |forge: &FakeForge| finds(&mut Poller::new(forge.fetcher())).get_sha256();
    assert_eq!(digest(&forge), Some(app.id()));
    forge.publish(told());
    assert_eq!(digest(&forge), None);
    for (list, text) in [
        ("SHA256SUMS", &sums),
        ("app_1.0.0_checksums.txt", &sums),
        ("sha256.sum", &sums),
        (&*format!("{name}.sha256"), &app.id().to_string()),
    ] {
        forge.publish(told().with_text(list, text));
        assert_eq!(digest(&forge), Some(app.id()), "{list}");
    }
    // Of another kind, for what it says.
    forge.publish(told().with_text("checksums.txt", "d41d8cd98f00b204e9800998ecf8427e  app\n"));
    assert_eq!(digest(&forge), None);
    // Without the API its name is guessed.
    forge.publish(
        ForgeRelease::new("v1.0.0")
            .with("app", &app)
            .with_text("SHA256SUMS", format!("{}  app\n", app.id())),
    );
    let found = finds(&mut Poller::new(forge.fetcher().asset("app")));
    assert_eq!(found.get_sha256(), Some(app.id()));
}

#[test]
fn a_list_without_the_file_keeps_no_release_out() {
    let forge = forge();
    let (app, name) = (bytes("v1.0.0"), for_here("app"));
    let sums = format!("{}  {name}\n", app.id());
    let other = format!("{}  {name}\n", bytes("v2.0.0").id());
    let told = || ForgeRelease::new("v1.0.0").with(&name, &app).without_digests();
    let unlisted = || told().with_text("SHA256SUMS", sums.replace(&name, "another"));
    forge.publish(unlisted());
    assert_eq!(finds(&mut Poller::new(forge.fetcher())).get_sha256(), None);
    forge.publish(unlisted().with_text("app_1.0.0_checksums.txt", &sums));
    assert_eq!(finds(&mut Poller::new(forge.fetcher())).get_sha256(), Some(app.id()));
    // Which one is right, nobody can tell.
    forge.publish(told().with_text("SHA256SUMS", format!("{sums}{other}")));
    fails(&mut Poller::new(forge.fetcher()), "SHA256SUMS: it has two SHA-256 of");
    forge.publish(told().with_text(&format!("{name}.sha256"), "nothing of it"));
    fails(&mut Poller::new(forge.fetcher()), ".sha256: it has no SHA-256 of");
}

#[test]
fn a_signature_is_asked_for_where_one_is_wanted() {
    let (forge, signer) = (forge(), Signer::new());
    let (app, name) = (bytes("v1.0.0"), for_here("app"));
    let signature = signer.sign(&app);
    let published = ForgeRelease::new("v1.0.0").with(&name, &app);
    forge.publish(published.clone().with_text(&format!("{name}.minisig"), &signature));
    for fetcher in [forge.fetcher(), forge.fetcher().asset(&name)] {
        let found = finds(&mut Poller::new(fetcher).that_verifies());
        assert_eq!(found.get_signature(), Some(&*signature));
    }
    assert_eq!(finds(&mut Poller::new(forge.fetcher())).get_signature(), None);
    forge.publish(published);
    assert_eq!(finds(&mut Poller::new(forge.fetcher()).that_verifies()).get_signature(), None);
}

#[test]
fn a_used_up_quota_is_told_with_its_end() {
    let forge = forge();
    forge.publish(release("v1.0.0", &for_here("app")));
    let mut poller = Poller::new(forge.fetcher());
    takes(&mut poller);
    forge.limit(0, 600);
    let error = poller.poll().expect_err("it is used up");
    let error = error.downcast_ref::<RetryAfter>().expect("it has a time");
    assert!((500..=602).contains(&error.after().as_secs()), "{error:?}");
    let words = error.to_string();
    assert!(words.starts_with("the requests that GitHub answers are used up until 20"), "{words}");
    assert!(words.ends_with("; ask less often, or with a `token`"), "{words}");
    // The redirect is no request of the API.
    let mut named = Poller::new(forge.fetcher().asset(for_here("app")));
    takes(&mut named);
    forge.lift_limit();
    is_idle(&mut poller);
}

#[test]
fn prereleases_and_beginnings_of_tags_are_found_by_version_on_the_pages_of_the_list() {
    let forge = forge();
    let name = for_here("app");
    for tag in ["app-v1.9.0", "app-v1.10.0", "v1.1.0", "v1.0.1", "nightly"] {
        forge.publish(release(tag, &name));
    }
    forge.publish(release("v3.0.0", &name).draft());
    forge.publish(release("v2.0.0-rc.2", &name).prerelease());
    let mut any = Poller::new(forge.fetcher().prerelease(true));
    assert_eq!(takes(&mut any), "v2.0.0-rc.2");
    is_idle(&mut any);
    assert_eq!(asked(&forge, || is_idle(&mut any)), [format!("GET {API} 304")]);
    // Two to a page: these are on the fourth.
    let mut one = Poller::new(forge.fetcher().tag("app-v*"));
    let pages = asked(&forge, || assert_eq!(takes(&mut one), "app-v1.10.0"));
    assert_eq!(pages.iter().filter(|line| line.starts_with(&format!("GET {API} 200"))).count(), 3);
    is_idle(&mut one);
    assert_eq!(asked(&forge, || is_idle(&mut one)), [format!("GET {API} 304")]);
    let mut none = Poller::new(forge.fetcher().tag("v4.*"));
    fails(&mut none, "of 10 at most, has the newest v4.*; expected a tag with a version, such as");
    forge.publish(release("v2.0.0", &name));
    assert_eq!(takes(&mut any), "v2.0.0");
}

#[test]
fn a_tag_whose_file_is_replaced_is_noticed() {
    let forge = forge();
    let name = for_here("app");
    forge.publish(ForgeRelease::new("nightly").with(&name, &bytes("monday")));
    forge.publish(release("v1.0.0", &name));
    let mut poller = Poller::new(forge.fetcher().tag("nightly"));
    assert_eq!(takes(&mut poller), "monday");
    is_idle(&mut poller);
    assert_eq!(asked(&forge, || is_idle(&mut poller)), [format!("GET {API}/tags/nightly 304")]);
    forge.publish(ForgeRelease::new("nightly").with(&name, &bytes("tuesday")));
    assert_eq!(takes(&mut poller), "tuesday");
    is_idle(&mut poller);
}

#[test]
fn a_release_without_the_file_is_an_error_until_it_is_there() {
    let forge = forge();
    fails(&mut Poller::new(forge.fetcher()), "404 Not Found; expected 200 and a release");
    forge.publish(ForgeRelease::new("v1.0.0").with_text("app-1.0.0-plan9-mips", ""));
    let (mut poller, mut named) =
        (Poller::new(forge.fetcher()), Poller::new(forge.fetcher().asset("app-{version}-{os}")));
    fails(&mut poller, "it has app-1.0.0-plan9-mips; say which file it is with `asset`");
    fails(
        &mut named,
        "the release has no file \"app-1.0.0-linux\", but app-1.0.0-plan9-mips; publish",
    );
    fails(
        &mut Poller::new(forge.fetcher().asset("app")),
        "expected 200 and app; is there a release",
    );
    let name = for_here("app");
    forge.publish(release("v1.0.0", &name).with_text("app-1.0.0-linux", "named"));
    assert_eq!(takes(&mut poller), "v1.0.0");
    assert_eq!(takes(&mut named), "named");
}

#[test]
fn a_repository_that_was_renamed_is_followed_and_one_elsewhere_is_not() {
    use selfup_tests::faults::{Front, Reply};
    let app = bytes("renamed");
    let front = Front::start(Way::Plain, move |request| match request.path() {
        "/old/app/releases/latest/download/app" => {
            Reply::redirect("/new/app/releases/latest/download/app")
        }
        "/new/app/releases/latest/download/app" => {
            Reply::redirect("/new/app/releases/download/v1/app")
        }
        "/old/app/releases/download/v1/app" => Reply::redirect("/new/app/releases/download/v1/app"),
        "/new/app/releases/download/v1/app" => Reply::release(&app, request),
        "/gone/app/releases/latest/download/app" => Reply::redirect("http://127.0.0.1:9/app"),
        _ => Reply::status(404),
    });
    let fetcher = |project: &str| selfup::fetcher::github(project).base(front.base()).asset("app");
    let mut poller = Poller::new(fetcher("old/app"));
    assert_eq!(takes(&mut poller), "renamed");
    is_idle(&mut poller);
    fails(
        &mut Poller::new(fetcher("gone/app")),
        "gone/app at GitHub: it redirects to another host",
    );
}
