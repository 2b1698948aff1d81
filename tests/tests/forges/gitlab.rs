use selfup::fetcher::RetryAfter;
use selfup_tests::faults::Poller;
use selfup_tests::forge::{FakeForge, ForgeKind, ForgeRelease};

use crate::{asked, bytes, fails, finds, for_here, is_idle, shown, takes};

const API: &str = "/api/v4/projects/owner%2Fapp/releases";

fn forge() -> FakeForge {
    FakeForge::with_storage(ForgeKind::GitLab)
}

fn release(tag: &str) -> ForgeRelease {
    ForgeRelease::new(tag).with(&for_here("app"), &bytes(tag))
}

#[test]
fn an_idle_poll_is_one_head_whose_redirect_names_the_tag() {
    let forge = forge();
    forge.publish(release("v1.0.0"));
    let mut poller = Poller::new(forge.fetcher());
    let name = for_here("app");
    let first = asked(&forge, || assert_eq!(takes(&mut poller), "v1.0.0"));
    assert_eq!(
        first,
        [
            format!("HEAD {API}/permalink/latest 302"),
            format!("GET {API}/v1.0.0 200 with a body"),
            format!("GET /api/v4/projects/24/packages/generic/app/v1.0.0/{name} 302"),
            format!("GET /storage/v1.0.0/{name} 200 with a body"),
        ]
    );
    for _ in 0..3 {
        let idle = asked(&forge, || is_idle(&mut poller));
        assert_eq!(idle, [format!("HEAD {API}/permalink/latest 302")]);
    }
    forge.publish(release("app/v1.1.0"));
    assert_eq!(takes(&mut poller), "app/v1.1.0");
    is_idle(&mut poller);
    forge.publish(release("v2.0.0").draft());
    is_idle(&mut poller);
}

#[test]
fn a_private_project_is_asked_with_a_token_that_nobody_else_sees() {
    let forge = forge();
    forge.publish(release("v1.0.0"));
    forge.be_private("swordfish");
    fails(&mut Poller::new(forge.fetcher()), "A private project needs a `token`");
    fails(&mut Poller::new(forge.fetcher().token("herring")), "the `token` is not known there");
    let forge = self::forge();
    forge.publish(release("v1.0.0"));
    forge.be_private("swordfish");
    let mut poller = Poller::new(forge.fetcher().token("swordfish"));
    assert_eq!(takes(&mut poller), "v1.0.0");
    is_idle(&mut poller);
    assert_eq!(shown(&forge), (true, false));
}

#[test]
fn a_link_to_another_host_is_followed_without_the_token() {
    use selfup_tests::faults::{Front, Reply, Way};
    let elsewhere = Front::start(Way::Plain, |_| Reply::ok("elsewhere"));
    let (name, url) = (for_here("app"), format!("{}/app", elsewhere.base()));
    let release = format!(
        "{{\"tag_name\": \"v1\", \"assets\": {{\"links\": [{{\"name\": \"{name}\", \"url\": \"{url}\"}}]}}}}"
    );
    let front = Front::start(Way::Plain, move |request| match request.method.as_str() {
        "HEAD" => Reply::redirect("/api/v4/projects/24/releases/v1"),
        _ => Reply::ok(release.as_str()),
    });
    let fetcher = selfup::fetcher::gitlab("owner/app").base(front.base()).token("swordfish");
    assert_eq!(takes(&mut Poller::new(fetcher)), "elsewhere");
    assert!(front.asked().iter().all(|asked| asked.request.header("private-token").is_some()));
    let [asked] = &elsewhere.asked()[..] else { panic!("{:?}", elsewhere.asked()) };
    assert!(!format!("{asked:?}").contains("swordfish"), "{asked:?}");
}

#[test]
fn digests_and_pinned_tags_and_prereleases_are_as_elsewhere() {
    let forge = forge();
    let name = for_here("app");
    let app = bytes("v1.0.0");
    let sums = format!("{}  {name}\n", app.id());
    forge.publish(release("v1.0.0").with_text("SHA256SUMS", &sums));
    forge.publish(release("v1.1.0-rc.1"));
    let mut pinned = Poller::new(forge.fetcher().tag("v1.0.0"));
    assert_eq!(finds(&mut pinned).get_sha256(), Some(app.id()));
    assert_eq!(takes(&mut pinned), "v1.0.0");
    assert_eq!(asked(&forge, || is_idle(&mut pinned)), [format!("GET {API}/v1.0.0 304")]);
    let mut any = Poller::new(forge.fetcher().prerelease(true));
    assert_eq!(takes(&mut any), "v1.1.0-rc.1");
    assert_eq!(asked(&forge, || is_idle(&mut any)), [format!("GET {API} 304")]);
    let mut stable = Poller::new(forge.fetcher().tag("v*"));
    assert_eq!(takes(&mut stable), "v1.0.0");
}

#[test]
fn a_used_up_quota_is_told_with_its_end() {
    let forge = forge();
    forge.publish(release("v1.0.0"));
    forge.limit(1, 30);
    let mut poller = Poller::new(forge.fetcher().token("swordfish"));
    let error = poller.poll().expect_err("it is used up");
    let error = error.downcast_ref::<RetryAfter>().expect("it has a time");
    assert!((1..=32).contains(&error.after().as_secs()), "{error:?}");
    assert!(error.to_string().ends_with("; ask less often"), "{error}");
    forge.lift_limit();
    takes(&mut poller);
}
