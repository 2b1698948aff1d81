#![allow(non_upper_case_globals)]

const fetcher: &str = "http://127.0.0.1:9/app";
const address: &str = "127.0.0.1:0";

#[selfup::main(address = address, fetcher = http(fetcher, interval = interval()))]
async fn prog(_: selfup::State) {}

fn interval() -> std::time::Duration {
    std::time::Duration::from_secs(3600)
}
