#[selfup::main(fetcher = my_fetcher(interval = "1s"))]
async fn prog(_: selfup::State) {}
