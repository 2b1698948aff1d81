#[selfup::main(fetcher = http("https://example.com/app"), pre_upgrade = |_| true)]
async fn prog(_: selfup::State) {}
