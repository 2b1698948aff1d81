//! Every fault of a network against every kind of store, upgrades while each passes, and what a poll
//! costs that finds nothing new.

use selfup_tests::faults::{
    Fault, Way, a_name_is_waited_for, an_idle_poll_is_one_request, each_fault_is_an_error,
    no_fault_is_noticed, publish_to_serving,
};
use selfup_tests::stores::{Azurite, FakeGcs, S3Server, Stored};

type S3 = Stored<S3Server>;
type Azure = Stored<Azurite>;
type Gcs = Stored<FakeGcs>;

#[test]
fn s3_each_fault_is_an_error_and_passes() {
    each_fault_is_an_error::<S3>(Way::Plain);
}

#[test]
fn s3_each_fault_over_tls_is_an_error_and_passes() {
    each_fault_is_an_error::<S3>(Way::Tls);
}

#[test]
fn s3_each_fault_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<S3>(Way::Proxy);
}

#[test]
fn s3_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    each_fault_is_an_error::<S3>(Way::TlsByProxy);
}

#[test]
fn s3_a_name_that_is_not_known_is_waited_for() {
    a_name_is_waited_for::<S3>();
}

#[test]
fn s3_no_fault_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<S3>(Way::Plain, &Fault::ALL);
}

#[test]
fn s3_no_fault_of_tls_is_noticed_by_those_who_are_served() {
    no_fault_is_noticed::<S3>(Way::Tls, &[Fault::UnknownAuthority, Fault::Truncated]);
}

#[test]
fn s3_an_idle_poll_is_one_request() {
    an_idle_poll_is_one_request::<S3>();
}

#[test]
fn s3_a_release_is_published_and_serves() {
    publish_to_serving::<S3>();
}

#[test]
fn azure_each_fault_is_an_error_and_passes() {
    if Azurite::is_there() {
        each_fault_is_an_error::<Azure>(Way::Tls);
    }
}

#[test]
fn azure_each_fault_behind_a_proxy_is_an_error_and_passes() {
    if Azurite::is_there() {
        each_fault_is_an_error::<Azure>(Way::Proxy);
    }
}

#[test]
fn azure_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    if Azurite::is_there() {
        each_fault_is_an_error::<Azure>(Way::TlsByProxy);
    }
}

#[test]
fn azure_a_name_that_is_not_known_is_waited_for() {
    if Azurite::is_there() {
        a_name_is_waited_for::<Azure>();
    }
}

#[test]
fn azure_no_fault_is_noticed_by_those_who_are_served() {
    if Azurite::is_there() {
        no_fault_is_noticed::<Azure>(Way::TlsByProxy, &Fault::ALL);
    }
}

#[test]
fn azure_an_idle_poll_is_one_request() {
    if Azurite::is_there() {
        an_idle_poll_is_one_request::<Azure>();
    }
}

#[test]
fn azure_a_release_is_published_and_serves() {
    if Azurite::is_there() {
        publish_to_serving::<Azure>();
    }
}

#[test]
fn gcs_each_fault_is_an_error_and_passes() {
    if FakeGcs::is_there() {
        each_fault_is_an_error::<Gcs>(Way::Tls);
    }
}

#[test]
fn gcs_each_fault_behind_a_proxy_is_an_error_and_passes() {
    if FakeGcs::is_there() {
        each_fault_is_an_error::<Gcs>(Way::Proxy);
    }
}

#[test]
fn gcs_each_fault_over_tls_behind_a_proxy_is_an_error_and_passes() {
    if FakeGcs::is_there() {
        each_fault_is_an_error::<Gcs>(Way::TlsByProxy);
    }
}

#[test]
fn gcs_a_name_that_is_not_known_is_waited_for() {
    if FakeGcs::is_there() {
        a_name_is_waited_for::<Gcs>();
    }
}

#[test]
fn gcs_no_fault_is_noticed_by_those_who_are_served() {
    if FakeGcs::is_there() {
        no_fault_is_noticed::<Gcs>(Way::TlsByProxy, &Fault::ALL);
    }
}

#[test]
fn gcs_an_idle_poll_is_one_request() {
    if FakeGcs::is_there() {
        an_idle_poll_is_one_request::<Gcs>();
    }
}

#[test]
fn gcs_a_release_is_published_and_serves() {
    if FakeGcs::is_there() {
        publish_to_serving::<Gcs>();
    }
}
