#[selfup::main(fetcher = fallback(http("https://example.com/app")))]
async fn prog(_: selfup::State) {}
