#[selfup::main(fetcher = http("https://example.com/app", interval = 1 + 1))]
async fn prog(_: selfup::State) {}
