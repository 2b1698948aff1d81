#[selfup::main(fetcher = http("https://example.com/app", sha256 = true))]
async fn prog(_: selfup::State) {}
