use selfup::fetcher::RetryAfter;
use selfup_tests::faults::Poller;
use selfup_tests::forge::{FakeForge, ForgeKind, ForgeRelease};

use crate::{asked, bytes, fails, for_here, is_idle, shown, takes};

const API: &str = "/api/v1/repos/owner/app/releases";

fn forge() -> FakeForge {
    FakeForge::with_storage(ForgeKind::Gitea)
}

fn release(tag: &str) -> ForgeRelease {
    ForgeRelease::new(tag).with(&for_here("app"), &bytes(tag))
}

#[test]
fn an_idle_poll_is_one_head_for_a_page_whose_redirect_names_the_tag() {
    let forge = forge();
    let name = for_here("app");
    forge.publish(release("v1.0.0"));
    let mut poller = Poller::new(forge.fetcher());
    let first = asked(&forge, || assert_eq!(takes(&mut poller), "v1.0.0"));
    assert_eq!(
        first,
        [
            "HEAD /owner/app/releases/latest 302".to_owned(),
            format!("GET {API}/tags/v1.0.0 200 with a body"),
            format!("GET /owner/app/releases/download/v1.0.0/{name} 302"),
            format!("GET /storage/v1.0.0/{name} 200 with a body"),
        ]
    );
    for _ in 0..3 {
        let idle = asked(&forge, || is_idle(&mut poller));
        assert_eq!(idle, ["HEAD /owner/app/releases/latest 302"]);
    }
    // The API is not needed for a file with a name.
    let mut named = Poller::new(forge.fetcher().asset(&name));
    let first = asked(&forge, || assert_eq!(takes(&mut named), "v1.0.0"));
    assert!(first.iter().all(|line| !line.contains("/api/")), "{first:?}");
    forge.publish(release("app/v1.1.0"));
    assert_eq!((takes(&mut poller), takes(&mut named)), ("app/v1.1.0".into(), "app/v1.1.0".into()));
}

#[test]
fn with_a_token_the_answer_of_the_api_is_compared() {
    let forge = forge();
    forge.publish(release("v1.0.0"));
    forge.be_private("swordfish");
    fails(&mut Poller::new(forge.fetcher()), "A private project needs a `token`");
    let forge = self::forge();
    forge.publish(release("v1.0.0"));
    forge.be_private("swordfish");
    let mut poller = Poller::new(forge.fetcher().token("swordfish"));
    assert_eq!(takes(&mut poller), "v1.0.0");
    for _ in 0..3 {
        let idle = asked(&forge, || is_idle(&mut poller));
        assert_eq!(idle, [format!("GET {API}/latest 200 with a body")]);
    }
    forge.publish(ForgeRelease::new("v1.0.0").with(&for_here("app"), &bytes("replaced")));
    assert_eq!(takes(&mut poller), "replaced");
    assert_eq!(shown(&forge), (true, false));
}

#[test]
fn a_file_with_a_tag_and_a_name_is_asked_for_by_its_own_etag() {
    for token in ["", "swordfish"] {
        let (forge, name) = (forge(), for_here("app"));
        forge.publish(release("nightly"));
        let fetcher = forge.fetcher().tag("nightly").asset(&name);
        let mut poller = Poller::new(match token {
            "" => fetcher,
            token => {
                forge.be_private(token);
                fetcher.token(token)
            }
        });
        assert_eq!(takes(&mut poller), "nightly");
        let (file, stored) = (
            format!("GET /owner/app/releases/download/nightly/{name} 302"),
            format!("GET /storage/nightly/{name} 304"),
        );
        for _ in 0..3 {
            let idle = asked(&forge, || is_idle(&mut poller));
            assert_eq!(idle, [file.clone(), stored.clone()]);
        }
        forge.publish(ForgeRelease::new("nightly").with(&name, &bytes("replaced")));
        assert_eq!(takes(&mut poller), "replaced");
        is_idle(&mut poller);
        fails(&mut Poller::new(forge.fetcher().tag("nightly").asset("other")), "404");
    }
}

#[test]
fn a_file_without_an_etag_is_compared_by_the_api() {
    let (forge, name) = (forge(), for_here("app"));
    forge.publish(release("nightly"));
    forge.storage.as_ref().expect("it has one").forget_tags();
    let mut poller = Poller::new(forge.fetcher().tag("nightly").asset(&name));
    assert_eq!(takes(&mut poller), "nightly");
    for _ in 0..3 {
        let idle = asked(&forge, || is_idle(&mut poller));
        assert_eq!(idle, [format!("GET {API}/tags/nightly 200 with a body")]);
    }
    forge.publish(ForgeRelease::new("nightly").with(&name, &bytes("replaced")));
    assert_eq!(takes(&mut poller), "replaced");
}

#[test]
fn the_list_has_pages() {
    let forge = forge();
    for tag in ["v1.0.0", "v1.1.0", "v2.0.0", "v2.1.0", "v3.0.0-rc.1"] {
        forge.publish(release(tag));
    }
    let mut one = Poller::new(forge.fetcher().tag("v1.*"));
    assert_eq!(takes(&mut one), "v1.1.0");
    let mut any = Poller::new(forge.fetcher().prerelease(true));
    assert_eq!(takes(&mut any), "v3.0.0-rc.1");
    is_idle(&mut any);
}

#[test]
fn a_used_up_quota_is_told_with_its_end() {
    let forge = forge();
    forge.publish(release("v1.0.0"));
    forge.limit(0, 30);
    let mut poller = Poller::new(forge.fetcher());
    let error = poller.poll().expect_err("it is used up");
    let error = error.downcast_ref::<RetryAfter>().expect("it has a time");
    assert!((1..=32).contains(&error.after().as_secs()), "{error:?}");
    forge.lift_limit();
    takes(&mut poller);
}
