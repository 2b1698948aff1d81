#[selfup::main(fetcher = http("https://example.com/{platform}/app"))]
async fn prog(_: selfup::State) {}
