#[selfup::main(fetcher = http("example.com/app", interval = "1 fortnight"))]
async fn prog(_: selfup::State) {}
