#[selfup::main(fetcher = String::from("https://example.com/app"))]
async fn prog(_: selfup::State) {}
