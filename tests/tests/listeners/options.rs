//! What an address says behind its `?`.

use selfup_tests::{Published, Release, Service, get, served_by};

#[test]
fn two_names_for_one_address_are_served_by_one_socket_that_an_upgrade_may_part() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let both = format!("{address}?name=a,{address}?name=b");
    let mut published = Published::start(&[("ADDRESS", &both)]);
    assert_eq!(published.service.lines("event bound: ").len(), 2);
    for _ in 0..20 {
        assert!(get(address, "/").contains(" 1 "));
    }
    let url = published.publisher.url();
    let one = Release::configured(&format!("ADDRESS={address}?name=b FETCHER={url}"));
    published.succeed(&one);
    served_by(address, 2);
    let again = Release::configured(&format!("ADDRESS={both} FETCHER={url}"));
    published.succeed(&again);
    served_by(address, 3);
    assert!(published.service.stop().success());
}

#[test]
fn options_that_change_leave_the_listener_where_it_is() {
    let mut published = Published::start(&[("ADDRESS", "127.0.0.1:0")]);
    let address = published.service.address();
    let url = published.publisher.url();
    let options = "127.0.0.1:0?nodelay=true&keepalive=30s&backlog=9&name=web";
    published.succeed(&Release::configured(&format!("ADDRESS={options} FETCHER={url}")));
    assert!(get(address, "/state").contains(options));
    assert_eq!(queue_of(&published.service), "9");
    published.succeed(&Release::configured(&format!("ADDRESS=127.0.0.1:0 FETCHER={url}")));
    served_by(address, 3);
    assert_eq!(queue_of(&published.service), "1024");
    assert!(published.service.stop().success());
}

/// How many connections may wait at its listener, as `ss` has it.
fn queue_of(service: &Service) -> String {
    let port = service.address().port().to_string();
    let filter = format!("sport = :{port}");
    let output = std::process::Command::new("ss").args(["-Hltn", &filter]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(2).unwrap().to_owned()
}

#[test]
fn an_address_with_an_option_that_is_none_is_refused_with_the_fix() {
    let mut service =
        selfup_tests::ServiceBuilder::new(&Release::good()).set("ADDRESS", ":0?mode=0660").spawn();
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for("`address`: `mode` is no option of a TCP address; expected `name`, `backlog`");
}
