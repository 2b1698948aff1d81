#[selfup::main(fetcher = http("https://example.com/app"), pre_upgrade = "check.sh")]
async fn prog(_: selfup::State) {}
