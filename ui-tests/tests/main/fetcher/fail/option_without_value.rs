#[selfup::main(fetcher = http("https://example.com/app", interval))]
async fn prog(_: selfup::State) {}
