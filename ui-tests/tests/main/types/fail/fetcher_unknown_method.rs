#[selfup::main(fetcher = http("https://example.com/app").every("1s"))]
async fn prog(_: selfup::State) {}
