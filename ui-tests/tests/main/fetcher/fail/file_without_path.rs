#[selfup::main(fetcher = file())]
async fn prog(_: selfup::State) {}
