#[selfup::main(fetcher = "https://example.com/app")]
async fn prog(_: selfup::State) {}
