#[selfup::main(fetcher = fallback(http("https://example.com/app"), file("/srv/app"), interval = "1m"))]
async fn prog(_: selfup::State) {}
