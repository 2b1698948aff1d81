#[selfup::main(fetcher = http("https://example.com/app", header = "accept: */*"))]
async fn prog(_: selfup::State) {}
