#[selfup::main(fetcher = http(interval = "1s", "https://example.com/app"))]
async fn prog(_: selfup::State) {}
