#[selfup::main(fetcher = http("example.com/app"))]
async fn prog(_: selfup::State) {}
