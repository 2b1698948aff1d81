#[selfup::main(fetcher = http("https://example.com/app", header = ("accept", 3)))]
async fn prog(_: selfup::State) {}
