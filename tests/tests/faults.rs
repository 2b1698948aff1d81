//! Every fault of a network against every fetcher that asks over one.
//!
//! A source of another kind joins with two lines.

use selfup_tests::faults::{
    Fault, HttpSource, Way, a_name_is_waited_for, an_idle_poll_is_one_request,
    each_fault_is_an_error, no_fault_is_noticed, publish_to_serving,
};
use selfup_tests::forge::{GitHubApiSource, GitHubSource, GitLabSource, GiteaSource};

#[test]
fn http_each_fault_is_an_error_and_passes() {
    each_fault_is_an_error::<HttpSource>(Way::Plain);
}

#[test]
fn http_each_fault_over_tls_is_an_error_and_passes() {
    each_fault_is_an_error::<HttpSource>(Way::Tls);
}

#[test]
fn http_each_fault_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<HttpSource>(Way::Proxy);
}

#[test]
fn http_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<HttpSource>(Way::TlsByProxy);
}

#[test]
fn http_each_fault_over_http_2_is_an_error_and_passes() {
    each_fault_is_an_error::<HttpSource>(Way::Http2);
}

#[test]
fn http_a_name_that_is_not_known_is_waited_for() {
    a_name_is_waited_for::<HttpSource>();
}

#[test]
fn github_a_name_that_is_not_known_is_waited_for() {
    a_name_is_waited_for::<GitHubSource>();
}

#[test]
fn github_by_its_api_a_name_that_is_not_known_is_waited_for() {
    a_name_is_waited_for::<GitHubApiSource>();
}

#[test]
fn gitlab_a_name_that_is_not_known_is_waited_for() {
    a_name_is_waited_for::<GitLabSource>();
}

#[test]
fn gitea_a_name_that_is_not_known_is_waited_for() {
    a_name_is_waited_for::<GiteaSource>();
}

#[test]
fn http_no_fault_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<HttpSource>(Way::Plain, &Fault::ALL);
}

#[test]
fn http_no_fault_of_tls_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<HttpSource>(Way::Tls, &[Fault::UnknownAuthority, Fault::Truncated]);
}

#[test]
fn http_no_fault_behind_a_proxy_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<HttpSource>(Way::TlsByProxy, &[Fault::Refused]);
}

#[test]
fn http_an_idle_poll_is_one_request() {
    an_idle_poll_is_one_request::<HttpSource>();
}

#[test]
fn http_a_release_is_published_and_serves() {
    publish_to_serving::<HttpSource>();
}

#[test]
fn github_each_fault_is_an_error_and_passes() {
    each_fault_is_an_error::<GitHubSource>(Way::Plain);
}

#[test]
fn github_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<GitHubSource>(Way::TlsByProxy);
}

#[test]
fn github_no_fault_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<GitHubSource>(Way::Tls, &Fault::ALL);
}

#[test]
fn github_an_idle_poll_is_one_request() {
    an_idle_poll_is_one_request::<GitHubSource>();
}

#[test]
fn github_a_release_is_published_and_serves() {
    publish_to_serving::<GitHubSource>();
}

#[test]
fn github_by_its_api_each_fault_is_an_error_and_passes() {
    each_fault_is_an_error::<GitHubApiSource>(Way::Plain);
}

#[test]
fn github_by_its_api_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<GitHubApiSource>(Way::TlsByProxy);
}

#[test]
fn github_by_its_api_no_fault_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<GitHubApiSource>(Way::Tls, &Fault::ALL);
}

#[test]
fn github_by_its_api_a_release_is_published_and_serves() {
    publish_to_serving::<GitHubApiSource>();
}

#[test]
fn gitlab_each_fault_is_an_error_and_passes() {
    each_fault_is_an_error::<GitLabSource>(Way::Plain);
}

#[test]
fn gitlab_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<GitLabSource>(Way::TlsByProxy);
}

#[test]
fn gitlab_no_fault_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<GitLabSource>(Way::Tls, &Fault::ALL);
}

#[test]
fn gitlab_an_idle_poll_is_one_request() {
    an_idle_poll_is_one_request::<GitLabSource>();
}

#[test]
fn gitlab_a_release_is_published_and_serves() {
    publish_to_serving::<GitLabSource>();
}

#[test]
fn gitea_each_fault_is_an_error_and_passes() {
    each_fault_is_an_error::<GiteaSource>(Way::Plain);
}

#[test]
fn gitea_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<GiteaSource>(Way::TlsByProxy);
}

#[test]
fn gitea_no_fault_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<GiteaSource>(Way::Tls, &Fault::ALL);
}

#[test]
fn gitea_an_idle_poll_is_one_request() {
    an_idle_poll_is_one_request::<GiteaSource>();
}

#[test]
fn gitea_a_release_is_published_and_serves() {
    publish_to_serving::<GiteaSource>();
}
