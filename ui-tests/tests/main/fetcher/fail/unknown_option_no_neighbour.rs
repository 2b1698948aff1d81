#[selfup::main(fetcher = http("https://example.com/app", colour = 3))]
async fn prog(_: selfup::State) {}
