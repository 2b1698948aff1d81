#[selfup::main(fetcher = http("https://example.com/app"), min_fetch_interval = "0s")]
async fn prog(_: selfup::State) {}
