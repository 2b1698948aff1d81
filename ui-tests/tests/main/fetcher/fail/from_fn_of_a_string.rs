#[selfup::main(fetcher = from_fn("fetch.sh"))]
async fn prog(_: selfup::State) {}
