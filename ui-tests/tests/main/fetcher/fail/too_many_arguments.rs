#[selfup::main(fetcher = http("https://example.com/app", "https://example.com/other"))]
async fn prog(_: selfup::State) {}
