#[selfup::main(fetcher = http)]
async fn prog(_: selfup::State) {}
