//! Forges that are none, or mean harm.

use selfup::fetcher::github;
use selfup_tests::faults::{Front, Poller, Reply, Request, Way};

use crate::{fails, for_here};

/// What a fetcher that asks the API says of these answers.
fn answered(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static, words: &str) -> Front {
    let front = Front::start(Way::Plain, answer);
    let fetcher = github("owner/app").base(front.base()).token("swordfish");
    fails(&mut Poller::new(fetcher.timeout("10s")), words);
    front
}

fn release(more: &str) -> String {
    format!(
        "{{\"tag_name\": \"v1.0.0\", \"assets\": [{{\"id\": 7, \"name\": {:?}{more}}}]}}",
        for_here("app")
    )
}

#[test]
fn what_is_no_release_is_an_error_that_says_so() {
    let no = "its answer is no release";
    answered(|_| Reply::ok("<html>Please log in</html>"), no);
    answered(|_| Reply::ok(""), no);
    answered(|_| Reply::ok("[".repeat(100_000)), no);
    answered(|_| Reply::ok("{\"tag_name\": 7}"), no);
    answered(|_| Reply::ok("{\"tag_name\": \"\"}"), "a release without a tag that can be one");
    answered(|_| Reply::ok("{\"tag_name\": \"..\"}"), "a release without a tag that can be one");
    // Nobody asked whether it is another one.
    answered(|_| Reply::status(304), "status 304 Not Modified; expected 200 and a release");
}

#[test]
fn an_answer_without_an_end_is_not_read_to_it() {
    answered(|_| Reply::ok(vec![b' '; 9 << 20]), "its answer is longer than 8388608 bytes");
}

#[test]
fn a_file_that_is_not_as_long_as_is_told_is_not_taken() {
    let answer = |request: &Request| match request.path() {
        "/api/v3/repos/owner/app/releases/latest" => Reply::ok(release(", \"size\": 5")),
        _ => Reply::ok("four"),
    };
    answered(answer, "has 4 bytes, and its release says 5");
}

#[test]
fn a_list_leads_to_no_other_host_and_has_an_end() {
    let elsewhere = Front::start(Way::Plain, |_| Reply::ok("[]"));
    let link = format!("<{}/next>; rel=\"next\"", elsewhere.base());
    let front = Front::start(Way::Plain, move |_| Reply::ok("[]").with("Link", &link));
    let fetcher =
        |front: &Front| github("owner/app").base(front.base()).token("swordfish").prerelease(true);
    fails(&mut Poller::new(fetcher(&front)), "has the newest, pre-releases included; expected");
    assert_eq!((front.asked().len(), elsewhere.asked().len()), (1, 0));

    let endless = Front::start(Way::Plain, |_| Reply::ok("[]").with("Link", "</x>; rel=next"));
    fails(&mut Poller::new(fetcher(&endless)), "no page of its releases, of 10 at most,");
    assert_eq!(endless.asked().len(), 10);
}

#[test]
fn a_redirect_to_a_tag_that_is_none_is_followed_to_its_end() {
    for location in ["/owner/app/releases/download/../app", "/owner/app/releases/download/%0A/app"]
    {
        let front = Front::start(Way::Plain, move |_| Reply::redirect(location));
        let fetcher = github("owner/app").base(front.base()).asset("app");
        fails(&mut Poller::new(fetcher), "more than 5 redirects, and none to a release");
        assert_eq!(front.asked().len(), 5);
    }
}
