#[selfup::main(fetcher = http("https://example.com/app", interval = "1s", interval = "2s"))]
async fn prog(_: selfup::State) {}
