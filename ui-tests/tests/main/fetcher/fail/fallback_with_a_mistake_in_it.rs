#[selfup::main(fetcher = fallback(http("https://example.com/app", intervall = "1m"), file("")))]
async fn prog(_: selfup::State) {}
