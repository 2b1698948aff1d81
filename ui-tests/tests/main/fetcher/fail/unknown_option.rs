#[selfup::main(fetcher = http("https://example.com/app", intervall = "1s"))]
async fn prog(_: selfup::State) {}
