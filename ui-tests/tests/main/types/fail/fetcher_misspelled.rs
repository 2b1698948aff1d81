#[selfup::main(fetcher = htpp("https://example.com/app"))]
async fn prog(_: selfup::State) {}
