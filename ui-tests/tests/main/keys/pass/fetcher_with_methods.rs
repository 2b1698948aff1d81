#[selfup::main(fetcher = http("http://127.0.0.1:9/app").interval("1h").header("a", "b"))]
async fn prog(_: selfup::State) {}
