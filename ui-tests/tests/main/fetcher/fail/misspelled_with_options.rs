#[selfup::main(fetcher = htpp("https://example.com/app", interval = "1s"))]
async fn prog(_: selfup::State) {}
