#[selfup::main(fetcher = http(interval = "1s"))]
async fn prog(_: selfup::State) {}
